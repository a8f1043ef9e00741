"""The tables of what was taught in one category and works in others, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.quality_tables import read
from benchmarks.speed_tables import Line, page, table
from benchmarks.transfer import NAME, SOURCE
from benchmarks.transfer_given import METRICS
from benchmarks.transfer_target import ENCODER, HERE, UNTAUGHT
from recsys.eval.measure import CASCADE
from recsys.eval.tables import NONE, number, p_text, percent

MAIN = "ndcg@10"
TAUGHT_HERE = f"{CASCADE}+fine-tuned"  # the row of an evaluation of the target, where it was taught there
CONTROLS = ("permuted", "no-text")
FORMS = {"transferred": "transferred", "transferred-permuted": "transferred, items with the texts of others",
         "transferred-no-text": "transferred, taught without texts"}  # fmt: skip
ROWS = {
    "popularity": "popularity", "dense": "dense (MiniLM, not taught), all items",
    ENCODER: "transferred encoder alone, all items", CASCADE: CASCADE,
    f"{CASCADE}+{ENCODER}": f"{CASCADE}, then transferred encoder alone",
    **{f"{CASCADE}+{n}": f"{CASCADE}+{said}, as it came" for n, said in FORMS.items()},
    **{f"{CASCADE}+{n}{HERE}": f"{CASCADE}+{said}, bound chosen on the target's validation"
       for n, said in FORMS.items()},
}  # fmt: skip
HEAD = (
    "Target", "Row", "NDCG@10", "Against the cascade", "p (Holm)", "Bound", "p against texts of others",
    "p against no texts", "HR@10",
)  # fmt: skip
ORDERS = {
    "encoder": f"{SOURCE}'s encoder", "encoder-permuted": f"{SOURCE}'s encoder, items with the texts of others",
    **{name: f"{name}, not taught" for name in ("bi-encoder", "zero-shot")},
    **{f"encoder+{name}": f"{SOURCE}'s encoder + {name}" for name in ("bi-encoder", "zero-shot")},
}  # fmt: skip


def reranked(results: Path) -> str:
    """Return every row of every target, and below it what the same reranker does when it is taught there."""

    def make(lines: Sequence[Line]) -> str:
        measured = [line for line in lines if line["parameters"]["part"] == "measured"]
        rows = []
        for target in dict.fromkeys(line["parameters"]["set"] for line in measured):
            mine = {line["name"]: line for line in measured if line["parameters"]["set"] == target}
            rows += [_row(target, mine[name]) for name in ROWS if name in mine]
            rows += _taught_there(target, results)
        return "\n\n".join([table(HEAD, rows), " ".join(_about(lines))])

    return page(NAME, results, make)


def given(results: Path) -> str:
    """Return the orders of given candidates that no interaction of the set has a part in."""
    names = [name for name in ORDERS if name in ("bi-encoder", "zero-shot")]
    head = ("Order", "NDCG@1", "NDCG@5", "NDCG@10", "NDCG@20", *(f"p against {name} (Holm)" for name in names))

    def make(lines: Sequence[Line]) -> str:
        mine = {line["name"]: line for line in lines if line["parameters"]["part"] == "given"}
        if not mine:
            return f"Not measured yet: `python -m benchmarks {NAME} games`."
        rows = [
            [said, *(_mean(mine[n], m, m == MAIN) for m in METRICS), *(_p(mine[n], base) for base in names)]
            for n, said in ORDERS.items() if n in mine
        ]  # fmt: skip
        p = next(iter(mine.values()))["parameters"]
        return "\n\n".join([table(head, rows), f"`{p['data']}`: {p['lists']} lists of {p['size']} given items."])

    return page(NAME, results, make)


def _row(target: str, line: Line) -> list[str]:
    controls = (_p(line, f"{line['name'].removesuffix(HERE)}-{c}{_end(line)}") for c in CONTROLS)
    return [
        target, ROWS[line["name"]], _mean(line, MAIN, True), _relative(line, CASCADE), _p(line, CASCADE),
        str(line["figures"].get("bound", NONE)), *controls, _mean(line, "hr@10", False),
    ]  # fmt: skip


def _end(line: Line) -> str:
    return HERE if line["name"].endswith(HERE) else ""


def _taught_there(target: str, results: Path) -> Iterator[list[str]]:
    """Yield the row of the target's own evaluation, with the gain over the cascade of that evaluation."""
    found = read(target, results)
    rows = {row.name: row for row in found.rows} if found is not None else {}
    if TAUGHT_HERE in rows and CASCADE in rows:
        row, base = rows[TAUGHT_HERE], rows[CASCADE].metrics[MAIN]
        low, high = row.ci95[MAIN]
        shown = f"{number(row.metrics[MAIN])} ({number(low)}–{number(high)})"
        gain = percent(row.metrics[MAIN] / base - 1)
        said = f"{CASCADE}+fine-tuned, taught there (its own evaluation)"
        yield [target, said, shown, gain, *(NONE,) * 4, number(row.metrics["hr@10"])]


def _about(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        p, f = line["parameters"], line["figures"]
        if p["part"] == "taught":
            gain = f["validation"][str(f["bound"])] / f["validation"]["0"] - 1
            yield (
                f"Taught on `{p['data']}` ({line['name']}): {f['lists']:,} lists, bound {f['bound']}, "
                f"{percent(gain)} NDCG@10 on validation there ({p_text(f['p_validation'])})."
            )
    for name, counts in {
        line["parameters"]["data"]: line["parameters"] for line in lines if line["parameters"]["part"] == "measured"
    }.items():
        yield f"`{name}`: {counts['requests']:,} requests, {counts['items']:,} items, first {counts['top']} reranked."
    for line in lines:
        if line["name"] == ENCODER and line["figures"]["p_vs"]:
            beside = (f"{percent(_effect(line, base))} against {base} ({_p(line, base)})" for base in UNTAUGHT)
            yield f"Encoder alone over all items of {line['parameters']['set']}: {', '.join(beside)}."


def _effect(line: Line, base: str) -> float | None:
    found = line["figures"]["effect"].get(base)
    return None if found is None else found["relative"]


def _relative(line: Line, base: str) -> str:
    return percent(_effect(line, base))


def _p(line: Line, base: str) -> str:
    p = line["figures"]["p_vs"].get(base)
    return NONE if p is None else p_text(p).removeprefix("p ").removeprefix("= ")


def _mean(line: Line, metric: str, interval: bool) -> str:
    f = line["figures"]
    low, high = f["ci95"][metric]
    shown = number(f["metrics"][metric])
    return f"{shown} ({number(low)}–{number(high)})" if interval else shown
