"""Lists for many shoppers at a time: what a nightly mailing or an evaluation does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import funnel
from benchmarks.timing import memory, rounded, timed

CHUNK, SHOPPERS = 512, 4096


def cases(quick: bool) -> list[dict[str, Any]]:
    return [dict(funnel.TINY if quick else funnel.SMALL)]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Serve from the funnel's bundle when this run has made one, else from one of its own."""
    engine, _ = funnel.load(case, scratch)
    users = funnel.shoppers(engine, SHOPPERS)
    parts = [users[at : at + CHUNK] for at in range(0, len(users), CHUNK)]
    engine.recommend_batch(parts[0][:8], funnel.K)
    _, seconds = timed(lambda: [engine.recommend_batch(part, funnel.K) for part in parts])
    parameters = {**case, "chunk": CHUNK, "requests": len(users), "k": funnel.K}
    figures = {"users_per_s": rounded(len(users) / seconds), "seconds": rounded(seconds)}
    return [{"name": "recommend_batch", "parameters": parameters, "figures": {**figures, **memory()}}]
