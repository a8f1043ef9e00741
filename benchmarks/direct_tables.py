"""The table of direct recommendation: one target among 99 random others, beside published figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality_tables import read, versus, with_interval
from recsys.eval.report import markdown_table
from recsys.eval.results import Results
from recsys.eval.tables import NONE, Cell, Table, number

METRICS = ("hr@1", "hr@5", "ndcg@5", "hr@10", "ndcg@10")
Figures = tuple[float | None, ...]
# In the order of `METRICS`, by whose report. Others drew their own 99 items.
PUBLISHED: dict[str, dict[str, Figures]] = {
    "direct-beauty": {
        "P5-small, listed candidates (P5 repository)": (0.0595, 0.1606, 0.1112, 0.2352, 0.1352),
        "P5-small, yes or no (P5 repository)": (0.0862, 0.2448, 0.1673, 0.3441, 0.1993),
        "POD (POD repository)": (0.0829, 0.1926, 0.1391, 0.2670, 0.1629),
        "SASRec (S3-Rec repository)": (0.1867, 0.3721, 0.2843, 0.4651, 0.3142),
        "S3-Rec (S3-Rec repository)": (0.2197, 0.4626, 0.3473, 0.5687, 0.3816),
    },
    "direct-sports": {
        "POD (POD repository)": (0.0895, 0.2086, 0.1506, 0.2873, 0.1756),
        # Its NDCG@10 is misprinted there.
        "SASRec (S3-Rec repository)": (0.1472, 0.3441, 0.2487, 0.4645, None),
        "S3-Rec (S3-Rec repository)": (0.1840, 0.4319, 0.3125, 0.5664, 0.3559),
    },
    "direct-toys": {
        "POD (POD repository)": (0.0567, 0.1433, 0.1009, 0.2082, 0.1215),
        "SASRec (S3-Rec repository)": (0.1775, 0.3683, 0.2766, 0.4659, 0.3081),
        "S3-Rec (S3-Rec repository)": (0.2070, 0.4481, 0.3335, 0.5593, 0.3695),
    },
}


def direct(names: Sequence[str], folder: Path) -> str:
    """Return every row of every set, the published ones behind ours."""
    lines: list[tuple[Cell, ...]] = []
    for name in names:
        found = read(name, folder)
        if found is not None:
            lines += _rows(name, found)
    if not lines:
        return f"Not measured yet: `python -m benchmarks evaluate {' '.join(names)}`."
    head = ("Set", "Row", "HR@1", "HR@5", "NDCG@5", "HR@10", "NDCG@10", "Against best single", "p (Holm)")
    return markdown_table(Table("", head, tuple(lines)))


def _rows(name: str, found: Results) -> list[tuple[Cell, ...]]:
    base = str(found.protocol["best_single_by_validation"])
    which = Cell(name.removeprefix("direct-"))
    lines = []
    for row in found.rows:
        title = Cell(row.name, "chosen by validation" if row.name == found.best_by_validation else "")
        lines.append((which, title, *(with_interval(row, m) for m in METRICS), *versus(row, base)))
    for who, figures in PUBLISHED[name].items():
        lines.append((which, Cell(who), *(Cell(number(f)) for f in figures), Cell(NONE), Cell(NONE)))
    return lines
