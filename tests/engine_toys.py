"""A fitted engine over the small shop, and what its tests say again and again."""

from __future__ import annotations

import pytest

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.result import Result
from recsys.testing.worlds import DAY, shopper_id, small_shop
from recsys.types import Event

NOW = int(small_shop().log.events.times.max()) + DAY
CHEAP = {
    "candidates": {"transitions": {}, "attributes": {}, "popularity": {"n": 30}},
    "rank": {"shuffle": {}},
    "variants": {
        "fused": {}, "popular": {"candidates": ["popularity"]}, "like": {"candidates": ["attributes"]},
        "mixed-up": {"rank": "shuffle"},
    },
    "variant": "fused",
}  # fmt: skip
LIGHTGBM = {"max_rounds": 8, "min_data_in_leaf": 5, "num_leaves": 4, "folds": 2}
FUSED = EngineConfig.of(CHEAP)
CONFIG = EngineConfig.of(
    {
        **CHEAP, "rank": {"lightgbm": LIGHTGBM, "shuffle": {}}, "variant": "no-llm",
        "variants": {"no-llm": {"rank": "lightgbm"}, **CHEAP["variants"]},
    }
)  # fmt: skip
SHOPPERS = [shopper_id(u) for u in range(61)]


def fitted(config: EngineConfig = FUSED) -> Engine:
    return Engine(config).fit(small_shop())


def ids(result: Result) -> list[str]:
    return [r.item_id for r in result]


def pairs(result: Result) -> list[tuple]:
    """What two equal answers have in common: items, and scores up to float noise."""
    return [(r.item_id, pytest.approx(r.score, rel=1e-4, abs=1e-6)) for r in result]


def event(user: str, item: int, kind: str = "purchase", time: int | None = NOW, **more) -> Event:
    return Event(user_id=user, item_id=f"SKU-{item:03d}", kind=kind, time=time, **more)


def running(result: Result) -> int:
    """How many items of a list are from department 2, running."""
    return sum(16 <= int(i[-3:]) < 24 for i in ids(result) if i.startswith("SKU"))


def score(engine: Engine, user: str, item: str, **how) -> float:
    """What ``item`` scores for a shopper, seen or not."""
    return next(r.score for r in engine.rank(user, engine.store.items().ids, **how) if r.item_id == item)
