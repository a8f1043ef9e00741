"""The table of foretold ratings, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality_tables import p_value
from benchmarks.rating import NAME
from benchmarks.speed_tables import Line, page, table
from recsys.eval.rating import MAIN, ROWS
from recsys.eval.tables import percent

HEAD = ("Set, split, seed", "Test ratings", *ROWS, "Regressor against mf", "p", "MAE of mf", "MAE of the regressor")


def ratings(results: Path) -> str:
    """Return a line a set, split and seed: the RMSE of every row, and the regressor against matrix factorisation.

    Behind random splits of a set stands the mean of them.
    """

    def make(lines: Sequence[Line]) -> str:
        runs: dict[tuple[str, str, int], dict[str, Line]] = {}
        for line in lines:
            p = line["parameters"]
            runs.setdefault((p["set"], p["split"], p["seed"]), {})[line["name"]] = line
        made = []
        for name, split in dict.fromkeys(key[:2] for key in runs):
            some = {key: rows for key, rows in runs.items() if key[:2] == (name, split)}
            made += [_cells(key, rows) for key, rows in some.items()]
            if len(some) > 1:
                made.append(_means(f"{name}, {split}, mean of {len(some)}", list(some.values())))
        return table(HEAD, made)

    return page(NAME, results, make)


def _cells(key: tuple[str, str, int], rows: dict[str, Line]) -> list[str]:
    name, split, seed = key
    first = next(iter(rows.values()))
    cells = [
        f"{name}, {split}" + (f" {seed}" if split == "random" else ""),
        f"{first['parameters']['test_ratings']:,.0f}",
    ]
    cells += [_error(rows[row]) if row in rows else "" for row in ROWS]
    if not {"mf", "regressor"} <= rows.keys():
        return [*cells, "", "", "", ""]
    mine = rows["regressor"]["figures"]
    effect = mine["effect"]["mf"]
    low, high = effect["ci95"]
    return [
        *cells, f"{percent(effect['relative'])} ({low:+.4f} to {high:+.4f})",
        p_value(mine["p_vs"]["mf"]),
        f"{rows['mf']['figures']['metrics']['mae']:.4f}", f"{mine['metrics']['mae']:.4f}",
    ]  # fmt: skip


def _means(title: str, runs: Sequence[dict[str, Line]]) -> list[str]:
    def mean(row: str, metric: str) -> float:
        return sum(rows[row]["figures"]["metrics"][metric] for rows in runs) / len(runs)

    found = [row for row in ROWS if all(row in rows for rows in runs)]
    cells = [title, "", *(f"{mean(row, MAIN):.4f}" if row in found else "" for row in ROWS)]
    if not {"mf", "regressor"} <= set(found):
        return [*cells, "", "", "", ""]
    gain = mean("regressor", MAIN) / mean("mf", MAIN) - 1
    return [*cells, percent(gain), "", f"{mean('mf', 'mae'):.4f}", f"{mean('regressor', 'mae'):.4f}"]


def _error(line: Line) -> str:
    f = line["figures"]
    low, high = f["ci95"][MAIN]
    interval = f" ({low:.4f}–{high:.4f})" if line["name"] in ("mf", "regressor") else ""
    return f"{f['metrics'][MAIN]:.4f}{interval}"
