from __future__ import annotations

import pytest

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import UnknownPlugin
from recsys.eval.cases import NAME, collected
from recsys.testing.worlds import DAY, shopper_id, small_shop

NOW = int(small_shop().log.events.times.max()) + DAY


def test_cases_of_lists_and_searches_leave_the_engine_as_it_was():
    config = EngineConfig.of(
        {"candidates": {"transitions": {}, "attributes": {}, "popularity": {}}, "rank": {}, "variants": {"no-llm": {}}}
    )
    engine = Engine(config).fit(small_shop())
    users = [shopper_id(3), shopper_id(4)]
    got = collected(engine, users, NOW, [(users[0], "running shoe")])
    lists = [case for case in got if case.query is None]
    assert [case.user for case in lists] == [u for u in users for _ in range(10)]
    assert [case.item_id for case in lists[:10]] == [r.item_id for r in engine.recommend(users[0], 10, now=NOW)]
    assert any(case.facts for case in lists)
    assert {case.query for case in got[len(lists) :]} == {"running shoe"}
    with pytest.raises(UnknownPlugin):
        engine.registry.get("explainers", NAME)
