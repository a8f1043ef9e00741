"""Compressed items against full texts: what a list costs, and what its order is worth, on lists of the sample shop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.compressed_lists import DEEPEST, READING, TOP, Shop, TorchPairs, gains, options_of, taught
from benchmarks.decode import interleaved
from benchmarks.facts import hardware
from benchmarks.llmrank import print_progress
from benchmarks.rows import row_line
from benchmarks.timing import rounded, timed
from benchmarks.transfer import QUICK_CONFIG
from recsys.config import ModelSettings
from recsys.eval.compare import versus
from recsys.eval.evaluate import MAIN
from recsys.fitting import Labelled, deps_for
from recsys.fitting_rerank import head, subset
from recsys.protocols import Deps
from recsys.rerank.encoder import CrossEncoded

NAME = "compressed"
ARTIFACT = "package://recsys_fine_tuned/shop/reranker"
# The shop that both rerankers learned from, and the one whose lists are judged: other shoppers, other products.
TAUGHT, JUDGED = 1, 0
PRIOR, TORCH, LONGER, COMPRESSED = "incoming order", "torch", "torch, descriptions too", "compressed"
# Reading descriptions as well: what compressed items were made of, at most so many tokens a pair.
WHOLE = {"fields": ("title", "brand", "category", "text"), "max_tokens": 128}
LABEL = "label"


def cases(quick: bool) -> list[dict[str, Any]]:
    sizes = {"steps": 2, "judged": 12, "candidates": [10], "repeats": 1, "lists": 2}
    if quick:
        return [{"shoppers": [300, 300], "base": "small", "config": dict(QUICK_CONFIG), **sizes}]
    sizes = {"steps": 150, "judged": 1000, "candidates": [20, 50, DEEPEST], "repeats": 7, "lists": 5}
    return [{"shoppers": [10_000, 5_000], "base": "minilm", "config": None, **sizes}]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    threads, folder = hardware()["cores"], scratch / NAME
    folder.mkdir(parents=True, exist_ok=True)
    print_progress("the shop to learn from")
    about = taught(
        Shop.fit(TAUGHT, case["shoppers"][0], options_of(case), threads), folder, case["base"], case["steps"], threads
    )  # fmt: skip
    print_progress("the shop to judge by")
    shop = Shop.fit(JUDGED, case["shoppers"][1], options_of(case), threads)
    lists = shop.to_judge(case["judged"])
    models = rerankers(shop, folder, threads)
    parameters = {"base": case["base"], "steps": case["steps"], "shoppers": case["shoppers"]}
    made = {"name": "cross-encoder", "parameters": parameters, "figures": about}
    out = [made, offline(models[COMPRESSED])]
    for count in case["candidates"]:
        print_progress(f"timing {count} candidates")
        out += speed(models, lists, count, case["lists"], case["repeats"])
    print_progress(f"judging {len(lists.requests)} lists")
    return [*out, *quality(models, lists)]


def rerankers(shop: Shop, folder: Path, threads: int) -> dict[str, Any]:
    """Return every reranker over the judged shop, unbounded; `COMPRESSED` with its own bound too."""
    items = shop.data.items
    settings = {p: ModelSettings(ref=f"file://{folder / p}", threads=threads) for p in ("fp32", "int8")}
    deps = Deps(items=items, models=settings)
    reading = CrossEncoded.Config(**READING)
    torch = TorchPairs(folder / "hub", threads)
    full: dict[str, Any] = {
        TORCH: CrossEncoded(reading, items, torch),  # type: ignore[arg-type]  # scores pairs as the engine's does
        LONGER: CrossEncoded(reading.model_copy(update=WHOLE), items, torch),  # type: ignore[arg-type]
        **{p: CrossEncoded.from_config(reading.model_copy(update={"model": p}), deps) for p in settings},
    }
    known = deps_for(shop.data, shop.registry, shop.folds.test.fit, shop.config)
    one = shop.registry.build("rerankers", {"use": "compressed", "artifact": ARTIFACT}, known)
    return {**full, COMPRESSED: one.bounded(None), f"{COMPRESSED}, its own bound": one}


def offline(reranker: Any) -> dict[str, Any]:
    """Measure how long it takes to make vectors of items, once, before any list."""
    from recsys_fine_tuned.compressor import field_texts

    rows = range(0, len(reranker.items), max(1, len(reranker.items) // 100))
    texts = field_texts(reranker.items, rows)

    def read() -> None:
        for field in texts:
            reranker.embedder.embed([text for text in field if text], "item")

    read()
    figures = {"ms_an_item": rounded(1000 * timed(read)[1] / len(rows)), "width": int(reranker.codes().shape[1])}
    return {"name": "items to vectors", "parameters": {"items": len(rows)}, "figures": figures}


def speed(models: Mapping[str, Any], lists: Labelled, count: int, some: int, repeats: int) -> list[dict[str, Any]]:
    """Measure the judgement of one list at a time, every way in turn; torch is what the others are compared with."""
    long = lists.slates.lengths >= count
    long[np.flatnonzero(long)[some:]] = False
    chosen = head(subset(lists, long), count)
    each = [(chosen.requests[i : i + 1], chosen.slates.part(i, i + 1)) for i in range(len(chosen.requests))]
    if not each:
        return []

    def judging(reranker: Any) -> Callable[[], Any]:
        return lambda: np.concatenate([reranker.judge(requests, slates).scores for requests, slates in each])

    ways = {name: judging(r) for name, r in models.items() if "bound" not in name}
    found, seconds = interleaved(ways, repeats)
    parameters = {"candidates": count, "lists": len(each), "repeats": repeats}
    out = []
    for name, took in seconds.items():
        figures: dict[str, Any] = {
            "ms": rounded(1000 * took / len(each)), "x_torch": rounded(seconds[TORCH] / took)
        }  # fmt: skip
        if name in ("fp32", "int8"):
            figures["max_difference"] = float(f"{np.nanmax(np.abs(found[name] - found[TORCH])):.1e}")
            figures["kendall"] = rounded(stats.kendalltau(found[name], found[TORCH], nan_policy="omit").statistic)
        out.append({"name": name, "parameters": parameters, "figures": figures})
    return out


def quality(models: Mapping[str, Any], lists: Labelled, seed: int = 0) -> list[dict[str, Any]]:
    """Measure NDCG@10 of the first 20 in every order; torch gives the scores of "fp32", as `speed` shows."""
    short = head(lists, TOP)
    marked = replace(short.slates, columns={**short.slates.columns, LABEL: short.labels})
    values = {PRIOR: gains(marked, LABEL)}
    for name in (n for n in models if n not in (TORCH, LONGER)):
        values[name] = gains(models[name].rank(short.requests, marked, TOP), LABEL)
    compared = versus(values, dict.fromkeys((PRIOR, "fp32"), values), seed=seed)
    return [
        row_line(name, {MAIN: found}, compared[name], {"judged": len(found), "top": TOP})
        for name, found in values.items()
    ]
