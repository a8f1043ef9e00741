"""How many shoppers a ranker learns from is a setting, and whom it learns from follows from the seed."""

from __future__ import annotations

import pytest

from recsys.config import EngineConfig
from recsys.data.shop import make_shop
from recsys.data.splits import leave_one_out
from recsys.errors import ConfigError
from recsys.fitting import fit_ranker, ranking_data
from recsys.protocols import FitOptions
from recsys.registry import Registry

PLAN = {
    "candidates": {"transitions": {}, "popularity": {}},
    "rank": {"lightgbm": {"max_rounds": 3, "patience": 3, "threads": 1}},
}


@pytest.fixture(scope="module")
def data():
    return make_shop(3, 300).dataset


def figures(data, most, seed=0):
    config = EngineConfig.of({**PLAN, "rank_requests": most})
    fold = leave_one_out(data.log).refit
    options, registry = FitOptions(seed=seed, threads=1), Registry()
    made = ranking_data(config, registry, data, fold, "lightgbm", options)
    return fit_ranker(config, registry, made, "lightgbm", options).figures


def test_a_ranker_learns_from_at_most_so_many_shoppers(data):
    everybody, some = figures(data, 40_000), figures(data, 100)
    assert 3 <= some["requests"] <= 100
    assert some["requests"] < everybody["requests"]


def test_the_draw_follows_from_the_seed(data):
    assert figures(data, 100) == figures(data, 100)
    assert figures(data, 100) != figures(data, 100, seed=1)


def test_nobody_is_too_few():
    with pytest.raises(ConfigError, match="rank_requests"):
        EngineConfig.of({"rank_requests": 0})
