"""Lists as an engine hands them to a reranker's fit."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_fine_tuned.engine_lists import engine_lists

from recsys.config import EngineConfig
from recsys.errors import ConfigError
from recsys.testing.worlds import small_shop

SHOP = small_shop()
QUICK = {"candidates": {"transitions": {}, "popularity": {}}}


def test_each_list_holds_what_was_chosen_and_comes_best_first():
    learn, held = engine_lists(SHOP, EngineConfig.of(QUICK))
    assert len(learn.requests) > 10
    assert len(held.requests) > 0
    for lists in (learn, held):
        hits = np.bincount(lists.slates.request_index, weights=lists.labels > 0, minlength=len(lists.slates))
        assert hits.min() >= 1
        for i in range(len(lists.requests)):
            part = slice(int(lists.slates.offsets[i]), int(lists.slates.offsets[i + 1]))
            assert (np.diff(lists.slates.scores[part]) <= 0).all()


def test_a_plan_without_a_ranker_has_none():
    with pytest.raises(ConfigError, match="rank is needed"):
        engine_lists(SHOP, EngineConfig.of({**QUICK, "variants": {"no-llm": {}}}))
