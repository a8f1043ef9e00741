"""What reviewers say of an item as features of the ranker: a plan that names the generator learns from its columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.testing.worlds import small_shop
from recsys.types import Review

CONFIG = EngineConfig.of(
    {
        "candidates": {"transitions": {}, "popularity": {"n": 30}, "aspects": {"n": 20}},
        "rank": {"lightgbm": {"max_rounds": 8, "min_data_in_leaf": 5, "num_leaves": 4, "folds": 2}},
        "variants": {"no-llm": {"rank": "lightgbm"}},
        "explain": {"candidates": {}},
    }
)
SAID = ("The fit is great.", "The noise is awful.", "The finish is great.", "The weight is great.")


def test_the_score_of_a_pair_is_a_feature_and_survives_saving(tmp_path):
    data = small_shop()
    reviews = tuple(
        Review(user_id=f"critic{n}", item_id=i, text=SAID[row // 8 % 4], rating=5.0, review_id=f"{i}-{n}")
        for row, i in enumerate(data.items.ids)
        for n in range(3)
    )
    engine = Engine(CONFIG).fit(replace(data, reviews=reviews))
    assert engine.warnings == ()
    ranker = engine.fitted.rankers["lightgbm"]
    names = [name for name in ranker.importance() if name.startswith("aspects_")]
    assert names == ["aspects_score", "aspects_share", "aspects_place"]
    users = data.log.users[:5]
    lists = [engine.recommend(user, k=8, strict=True) for user in users]
    assert any("aspects" in r.sources for one in lists for r in one)
    engine.save(tmp_path / "bundle")
    again = Engine.load(tmp_path / "bundle", store=engine.store)
    for user, one in zip(users, lists, strict=True):
        other = again.recommend(user, k=8, strict=True)
        assert [r.item_id for r in other] == [r.item_id for r in one]
        np.testing.assert_allclose([r.score for r in other], [r.score for r in one], rtol=1e-5)
