"""The tables of other libraries beside ours, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers.command import NAME, RECOMMENDED, SEARCHED
from benchmarks.peers.recommended import CASCADE, DEFAULTS, MAIN, OURS, SAME
from benchmarks.peers.searched import RANKED
from benchmarks.peers.searched import SAME as SAME_SEARCH
from benchmarks.runner import read_lines
from benchmarks.speed_tables import Line, origin, table, times
from recsys.eval.compare import holm
from recsys.eval.tables import NONE, compact, p_text

RECOMMENDED_HEAD = (
    "Set", "Library, model", "Settings", "HR@10", "NDCG@10", "Same kind, ours / theirs", "p (Holm)",
    "Cascade / theirs", "p (Holm)", "Fit, s", "Ours / theirs", "All lists, s", "Ours / theirs",
)  # fmt: skip
SEARCHED_HEAD = (
    "Set", "Library, model", "Settings", "NDCG@10", "Same means, ours / theirs", "p (Holm)", "Full stack / theirs",
    "p (Holm)", "One query, p50, ms", "Same means, ours / theirs", "Full stack / theirs",
)  # fmt: skip


def recommended(results: Path) -> str:
    """Return a line a library, model and setting; ratios are of what was measured in the same run."""
    return _page(results, list(RECOMMENDED), lambda lines: table(RECOMMENDED_HEAD, _rows(lines)))


def searched(results: Path) -> str:
    """Return the same of judged queries."""
    return _page(results, list(SEARCHED), lambda lines: table(SEARCHED_HEAD, _search_rows(lines)))


def _page(results: Path, sets: Sequence[str], make: Callable[[list[Line]], str]) -> str:
    lines = [line for line in read_lines(results / f"{NAME}.jsonl") if line["parameters"]["set"] in sets]
    if not lines:
        return f"Not measured yet: `python -m benchmarks {NAME} {' '.join(sets)}`."
    return f"{make(lines)}\n\n{origin(lines[0])}"


def _rows(lines: Sequence[Line]) -> list[list[str]]:
    ours = [_same(line) for line in lines]
    p_same, p_cascade = _corrected(lines, ours), _corrected(lines, [CASCADE] * len(lines))
    out = []
    for i, line in enumerate(lines):
        f, mine = line["figures"], ours[i]
        beside = f["versus"].get(mine, {})
        out.append([
            *_head(line), f"{f['metrics']['hr@10']:.4f}", _interval(line), times(beside.get(f"x_{MAIN}")), p_same[i],
            times(f["versus"].get(CASCADE, {}).get(f"x_{MAIN}")), p_cascade[i], compact(f["fit_s"]),
            times(beside.get("x_fit")), compact(f["lists_s"]), times(beside.get("x_lists")),
        ])  # fmt: skip
    return out


def _search_rows(lines: Sequence[Line]) -> list[list[str]]:
    ours = [SAME_SEARCH.get((line["parameters"]["model"], line["parameters"]["settings"]), "") for line in lines]
    p_same, p_full = _corrected(lines, ours), _corrected(lines, [RANKED] * len(lines))
    out = []
    for i, line in enumerate(lines):
        f = line["figures"]
        same, full = f["versus"].get(ours[i], {}), f["versus"].get(RANKED, {})
        out.append([
            *_head(line), _interval(line), times(same.get(f"x_{MAIN}")), p_same[i], times(full.get(f"x_{MAIN}")),
            p_full[i], compact(f["p50_ms"]), times(same.get("x_p50")), times(full.get("x_p50")),
        ])  # fmt: skip
    return out


def _head(line: Line) -> list[str]:
    p = line["parameters"]
    return [p["set"], f"{p['library'].replace('_', '-')}, {p['model']}", _settings(line)]


def _settings(line: Line) -> str:
    p = line["parameters"]
    if p["model"] in ("sasrec", "esasrec"):
        return f"{p['minutes']:g} min" + (f", {p['epochs']} epochs" if "epochs" in p else "")
    if p["model"] == "cross-encoder":
        return f"{p['values']['steps']} steps a fold"
    if p["model"] == CASCADE:
        return "kept for this set"
    if p["settings"] == DEFAULTS:
        return p["settings"]
    return f"best of {p['tried']}" if "tried" in p else str(p["settings"])


def _same(line: Line) -> str:
    """Return the name of our model of the same kind; a row of ours has none."""
    p = line["parameters"]
    return "" if p["library"] == OURS else SAME.get(p["model"], p["model"])


def _interval(line: Line) -> str:
    low, high = line["figures"]["ci95"][MAIN]
    return f"{line['figures']['metrics'][MAIN]:.4f} ({low:.4f}–{high:.4f})"


def _corrected(lines: Sequence[Line], against: Sequence[str]) -> list[str]:
    """Return p of each line against ``against``, corrected over the lines of its set; a dash where there is none."""
    out = [NONE] * len(lines)
    for name in dict.fromkeys(line["parameters"]["set"] for line in lines):
        found = {
            str(i): line["figures"]["versus"][against[i]]["p"]
            for i, line in enumerate(lines)
            if line["parameters"]["set"] == name and against[i] in line["figures"]["versus"]
        }
        for i, p in holm(found).items():
            out[int(i)] = p_text(p).removeprefix("p ").removeprefix("= ")
    return out
