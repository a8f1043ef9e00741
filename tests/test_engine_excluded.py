"""What the settings of an engine exclude is shown nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_toys import CHEAP, SHOPPERS, event, fitted, ids

from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.engine import Engine
from recsys.filters import Exclusions
from recsys.rules import Rules
from recsys.testing.worlds import small_shop

TWIN = "SKU-017"


@pytest.mark.parametrize("hide_seen", [True, False])
def test_items_that_settings_exclude_are_shown_nowhere(hide_seen):
    plain = fitted()
    query = plain.store.items().titles[17]
    like = plain.similar_items("SKU-018", k=8)
    assert "SKU-017" in ids(like)
    assert ids(plain.search(query, k=3))[0] == "SKU-017"
    config = EngineConfig.of({**CHEAP, "hide_seen": hide_seen, "exclusions": {"item_ids": ["SKU-017", "NO-SUCH"]}})
    engine = fitted(config)
    pin = Rules.of({"pin": [{"item_id": "SKU-017", "position": 1}]})
    assert "SKU-017" not in ids(engine.search(query, k=40))
    assert "SKU-017" not in ids(engine.search(query, k=40, rules=pin))
    assert "SKU-017" not in ids(engine.similar_items("SKU-018", k=40))
    for how in ({}, {"exclude": Exclusions(item_ids=("SKU-003",))}, {"rules": pin}):
        got = ids(engine.recommend(SHOPPERS[2], k=40, **how))
        assert len(got) >= 5
        assert "SKU-017" not in got
        assert ("SKU-003" in got) == ("SKU-003" in ids(engine.recommend(SHOPPERS[2], k=40)) and "exclude" not in how)
    assert len(engine.rank(SHOPPERS[2], ["SKU-017", "SKU-003"])) == 2  # what is asked about is not filtered


def test_variants_of_excluded_items_are_shown_nowhere():
    data = small_shop()
    items = [
        replace(data.items.item(row), parent_id="P" if row in (17, 18) else "") for row in range(len(data.items))
    ]  # fmt: skip
    data = replace(data, items=Dataset.of(items, []).items)
    config = EngineConfig.of({**CHEAP, "exclusions": {"item_ids": ["SKU-017"], "hide_variants": True}})
    got = ids(Engine(config).fit(data).similar_items("SKU-019", k=40))
    assert not {"SKU-017", "SKU-018"} & set(got)
    assert "SKU-020" in got


def test_exclusions_of_a_call_hold_where_bought_things_are_shown():
    engine = fitted(EngineConfig.of({**CHEAP, "hide_seen": False}))
    engine.add_events([event("ann", 17), event("ann", 18, "not-interested")])
    everything = ids(engine.recommend("ann", k=40))
    assert {"SKU-017"} <= set(everything)
    assert "SKU-003" in everything
    got = ids(engine.recommend("ann", k=40, exclude=Exclusions(item_ids=("SKU-003",))))
    assert not {"SKU-003", "SKU-017", "SKU-018"} & set(got)
    got = ids(engine.recommend("ann", k=40, exclude=Exclusions(item_ids=("SKU-003",), event_kinds=())))
    assert "SKU-003" not in got
    assert "SKU-017" in got
