"""The table of compressed items against full texts, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.compressed import COMPRESSED, LONGER, NAME, PRIOR, TORCH
from benchmarks.speed_tables import Line, page, table, times
from recsys.eval.evaluate import MAIN
from recsys.eval.tables import NONE, compact, number, p_text, percent

ROWS = {
    PRIOR: PRIOR, TORCH: "cross-encoder, torch eager, nothing shared", LONGER: "the same, descriptions too",
    "fp32": "cross-encoder, ONNX fp32", "int8": "cross-encoder, ONNX int8", COMPRESSED: "compressed items",
    f"{COMPRESSED}, its own bound": "compressed items, moves bounded as shipped",
}  # fmt: skip


def compressed(results: Path) -> str:
    """Return what every order is worth, and what a list of each length takes."""

    def make(lines: Sequence[Line]) -> str:
        timed = {(line["name"], line["parameters"]["candidates"]): line["figures"] for line in lines if _times(line)}
        judged = {line["name"]: line["figures"] for line in lines if "metrics" in line["figures"]}
        counts = sorted({count for _, count in timed})
        head = (
            "Order", "NDCG@10", "Against the incoming order", "p (Holm)", "p against fp32 (Holm)",
            *(title for count in counts for title in (f"ms, {count} candidates", "x torch")),
        )  # fmt: skip
        rows = []
        for name, said in ROWS.items():
            speeds = [timed.get((name, count)) for count in counts]
            cells = [c for f in speeds for c in ((compact(f["ms"]), times(f["x_torch"])) if f else (NONE, NONE))]
            rows.append([said, *_worth(judged.get(name)), *cells])
        return "\n\n".join([table(head, rows), " ".join(_about(lines))])

    return page(NAME, results, make)


def _times(line: Line) -> bool:
    return "x_torch" in line["figures"]


def _worth(figures: Line | None) -> list[str]:
    if figures is None:
        return [NONE] * 4
    low, high = figures["ci95"][MAIN]
    effect = figures["effect"].get(PRIOR)
    gain = percent(effect["relative"]) if effect else NONE
    p = (_p(figures["p_vs"].get(base)) for base in (PRIOR, "fp32"))
    return [f"{number(figures['metrics'][MAIN])} ({number(low)}–{number(high)})", gain, *p]


def _p(value: float | None) -> str:
    return NONE if value is None else p_text(value).removeprefix("p ").removeprefix("= ")


def _about(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        f, p = line["figures"], line["parameters"]
        if line["name"] == "cross-encoder":
            base = "MiniLM with the shop's pieces" if p["base"] == "minilm" else "a small BERT"
            size, trained = (f"{f[key] / 1e6:.1f}" for key in ("parameters", "trained_parameters"))
            before, after = (number(f["best"][key]) for key in ("ndcg_prior", "ndcg"))
            yield (
                f"Cross-encoder: {base}, {size} million parameters, {trained} of them trained, {f['lists']:,} lists, "
                f"{p['steps']} steps in {f['seconds'] / 60:.1f} minutes; held-out NDCG@10 there {before}, then {after}."
            )
            if f["int8_refused"]:
                yield f"The gate did not accept its int8: {f['int8_refused']}."
        elif line["name"] == "items to vectors":
            yield f"Compressing takes {compact(f['ms_an_item'])} ms an item, once, to {f['width']} numbers."
    exact = [f["figures"]["max_difference"] for f in lines if f["name"] == "fp32" and _times(f)]
    if exact:
        yield f"Largest difference of a score between fp32 and torch: {max(exact):.0e}."
    taus = [f["figures"]["kendall"] for f in lines if f["name"] == "int8" and _times(f)]
    if taus:
        yield f"Kendall's tau of int8 and torch: at least {compact(min(taus))}."
    judged = next((line["parameters"] for line in lines if "metrics" in line["figures"]), None)
    if judged is not None:
        yield f"{judged['judged']:,} lists judged, their first {judged['top']} reranked."
