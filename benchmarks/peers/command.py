"""``python -m benchmarks peers [SET ...]``: other libraries and ours on the same tasks, one process after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.facts import source
from benchmarks.peers import recommended, searched
from benchmarks.peers.environment import run_library
from benchmarks.peers.handover import Values, answered, load_answers, save_answers
from benchmarks.runner import read_lines, run_case, write_lines
from recsys.data.shop import make_shop
from recsys.data.source import available, data_folder, open_data
from recsys.dataset import Dataset
from recsys.registry import Registry
from recsys.runtime.models import cache_folder

NAME = "peers"
# Set -> what ``--data`` names. The first ones ask for recommendations, the others are searched.
RECOMMENDED = {"shop": "shop", "beauty": "s3rec:beauty"}
SEARCHED = {"icecat": "search:icecat", "msrd": "search:msrd"}
SETS = {**RECOMMENDED, **SEARCHED}
# Ours come first: everybody else is compared with them. The cascade is a side of its own, for it takes longest.
SIDES = {
    **dict.fromkeys(RECOMMENDED, (recommended.CASCADE, recommended.OURS, "implicit", "rectools", "lenskit")),
    **dict.fromkeys(SEARCHED, (searched.OURS, "bm25s", "sentence_transformers")),
}
# What shows in a minute that everything runs: one library, its models, and ours of the same kinds.
QUICK_SET, QUICK_SIDES, QUICK_SHOPPERS, QUICK_TRIES = "shop", (recommended.OURS, "implicit"), 300, 2
QUICK_MODELS = tuple(recommended.SPACES["implicit"])


def refresh(
    names: Sequence[str], results: Path, folder: Path | None = None, quick: bool = False, resume: bool = False
) -> int:
    """Measure sets, each side a process of its own, and return how many sets have no files plus how many sides failed.

    The lines of a side are kept as soon as it is measured; the lines of other sets stay. ``folder`` keeps the
    environments, tasks and lists (None: beneath the cache). With ``resume`` a side is left out that the same source has
    measured; nothing is while some of the source is not committed. See `facts.source`.
    """
    here, target, failed = available(data_folder()), results / f"{NAME}.jsonl", 0
    folder = (folder or cache_folder() / NAME).resolve()
    missing = [name for name in names if SETS[name] not in here]
    names = [QUICK_SET] if quick else [n for n in names if n not in missing]
    for name in names:
        for side in QUICK_SIDES if quick else SIDES[name]:
            before = source()
            # Without its lists nobody could be held against it.
            if resume and _done(read_lines(target), name, side, before) and (folder / name / f"{side}.json").is_file():
                print(f"{NAME}, {name}, {side}: done before", flush=True)
                continue
            begin = time.perf_counter()
            case = {"set": name, "side": side, "folder": str(folder), "quick": quick}
            try:
                lines = run_case(NAME, case, results)
            except subprocess.CalledProcessError as error:
                print(f"{NAME}, {name}, {side} failed:\n{error.stderr}", file=sys.stderr)
                failed += 1
                continue
            # A source that changed under a running side made nothing that can be named.
            lines = [line | {"source": before if source() == before else ""} for line in lines]
            kept = [line for line in read_lines(target) if not _of(line, name, side)]
            write_lines(target, sorted([*kept, *lines], key=_place))
            print(f"{NAME}, {name}, {side}: {time.perf_counter() - begin:.0f} s", flush=True)
    for name in missing if not quick else ():
        print(f"{NAME}, {name}: skipped, {SETS[name]} is not in the folder that RECSYS_DATA names")
        failed += 1
    return failed


def run(case: Mapping[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return the lines of one side of one set."""
    name, side, folder = case["set"], case["side"], Path(case["folder"])
    if case["quick"]:
        data, folder = make_shop(1, QUICK_SHOPPERS).dataset, folder / "quick"
    else:
        data, _ = open_data(SETS[name])
    task = folder / name
    task.mkdir(parents=True, exist_ok=True)
    about = {"set": name, "side": side}
    if name in SEARCHED:
        return searched.side_lines(data, side, folder, task, about)
    if side == recommended.CASCADE:
        tries = {side: [{}]}
    elif case["quick"]:
        every = recommended.tries_of(side, QUICK_TRIES)
        tries = {model: every[model] for model in QUICK_MODELS}
    else:
        tries = recommended.tries_of(side)
    return recommended_lines(data, side, tries, folder, task, about)


def recommended_lines(
    data: Dataset, side: str, tries: Mapping[str, Sequence[Values]], folder: Path, place: Path,
    about: Mapping[str, Any], minutes: float = recommended.MINUTES,
) -> list[dict[str, Any]]:  # fmt: skip
    """Let one side answer the task of a set in the folder ``place``, and return its lines."""
    registry, cascade = Registry(), side == recommended.CASCADE
    task = recommended.task_of(data, tries, minutes)
    if side in (recommended.OURS, recommended.CASCADE):
        fits = recommended.our_cascade(task, registry) if cascade else recommended.our_fits(task, registry)
        save_answers(place, side, answered(fits, task.given, _say), {})
    else:
        task.given.save(place)
        run_library(side, folder, place, _say)
    answers, versions = load_answers(place, side)
    ours = {}
    for mine in (recommended.OURS, recommended.CASCADE):
        if (place / f"{mine}.json").is_file():
            ours |= recommended.rows_of(task, load_answers(place, mine)[0])
    library = recommended.OURS if cascade else side
    about = {
        **about, "shoppers": len(task.test), "items": len(data.items), "events": len(data.log),
        "fitted_events": len(task.given.fitted.users), "minutes": task.given.minutes, "peer_versions": versions,
    }  # fmt: skip
    return recommended.lines_of(library, recommended.rows_of(task, answers), ours, about)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _of(line: Mapping[str, Any], name: str, side: str) -> bool:
    return bool(line["parameters"]["set"] == name and line["parameters"]["side"] == side)


def _done(lines: Sequence[Mapping[str, Any]], name: str, side: str, now: str) -> bool:
    committed = bool(now) and not now.endswith("+")
    return committed and any(_of(line, name, side) and line.get("source") == now for line in lines)


def _place(line: Mapping[str, Any]) -> tuple[int, int]:
    p = line["parameters"]
    return list(SETS).index(p["set"]), SIDES[p["set"]].index(p["side"])
