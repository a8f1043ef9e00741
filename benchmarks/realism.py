"""What offline figures hide: ties in time, names that a model may know, and whether an A/B test finds what is true."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.evaluations import written
from benchmarks.llmrank import SETS as GIVEN
from recsys.data.source import available, data_folder

NAME = "realism"
TIED = "musical-instruments"  # its times are days
TIE_ROWS = ("popularity", "transitions", "item-knn", "als", "ease", "fusion", "cascade")
TIE_SEEDS = (0, 1, 2)
NAMED_ROWS = ("random", "zero-shot", "late-interaction")
# Name -> the two engines of an A/B test. The last has no difference to find.
TESTS = {
    "ab-ranking": ("popularity", "no-llm"),
    "ab-reranking": ("no-llm", "fine-tuned"),
    "ab-same": ("no-llm", "no-llm"),
}


@dataclass(frozen=True, slots=True)
class Study:
    """Words behind ``recsys`` that make one file, and those that make it small; ``data`` as ``--data`` names it."""

    words: tuple[str, ...]
    data: str
    small: tuple[str, ...] = ()


def _ties(*words: str) -> Study:
    head = ("evaluate", "--data", TIED, "--split", "leave-one-out", "--no-refit", *words)
    return Study((*head, "--rows", ",".join(TIE_ROWS)), TIED, (*head, "--rows", "popularity,transitions"))


def _anonymous(data: str) -> Study:
    head = ("evaluate", "--data", data, "--anonymise")
    rerank = ("--rerank", ",".join(NAMED_ROWS[1:]))
    return Study((*head, *rerank, "--rows", ",".join(NAMED_ROWS)), data, (*head, "--rows", "random"))


def _test(a: str, b: str) -> Study:
    head = ("simulate", "--a", a, "--b", b, "--independent")
    return Study((*head, "--shoppers", "2000"), "shop", (*head, "--shoppers", "20", "--size", "120"))


TIES = {
    "ties-of-file": _ties(),
    **{f"ties-shuffled-{seed}": _ties("--shuffle-ties", "--seed", str(seed)) for seed in TIE_SEEDS},
}
NAMES = {f"anonymous-{name}": _anonymous(data) for name, data in GIVEN.items()}
STUDIES: dict[str, Study] = {**TIES, **NAMES, **{name: _test(*pair) for name, pair in TESTS.items()}}


def refresh(names: Sequence[str], results: Path, quick: bool = False) -> int:
    """Make the file of each study, ``realism-NAME.json``, and return how many failed or have no data."""
    here = available(data_folder())
    failed = 0
    with tempfile.TemporaryDirectory(prefix="realism-") as demo:  # one sample shop for all tests of this run
        for name in names:
            study = STUDIES[name]
            if study.data not in here:
                print(f"{NAME}, {name}: skipped, {study.data} is not in the folder that RECSYS_DATA names")
                failed += 1
                continue
            print(f"{NAME}, {name}:", flush=True)
            words = study.small if quick else study.words
            kept = ("--folder", demo) if words[0] == "simulate" else ()
            failed += not written((*words, *kept), path_of(name, results))
    return failed


def path_of(name: str, results: Path) -> Path:
    """Return the file of a study."""
    return results / f"{NAME}-{name}.json"
