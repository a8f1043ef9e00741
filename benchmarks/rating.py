"""Ratings foretold: the regressor beside means, biases and matrix factorisation, on three sets of public ratings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.llmrank import print_progress
from benchmarks.runner import read_lines, run_case, write_lines
from recsys.data.source import available, data_folder, open_data
from recsys.eval.rating import evaluate_rating
from recsys.eval.results import Results

NAME = "rating"
SETS = ("ml-latest-small", "musical-instruments", "gift-cards")
# 8:1:1 by chance as in published tables, with three seeds; then the two splits that know a past and a future.
PROTOCOLS = (("random", 0), ("random", 1), ("random", 2), ("global-time", 0), ("leave-one-out", 0))
QUICK_ROWS = ("global-mean", "item-mean", "biases")


def refresh(names: Sequence[str], results: Path, quick: bool = False) -> int:
    """Measure sets, each split a process of its own, and return how many sets have no files.

    A line is kept as soon as it is measured: the lines of a set that is measured again give way one split at a time.
    """
    here = available(data_folder())
    target = results / f"{NAME}.jsonl"
    for name in (n for n in names if n in here):
        for split, seed in PROTOCOLS[:1] if quick else PROTOCOLS:
            begin = time.perf_counter()
            case = {"set": name, "split": split, "seed": seed, "quick": quick}
            lines = run_case(NAME, case, results)
            kept = [line for line in read_lines(target) if not _same(line["parameters"], case)]
            write_lines(target, sorted([*kept, *lines], key=_place))
            print(f"{NAME}, {name}, {split} {seed}: {time.perf_counter() - begin:.0f} s", flush=True)
    missing = [name for name in names if name not in here]
    for name in missing:
        print(f"{NAME}, {name}: skipped, it is not in the folder that RECSYS_DATA names")
    return len(missing)


def run(case: Mapping[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return a line a row of one set, split and seed."""
    data, _ = open_data(case["set"])
    rows = QUICK_ROWS if case["quick"] else None
    results = evaluate_rating(data, case["split"], seed=case["seed"], rows=rows, progress=print_progress)
    return lines_of(case["set"], results)


def lines_of(name: str, results: Results) -> list[dict[str, Any]]:
    """Return the lines of one evaluation."""
    found = results.to_dict()
    about = {
        "set": name, "split": results.split, "seed": results.seed, "items": results.items,
        "best_by_validation": results.best_by_validation, "settings": found["settings"],
        "settings_hash": results.settings_hash, **results.protocol,
    }  # fmt: skip
    return [
        {
            "name": row["name"],
            "parameters": about,
            "figures": {
                **{part: row[part] for part in ("metrics", "ci95", "p_vs", "effect")},
                "validation_rmse": found["validation_rmse"][row["name"]],
            },
        }
        for row in found["rows"]
    ]


def _same(parameters: Mapping[str, Any], case: Mapping[str, Any]) -> bool:
    return all(parameters[part] == case[part] for part in ("set", "split", "seed"))


def _place(line: Mapping[str, Any]) -> tuple[int, int]:
    p = line["parameters"]
    return SETS.index(p["set"]), PROTOCOLS.index((p["split"], p["seed"]))
