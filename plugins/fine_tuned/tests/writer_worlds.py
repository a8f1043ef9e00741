"""Cases of a small sample shop, quick to make."""

from __future__ import annotations

from functools import cache

from recsys_fine_tuned.writer_data import shop_cases, shoppers_of

from recsys.config import EngineConfig
from recsys.data.shop import Shop, make_shop
from recsys.engine import Engine
from recsys.explanation import Case

SETTINGS = {
    "candidates": {"transitions": {}, "attributes": {}}, "variants": {"quick": {}}, "variant": "quick",
    "explain": {"facts": {"k_anonymity": 3}},
}  # fmt: skip


@cache
def small_cases(*, learnt: bool) -> tuple[Case, ...]:
    """Return some 250 cases, of shoppers who are learnt from or of the others."""
    shop, engine, now = _shop()
    return tuple(shop_cases(shop, engine, now, shoppers_of(shop, 25, learnt=learnt), searches=4))


@cache
def _shop() -> tuple[Shop, Engine, int]:
    shop = make_shop(0, 250)
    engine = Engine(EngineConfig.of(SETTINGS)).fit(shop.dataset)
    return shop, engine, int(shop.dataset.log.events.times.max()) + 1
