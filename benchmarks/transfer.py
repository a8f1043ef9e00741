"""A reranker that learned in one category at work in others, where nothing of it is taught: neither texts nor lists."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.llmrank import print_progress
from benchmarks.runner import run_case, write_lines
from benchmarks.transfer_given import given_lines, small_lists
from benchmarks.transfer_target import TEXTLESS, TOP, WHOLE, cascade_alone, chosen_bound, target_lines
from recsys.artifacts import read_json, write_json
from recsys.config import EngineConfig
from recsys.data.shop import make_shop
from recsys.data.source import available, data_folder, open_data
from recsys.data.splits import split
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.fitting import fit_all
from recsys.fitting_rerank import with_rerankers
from recsys.protocols import FitOptions
from recsys.registry import Registry

NAME, SOURCE, TARGETS, GIVEN = "transfer", "beauty", ("toys", "sports"), "games"
DATA = {SOURCE: "s3rec:beauty", "toys": "s3rec:toys", "sports": "s3rec:sports", GIVEN: "llmrank:games"}
SETS = (*TARGETS, GIVEN)
# What is an item's own in one shop is nothing in another: texts have to say it all.
MODELS: Mapping[str, dict[str, Any]] = {WHOLE: {"own": False}, TEXTLESS: {"text": "none", "own": False}}
ABOUT = "taught.json"  # beside a saved reranker: the line about it
# Small enough that all of it runs in a minute.
QUICK_CONFIG: Mapping[str, Any] = {
    "candidates": {"transitions": {}, "popularity": {}},
    "rank": {"lightgbm": {"max_rounds": 5, "folds": 2}},
    "variants": {"no-llm": {"rank": "lightgbm"}},
}
QUICK_MODEL = {"projected": 32, "width": 16, "heads": 2, "epochs": (1,), "more_epochs": 1, "head_seeds": 1}


def refresh(names: Sequence[str], results: Path, models: Path | None, quick: bool = False) -> int:
    """Teach in the source, measure the sets ``names``, and return how many of these have no files.

    ``models`` is a folder in which what was taught stays: where it is already there, it is not taught again.
    """
    here = available(data_folder())
    missing = [] if quick else [n for n in names if DATA[n] not in here]
    if not quick and DATA[SOURCE] not in here:
        missing = list(names)
    wanted = [n for n in names if n not in missing]
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-") as scratch:
        folder, lines = models or Path(scratch), []
        for part in (SOURCE, *wanted) if wanted else ():
            begin = time.perf_counter()
            lines += run_case(NAME, {"set": part, "models": str(folder.resolve()), "quick": quick}, results)
            print(f"{NAME}, {part}: {time.perf_counter() - begin:.0f} s", flush=True)
    if lines:
        write_lines(results / f"{NAME}.jsonl", lines)
    for name in missing:
        print(f"{NAME}, {name}: skipped, its data or that of {SOURCE} is not in the folder that RECSYS_DATA names")
    return len(missing)


def run(case: Mapping[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return the lines of one set; those of the source say what was taught."""
    name, quick = case["set"], bool(case["quick"])
    folder = Path(case["models"]) / ("quick" if quick else SOURCE)
    config = EngineConfig.of(QUICK_CONFIG) if quick else None
    if quick:
        shop = make_shop(1, 300).dataset  # one catalogue for all: texts are read once
        data = small_lists(shop) if name == GIVEN else shop
    else:
        data, _ = open_data(DATA[name])
    if name == SOURCE:
        return taught(data, folder, config, QUICK_MODEL if quick else {})
    return given_lines(data, name, folder / WHOLE) if name == GIVEN else target_lines(data, name, folder, config)


def taught(
    data: Dataset, folder: Path, config: EngineConfig | None = None, options: Mapping[str, Any] | None = None,
    registry: Registry | None = None, seed: int = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Teach the rerankers of `MODELS` behind the source's cascade, as an evaluation does, and save them in ``folder``.

    The lines say what the source's own validation found: it also chose the bound that a reranker takes with it. What
    was taught before with the same settings is not taught again.

    Raises:
        DataError: the source cannot teach one of them.
    """
    registry, fit = registry or Registry(), FitOptions(seed=seed)
    rerank = {n: {"use": "compressed", "top": TOP, **(options or {}), **own} for n, own in MODELS.items()}
    mark = cascade_alone(data, config, rerank).hash
    known = {n: read_json(folder / n / ABOUT) for n in MODELS if (folder / n / ABOUT).is_file()}
    known = {n: line for n, line in known.items() if line["parameters"]["settings_hash"] == mark}
    missing = {n: stage for n, stage in rerank.items() if n not in known}
    if missing:
        config, folds = cascade_alone(data, config, missing), split(data.log, "leave-one-out")
        log = folds.test.fit
        fitted = fit_all(config, registry, data, folds.rank, log, fit, print_progress)
        fitted = with_rerankers(
            config, registry, data, fitted, log, fit, print_progress, folds.older, folds.valid
        )  # fmt: skip
        if len(fitted.rerankers) < len(missing):
            raise DataError("; ".join(fitted.warnings))
        about = {"set": SOURCE, "data": data.name, "part": "taught", "settings_hash": mark}
        for name, reranker in fitted.rerankers.items():
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir(parents=True)
            reranker.save(folder / name)
            figures = {"seconds": round(fitted.fit_s[name], 1), "lists": reranker.figures["lists"]}
            figures |= chosen_bound(fitted.calibrations[name])
            known[name] = {"name": name, "parameters": about, "figures": figures}
            write_json(folder / name / ABOUT, known[name])
    return [known[name] for name in MODELS]
