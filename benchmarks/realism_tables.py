"""The tables of realism: from the JSON of ``recsys evaluate`` and ``recsys simulate`` to Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.llmrank import SETS as GIVEN
from benchmarks.quality_tables import p_value, read, with_interval
from benchmarks.realism import NAME, NAMED_ROWS, TESTS, TIE_ROWS, TIE_SEEDS, path_of
from benchmarks.runner import read_lines
from recsys.cli.simulate import NAMES as MEASURES
from recsys.eval.debiased import PREFIX
from recsys.eval.measure import CASCADE
from recsys.eval.report import markdown_table
from recsys.eval.results import Results, Row
from recsys.eval.stages import best_single
from recsys.eval.tables import NONE, Cell, Table, number, percent

METRIC = "ndcg@10"
# Slice -> its column.
SLICES = {
    "target cold": "New items", "target rare": "Rare items", "target new": "Items new to the shopper",
    "shopper cold": "New shoppers", "history 1-4": "Short histories",
}  # fmt: skip
MISSING = f"Not measured yet: `python -m benchmarks {NAME}`."


def ties(results: Path) -> str:
    """Return what is left of each row when the order of a file within a day is replaced by chance."""
    plain = _study("ties-of-file", results)
    shuffled = [_study(f"ties-shuffled-{seed}", results) for seed in TIE_SEEDS]
    if plain is None or any(one is None for one in shuffled):
        return MISSING
    lines = []
    for name in TIE_ROWS:
        values = [one.row(name).metrics[METRIC] for one in shuffled if one is not None]
        mean, before = statistics.fmean(values), plain.row(name).metrics[METRIC]
        by_chance = Cell(number(mean), f"{number(min(values))}–{number(max(values))}")
        change = Cell(percent(mean / before - 1) if before else NONE)
        lines.append((Cell(name), with_interval(plain.row(name), METRIC), by_chance, change))
    head = ("Row", "NDCG@10, order of the file", f"Order by chance, mean of {len(TIE_SEEDS)} (range)", "Change")
    about = f"`{plain.data}`, {plain.split}: {plain.users:,} requests. {_remark(shuffled[0])}"
    return "\n\n".join([markdown_table(Table("", head, tuple(lines))), about])


def names(results: Path) -> str:
    """Return what rerankers lose when all words of titles are replaced by opaque ones."""
    lines, remark = [], ""
    for name in GIVEN:
        opaque = _study(f"anonymous-{name}", results)
        known = {line["name"]: line["figures"] for line in read_lines(results / f"llmrank-{name}.jsonl")}
        for row in NAMED_ROWS if opaque is not None else ():
            if opaque is None or row not in known:
                continue
            with_names, without = known[row]["metrics"][METRIC], opaque.row(row)
            low, high = known[row]["ci95"][METRIC]
            lines.append(
                (Cell(name), Cell(row), Cell(number(with_names), f"{number(low)}–{number(high)}"),
                 with_interval(without, METRIC), Cell(percent(without.metrics[METRIC] / with_names - 1)))
            )  # fmt: skip
            remark = opaque.notes[0]
    if not lines:
        return MISSING
    head = ("Set", "Row", "NDCG@10 with names", "NDCG@10 with opaque words", "Change")
    return "\n\n".join([markdown_table(Table("", head, tuple(lines))), f"Of the last set: {remark}"])


def tests(results: Path) -> str:
    """Return A/B tests of simulated shoppers: what was measured, what is true, and whether the test said so."""
    lines: list[tuple[Cell, ...]] = []
    for name in TESTS:
        path = path_of(name, results)
        if path.is_file():
            lines += _test(json.loads(path.read_text(encoding="utf-8")))
    if not lines:
        return MISSING
    head = ("Test", "Measure", "A", "B", "B - A, measured", "p (Holm)", "B - A, true", "It can find", "The test")
    return markdown_table(Table("", head, tuple(lines)))


def _test(found: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    title = f"{found['b']} against {found['a']}, {found['shoppers']:,} shoppers"
    for measure, one in found["metrics"].items():
        low, high = one["ci95"]
        yield (
            Cell(title), Cell(MEASURES[measure]), Cell(number(one["a"])), Cell(number(one["b"])),
            Cell(f"{one['difference']:+.4f}", f"{low:+.4f} to {high:+.4f}"), Cell(p_value(one["p_holm"])),
            Cell(f"{one['truth']['difference']:+.4f}"), Cell(number(one["detectable"])), Cell(one["verdict"]),
        )  # fmt: skip


def slices(sets: Sequence[str], results: Path) -> str:
    """Return NDCG@10 of the cascade and what it stands beside, for groups of requests; how many are in each."""
    lines = []
    for name, found, rows in _evaluated(sets, results):
        for row in rows:
            cells = (_slice(row, part) for part in SLICES)
            lines.append((Cell(name, f"{found.users:,}"), Cell(row.name), Cell(number(row.metrics[METRIC])), *cells))
    if not lines:
        return "Not measured yet: `python -m benchmarks evaluate`."
    return markdown_table(Table("", ("Set (requests)", "Row", "All", *SLICES.values()), tuple(lines)))


def _slice(row: Row, part: str) -> Cell:
    found = row.slices.get(part)
    return Cell(NONE) if found is None else Cell(number(found[METRIC]), f"{found['requests']:,.0f}")


def debiased(sets: Sequence[str], results: Path) -> str:
    """Return NDCG@10 as it is and without the pull of popular targets."""
    lines = []
    for name, _, rows in _evaluated(sets, results):
        measured = [row for row in rows if PREFIX + METRIC in row.metrics]
        lines += [
            (Cell(name), Cell(r.name), with_interval(r, METRIC), with_interval(r, PREFIX + METRIC)) for r in measured
        ]
    if not lines:
        return "Not measured yet: `python -m benchmarks evaluate`."
    return markdown_table(Table("", ("Set", "Row", "NDCG@10", "Debiased NDCG@10"), tuple(lines)))


def refitted(sets: Sequence[str], results: Path) -> str:
    """Return what fitting validation's events, too, adds to the best single generator and to the cascade."""
    lines = []
    for name in sets:
        found = read(name, results)
        rows = {row.name: row for row in found.rows} if found else {}
        for row in (r for r in (best_single(found) if found else None, CASCADE) if f"{r}@refit" in rows and r):
            base, again = rows[row], rows[f"{row}@refit"]
            gain = again.metrics[METRIC] / base.metrics[METRIC] - 1 if base.metrics[METRIC] else None
            lines.append(
                (Cell(name), Cell(row), with_interval(base, METRIC), with_interval(again, METRIC), Cell(percent(gain)),
                 with_interval(again, "hr@10"))
            )  # fmt: skip
    if not lines:
        return "Not measured yet: `python -m benchmarks evaluate`."
    head = ("Set", "Row", "NDCG@10", "NDCG@10 @refit", "Gain", "HR@10 @refit")
    return markdown_table(Table("", head, tuple(lines)))


def _evaluated(sets: Sequence[str], results: Path) -> Iterator[tuple[str, Results, list[Row]]]:
    """Yield each set that was measured: its controls, its best single generator, the cascade, what validation chose."""
    for name in sets:
        found = read(name, results)
        if found is None:
            continue
        rows = {row.name: row for row in found.rows}
        wanted = ("popularity", "own-history", best_single(found) or "", "cascade", found.best_by_validation or "")
        # Where items chosen before are masked, one's own history finds nothing.
        yield name, found, [rows[row] for row in dict.fromkeys(wanted) if row in rows and rows[row].metrics[METRIC] > 0]


def _study(name: str, results: Path) -> Results | None:
    path = path_of(name, results)
    return Results.from_dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _remark(found: Results | None) -> str:
    return found.notes[0] if found is not None and found.notes else ""
