"""The whole funnel on made-up shops of two sizes: fitting, the bundle, loading, and one request at a time."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shops import make_shop
from benchmarks.timing import latency, memory, rounded, timed
from recsys.config import DEFAULT_CANDIDATES, EngineConfig
from recsys.engine import Engine
from recsys.result import Result
from recsys.settings import EASE_LIMIT
from recsys.store.memory import MemoryStore

K, WARM, REQUESTS = 10, 20, 300
SMALL = {"items": 12_000, "shoppers": 20_000}
LARGE = {"items": 200_000, "shoppers": 60_000}
# So many shoppers teach the ranker: collecting candidates for all of them would take most of the fit.
RANK_REQUESTS = 2_000
TINY = {"items": 300, "shoppers": 400}


def cases(quick: bool) -> list[dict[str, Any]]:
    """Return fit and serve apart: what a process that serves needs is not what a fit needs."""
    sizes = [TINY] if quick else [SMALL, LARGE]
    return [{"step": step, **size} for size in sizes for step in ("fit", "serve")]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    size = {"items": case["items"], "shoppers": case["shoppers"]}
    figures = fit(size, scratch) if case["step"] == "fit" else serve(size, scratch)
    parameters = {**size, "generators": list(config(size).candidates), "rank_requests": RANK_REQUESTS}
    return [{"name": case["step"], "parameters": parameters, "figures": {**figures, **memory()}}]


def config(size: dict[str, int]) -> EngineConfig:
    """Return the default engine; a catalogue too large for EASE's dense matrix goes without."""
    names = [name for name in DEFAULT_CANDIDATES if name != "ease" or size["items"] <= EASE_LIMIT]
    chosen = {name: dict(DEFAULT_CANDIDATES[name]) for name in names}
    return EngineConfig.of({"candidates": chosen, "rank_requests": RANK_REQUESTS})


def bundle(size: dict[str, int], scratch: Path) -> Path:
    return scratch / f"bundle-{size['items']}"


def fit(size: dict[str, int], scratch: Path) -> dict[str, Any]:
    """Fit and save; seconds by part, "lightgbm" with the first fit of the generators that it learns from."""
    data = make_shop(**size)
    engine, fit_s = timed(lambda: Engine(config(size)).fit(data))
    if engine.warnings:
        raise RuntimeError("; ".join(engine.warnings))
    _, save_s = timed(lambda: engine.save(bundle(size, scratch)))
    files = sum(path.stat().st_size for path in bundle(size, scratch).rglob("*") if path.is_file())
    return {
        "events": len(data.log), "fit_s": rounded(fit_s),
        "parts_s": {name: rounded(seconds) for name, seconds in engine.fitted.fit_s.items()},
        "save_s": rounded(save_s), "bundle_mb": rounded(files / 2**20),
    }  # fmt: skip


def load(size: dict[str, int], scratch: Path) -> tuple[Engine, float]:
    """Return an engine with its shoppers' histories, and the seconds that loading the bundle took."""
    if not bundle(size, scratch).is_dir():
        fit(size, scratch)
    store = MemoryStore.of(make_shop(**size))
    return timed(lambda: Engine.load(bundle(size, scratch), store=store))


def shoppers(engine: Engine, n: int) -> list[str]:
    users = engine.store.log().users
    return [users[i] for i in np.random.default_rng(1).permutation(len(users))[:n]]


def serve(size: dict[str, int], scratch: Path) -> dict[str, Any]:
    """Load the bundle and ask for one list after another."""
    engine, load_s = load(size, scratch)
    users = shoppers(engine, WARM + REQUESTS)
    first, first_s = timed(lambda: answer(engine, users[0]))
    for user in users[1:WARM]:
        answer(engine, user)
    seconds, results = [], []
    for user in users[WARM:]:
        result, took = timed(lambda user=user: answer(engine, user))
        seconds.append(took)
        results.append(result)
    if any(result.trace.degraded for result in (first, *results)):
        raise RuntimeError("a stage fell back: such figures mean nothing")
    return {
        "load_s": rounded(load_s), "first_ms": rounded(1000 * first_s), **latency(seconds),
        "stages_p50_ms": stages(results),
    }  # fmt: skip


def answer(engine: Engine, user: str) -> Result:
    return engine.recommend(user, k=K)


def stages(results: list[Result]) -> dict[str, float]:
    """Return the median milliseconds of each stage, in the order in which they run."""
    took: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for stage in result.trace.stages:
            # "score" is all generators on all candidates: naming them would only repeat the list.
            name = stage.stage if stage.stage in ("score", "fuse") else f"{stage.stage} {stage.plugin}"
            took[name].append(stage.took_ms)
    return {name: rounded(float(np.median(values))) for name, values in took.items()}
