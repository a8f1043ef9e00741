"""Sequential recommendation as others report it for the same files, and what is wrong with some of it.

All rank every item for the last choice of each shopper. Where a figure was found is said; one that nobody looked up
again where it first stood is `unverified`, and one of a system that has seen the test has its `leak` named. Neither
is a yardstick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality_tables import read
from recsys.eval.report import markdown_table
from recsys.eval.results import Row
from recsys.eval.tables import NONE, Cell, Table, number

METRICS = ("hr@10", "ndcg@10")
Pair = tuple[float | None, float | None]  # HR@10 and NDCG@10
SETS = ("beauty", "sports", "toys", "yelp", "yelp-masked")


@dataclass(frozen=True, slots=True)
class Published:
    """One system in one report: ``figures`` are HR@10 and NDCG@10 by set; None where a figure was not reported."""

    system: str
    source: str
    figures: Mapping[str, Pair]
    caveat: str = ""
    leak: str = ""
    unverified: bool = False

    @property
    def counts(self) -> bool:
        """Whether its figures are something to be measured by."""
        return not self.leak and not self.unverified


def _row(system: str, source: str, *pairs: Pair | None, **marks: str | bool) -> Published:
    """Return a row whose ``pairs`` are in the order of `SETS`."""
    found = {name: pair for name, pair in zip(SETS, pairs, strict=False) if pair is not None}
    return Published(system, source, found, **marks)  # type: ignore[arg-type]


S3REC, ESASREC, OTHERS = "S3-Rec repository", "eSASRec repository", "transformer_benchmark repository"
P5_IDS = "LLM-RecSys-ID repository"
DROPS = "drops shoppers with unseen targets, uses no attributes"
IDS = "numbers of items were given in the order of whole histories"
NAMES = "names of shoppers were made from whole histories"
PUBLISHED = (
    _row("popularity", S3REC, (0.0152, 0.0068), (0.0094, 0.0053), (0.0113, 0.0061), None, (0.0099, 0.0051)),
    _row("GRU4Rec", S3REC, (0.0283, 0.0137), (0.0204, 0.0110), (0.0176, 0.0084), None, (0.0263, 0.0134)),
    _row("Caser", S3REC, (0.0347, 0.0176), (0.0194, 0.0097), (0.0270, 0.0141), None, (0.0253, 0.0129)),
    _row("HGN", S3REC, (0.0512, 0.0266), (0.0313, 0.0159), (0.0497, 0.0277), None, (0.0326, 0.0159)),
    _row("BERT4Rec", S3REC, (0.0347, 0.0170), (0.0191, 0.0099), (0.0203, 0.0099), None, (0.0090, 0.0045)),
    _row("FDSA", S3REC, (0.0407, 0.0208), (0.0288, 0.0156), (0.0381, 0.0189), None, (0.0276, 0.0136)),
    _row("SASRec, binary loss", S3REC, (0.0605, 0.0318), (0.0350, 0.0192), (0.0675, 0.0374), None, (0.0274, 0.0136)),
    _row("S3-Rec", S3REC, (0.0647, 0.0327), (0.0385, 0.0204), (0.0700, 0.0376), None, (0.0341, 0.0168)),
    _row("P5, fixed ids (best log)", P5_IDS, (0.0731, None), (0.0364, None), None, (0.0476, None)),
    _row("TIGER", "TIGER paper, as quoted by XiaoLongtaoo/TIGER", (0.0648, 0.0384), (0.0400, 0.0225), (0.0712, 0.0432)),
    _row("TIGER, rebuilt", "XiaoLongtaoo/TIGER", (0.0594, 0.0321), (0.0379, 0.0197), (0.0577, 0.0328)),
    _row("TIGER, rebuilt", "cornac repository", (0.0634, 0.0338), (0.0394, 0.0204), (0.0578, 0.0295)),
    _row("ActionPiece", ESASREC, (0.0775, 0.0424), (0.0500, 0.0264)),
    _row("HSTU, as reported", OTHERS, (0.0704, 0.0389), (0.0414, 0.0215)),
    _row("LSAN, as reported", OTHERS, (0.0785, 0.0410), (0.0481, 0.0264), (0.0711, 0.0370)),
    _row("DuoRec, as reported", OTHERS, (0.0845, 0.0443), (0.0498, 0.0262)),
    _row("CL4SRec, as reported", OTHERS, (0.0681, 0.0299), (0.0387, 0.0171)),
    _row("SASRec, full cross-entropy", "LETTER repository, issue 20", (0.0821, 0.0405)),
    _row("SASRec", "pswrec2k26 repository", (0.0848, 0.0432)),
    _row("LightSANs", "pswrec2k26 repository", (0.0861, 0.0444)),
    _row("HSTU, computed again", ESASREC, (0.0788, 0.0439), (0.0437, 0.0243), (0.0778, 0.0450), caveat=DROPS),
    _row("FuXi-α, computed again", ESASREC, (0.0809, 0.0451), (0.0437, 0.0244), (0.0765, 0.0437), caveat=DROPS),
    _row("SASRec-SS", ESASREC, (0.0921, 0.0531), (0.0569, 0.0314), (0.0970, 0.0580), caveat=DROPS),
    _row("eSASRec", ESASREC, (0.0928, 0.0523), (0.0560, 0.0323), (0.0939, 0.0538), caveat=DROPS),
    _row("P5-small", "P5 repository", (0.0659, 0.0421), None, None, (0.0707, 0.0447), leak=IDS),
    _row("POD", "POD repository", (0.0688, 0.0443), (0.0576, 0.0419), (0.0742, 0.0610), leak=IDS),
    _row("P5-small", "P5 paper", None, (0.0361, 0.0198), (0.0709, 0.0587), leak=IDS, unverified=True),
    _row("P5-base", "P5 paper", (0.0664, 0.0429), (0.0431, 0.0318), (0.0688, 0.0534), leak=IDS, unverified=True),
    _row("IDGenRec", "IDGenRec paper", (0.0814, 0.0541), (0.0574, 0.0372), (0.0870, 0.0551), (0.0578, 0.0404),
         leak=NAMES, unverified=True),
    _row("LETTER-TIGER", "LETTER paper", (0.0672, 0.0364), unverified=True),
    _row("LC-Rec", "LETTER paper", (0.0642, 0.0374), unverified=True),
)  # fmt: skip


def known(name: str) -> list[Published]:
    """Return what there is to be measured by on a set: without a leak, and looked up."""
    return [one for one in PUBLISHED if one.counts and name in one.figures]


def best(name: str, place: int) -> Published | None:
    """Return the best of `known` by a figure of `METRICS`, None where nobody reports it."""
    reported = [one for one in known(name) if one.figures[name][place] is not None]
    return max(reported, key=lambda one: one.figures[name][place] or 0.0, default=None)


def leaking(name: str, place: int) -> Published | None:
    """Return the best row with a leak that was looked up, None where there is none."""
    reported = [one for one in PUBLISHED if one.leak and not one.unverified and one.figures.get(name, ())[place:]]
    return max(reported, key=lambda one: one.figures[name][place] or 0.0, default=None)


def chosen(name: str, folder: Path) -> Row | None:
    """Return our row that validation chose, of the base regime: no event of validation or test was fitted."""
    found = read(name, folder)
    if found is None:
        return None
    rows = {row.name: row for row in found.rows}
    return rows.get(found.best_by_validation or "", rows.get("cascade"))


def sequential(folder: Path) -> str:
    """Return every report of every set, ours above them."""
    head = ("System", *(f"{name}: HR@10 / NDCG@10" for name in SETS), "As reported in")
    ours = {name: chosen(name, folder) for name in SETS}
    first = (Cell("this engine, chosen by validation", best=True), *(_ours(ours[name]) for name in SETS), Cell(""))
    lines = [first, *(_line(one) for one in PUBLISHED)]
    return markdown_table(Table("", head, tuple(lines)))


def _ours(row: Row | None) -> Cell:
    return Cell(NONE) if row is None else Cell(_pair(tuple(row.metrics.get(m) for m in METRICS)), best=True)


def _line(one: Published) -> tuple[Cell, ...]:
    marks = [f"leaks: {one.leak}" if one.leak else "", "unverified" if one.unverified else "", one.caveat]
    cells = (Cell(_pair(one.figures.get(name, ()))) for name in SETS)
    return (Cell(one.system, "; ".join(filter(None, marks))), *cells, Cell(one.source))


def _pair(figures: Sequence[float | None]) -> str:
    return " / ".join(number(f) for f in figures) if figures else NONE


def above(folder: Path) -> str:
    """Return a sentence a set: is ours above every row without a leak in every figure, and if not, above which?"""
    out = []
    for name in SETS:
        row = chosen(name, folder)
        if row is not None:
            rows, mine = known(name), [row.metrics[m] for m in METRICS]
            pairs = [(one.system, f, m) for one in rows for f, m in zip(one.figures[name], mine, strict=True)]
            short = dict.fromkeys(system for system, figure, m in pairs if figure is not None and figure >= m)
            which = f"all but {', '.join(short)} of" if short else "every figure of"
            systems = f"{len(rows)} system{'s' if len(rows) != 1 else ''}"
            out.append(f"- {name}: above {which} {systems} that neither leak nor are unverified.")
    return "\n".join(out) or "Not measured yet: `python -m benchmarks evaluate`."


def leaks(folder: Path) -> str:
    """Return in a sentence what the best system that leaks is reported to reach on each set, and if that is more."""
    parts = []
    for name in SETS:
        one, row = leaking(name, 1), chosen(name, folder)
        if one is not None and row is not None:
            reached = one.figures[name][1] or 0.0
            side = "below ours" if reached < row.metrics[METRICS[1]] else "above ours"
            parts.append(f"{name} {number(reached)} ({one.system}, {side})")
    return f"Best reports that **leak** the test item, no yardstick, NDCG@10: {', '.join(parts)}." if parts else ""
