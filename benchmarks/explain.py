"""What reasons cost on a sample shop and on nine of them side by side: facts, causal reruns, words, the check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.copies import copied_shop
from benchmarks.funnel import shoppers
from benchmarks.timing import each, memory, rounded, timed
from recsys import explaining
from recsys.config import DEFAULT_CANDIDATES, EngineConfig
from recsys.engine import Engine
from recsys.explain.causal import drop_uncaused, with_drops
from recsys.explaining import Reasons
from recsys.explanation import Explanation
from recsys.fitting import plan_for
from recsys.funnel import Funnel
from recsys.requests import compile_filter, seen, without
from recsys.result import Result
from recsys.types import Request, Slates

K, WARM, LISTS = 10, 5, 60
SMALL = {"copies": 1, "shoppers": 2_000}
LARGE = {"copies": 9, "shoppers": 3_600}
TINY = {"copies": 1, "shoppers": 150}
RANK_REQUESTS = 1_000


def cases(quick: bool) -> list[dict[str, Any]]:
    return [dict(size) for size in ([TINY] if quick else [SMALL, LARGE])]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    data = copied_shop(**case)
    engine = Engine(config(case["copies"])).fit(data)
    if engine.warnings:
        raise RuntimeError("; ".join(engine.warnings))
    now = int(data.log.events.times.max()) + 1
    users = shoppers(engine, WARM + LISTS)
    sizes = {"items": len(data.items), "events": len(data.log), "reviews": len(data.reviews)}
    parameters = {**case, **sizes, "k": K, "lists": LISTS, "measured_events": engine.config.explain.measured}
    return [
        {"name": "whole list", "parameters": parameters, "figures": {**whole(engine, users, now), **memory()}},
        {"name": "parts", "parameters": parameters, "figures": {**parts(engine, users, now), **memory()}},
    ]


def config(copies: int) -> EngineConfig:
    """Return the default engine, taught by fewer shoppers, and for several shops without EASE: the fit is no matter."""
    chosen = {n: stage for n, stage in DEFAULT_CANDIDATES.items() if n != "ease" or copies == 1}
    return EngineConfig.of({"candidates": chosen, "rank_requests": RANK_REQUESTS})


def whole(engine: Engine, users: Sequence[str], now: int) -> dict[str, float]:
    """Measure lists with and without reasons, turn about, as a page asks for them."""
    out: dict[str, float] = {}
    _, first_s = timed(lambda: answer(engine, users[0], now, explain=True))
    for user in users[:WARM]:
        answer(engine, user, now, explain=False)
        answer(engine, user, now, explain=True)
    plain_s: list[float] = []
    explained_s: list[float] = []
    said: list[Explanation] = []
    for user in users[WARM:]:
        plain_s.append(timed(lambda u=user: answer(engine, u, now, explain=False))[1])
        result, took = timed(lambda u=user: answer(engine, u, now, explain=True))
        explained_s.append(took)
        said += [row.explanation for row in result.items if row.explanation]
    for name, seconds in (("plain", plain_s), ("explained", explained_s)):
        p50, p95 = np.percentile(1000 * np.array(seconds), (50, 95))
        out |= {f"{name}_p50_ms": rounded(p50), f"{name}_p95_ms": rounded(p95)}
    out["first_ms"] = rounded(1000 * first_s)
    out["with_reason"] = rounded(np.mean([bool(one.text) for one in said]))
    return out


def answer(engine: Engine, user: str, now: int, explain: bool) -> Result:
    result = engine.recommend(user, k=K, now=now, explain=explain)
    if result.trace.degraded:
        raise RuntimeError(f"a stage fell back: {', '.join(result.trace.degraded)}")
    return result


def parts(engine: Engine, users: Sequence[str], now: int) -> dict[str, float]:
    """Measure the parts of a reason one after the other: medians over lists, of an item where they are of an item."""
    reasons = Reasons.of(
        engine.config, engine.registry, engine.store.items(), engine.fitted, engine.store.log()
    ).over(engine.store.reviews())  # fmt: skip
    funnel = Funnel(plan_for(engine.config, engine.fitted, engine.config.variants[engine.config.variant]), strict=True)
    took: dict[str, list[float]] = defaultdict(list)
    reruns: list[int] = []
    for place, user in enumerate(users):
        request = request_of(engine, user, now)
        candidates = funnel.candidates([request])
        ranked = funnel.rank([request], candidates, max(1, len(candidates.items)))
        found, events = one_list(reasons, funnel, request, ranked)
        if place >= WARM:
            reruns.append(events)
            for name, ms in found.items():
                took[name].append(ms)
    out = {name: rounded(np.median(values)) for name, values in took.items()}
    of_item = ("facts_ms_item", "text_ms_item", "check_ms_item")
    out["explanation_ms_item"] = rounded(np.median(np.sum([took[name] for name in of_item], axis=0)))
    out["causal_p95_ms_list"] = rounded(np.percentile(took["causal_ms_list"], 95))
    return {**out, "reruns_per_list": rounded(np.mean(reruns))}


def one_list(reasons: Reasons, funnel: Funnel, request: Request, ranked: Slates) -> tuple[dict[str, float], int]:
    """Return the milliseconds of each part of explaining the best of ``ranked``, and how many histories were tried."""
    listed, items = ranked.head(K), reasons.book.items
    n, reruns = max(1, len(listed.items)), 0

    def rescore(requests: Sequence[Request], slates: Slates) -> Slates:
        nonlocal reruns
        reruns += len(requests)
        return explaining.rescorer(funnel)(requests, slates)

    ids = items.vocabulary.ids(listed.items)
    read = reasons.aspects.reviews.of_item if reasons.aspects is not None else len
    reviews_s = float(sum(each(read, ids)))
    found, facts_s = timed(lambda: reasons.book.collect([request], listed, aspects=reasons.aspects))
    most = reasons.settings.measured
    measured, causal_s = timed(lambda: with_drops([request], listed, ranked, found, rescore, items.vocabulary, most))
    cases = reasons.cases([request], listed, [drop_uncaused(one) for one in measured])
    said, text_s = timed(lambda: list(reasons.explainer(reasons.settings.use).explain(cases)))
    plain = reasons.explainer(explaining.PLAIN)
    texts = [(one, case) for one, case in zip(said, cases, strict=True) if one.text]
    check_s = sum(
        each(lambda pair: explaining.checked(pair[0], pair[1], request.now, plain), texts)
    )  # repairs included
    ms = {
        "reviews_ms_item": reviews_s / n,
        "facts_ms_item": facts_s / n,
        "text_ms_item": text_s / n,
        "check_ms_item": check_s / n,
    }
    return {name: 1000 * s for name, s in {**ms, "causal_ms_list": causal_s}.items()}, reruns


def request_of(engine: Engine, user: str, now: int) -> Request:
    """Return the request that `Engine.recommend` makes for a shopper."""
    items, history = engine.store.items(), engine.store.history(user)
    allowed = without(compile_filter(items), seen(history))
    history = history.take(np.flatnonzero(history.weights)[-engine.config.events.history_limit :])
    return Request(user=user, history=history, allowed=allowed, now=now, k=K)
