from __future__ import annotations

import numpy as np
import pytest

from recsys.config import EngineConfig
from recsys.data.given import INFO_KEY, Given
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.eval.given import evaluate_given, is_given
from recsys.testing.worlds import checkerboard

CONFIG = EngineConfig.of(
    {
        "candidates": {"transitions": {}, "popularity": {}},
        "rank": {"lightgbm": {"max_rounds": 8, "min_data_in_leaf": 5, "num_leaves": 4, "folds": 2}},
        "variants": {"no-llm": {"rank": "lightgbm"}},
    }
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Shoppers who stay on the squares of one colour; half of each list is of the other."""
    from dataclasses import replace

    world = checkerboard()
    rng = np.random.default_rng(1)
    users, rows = [], []
    for user in range(0, world.log.n_users, 2):
        target = int(world.log.history(user).rows[-1])
        others = [i for i in rng.permutation(len(world.items)).tolist() if i != target][:7]
        users.append(world.log.users[user])
        rows.append(rng.permutation([target, *others]))
    given = Given(tuple(users), np.array(rows, dtype=np.int32))
    return replace(world, info={**world.info, INFO_KEY: given})


def test_rows_of_given_lists(data):
    evaluation = evaluate_given(data, CONFIG)
    results = evaluation.results
    assert [r.name for r in results.rows] == ["random", "transitions", "popularity", "fusion", "cascade"]
    assert results.users == len(data.info[INFO_KEY].users)
    rows = {r.name: r.metrics for r in results.rows}
    assert rows["transitions"]["ndcg@10"] > rows["random"]["ndcg@10"] + 0.1
    # Eight places: the mean over where a target may stand.
    assert rows["random"]["hr@1"] == pytest.approx(1 / 8, abs=0.1)
    for metrics in rows.values():
        assert metrics["ndcg@1"] == metrics["hr@1"] <= metrics["ndcg@5"] <= metrics["ndcg@10"] <= metrics["ndcg@20"]
    assert results.best_by_validation in rows
    assert {len(v) for values in evaluation.per_user.values() for v in values.values()} == {results.users}


def test_rows_can_be_chosen(data):
    results = evaluate_given(data, CONFIG, rows=["popularity", "cascade"]).results
    assert [r.name for r in results.rows] == ["popularity", "cascade"]
    with pytest.raises(ConfigError, match="choose among random"):
        evaluate_given(data, CONFIG, rows=["best"])


def test_what_has_no_lists_is_refused(data):
    from dataclasses import replace

    plain = replace(data, info={})
    assert is_given(data)
    assert not is_given(plain)
    with pytest.raises(DataError, match="no candidate lists"):
        evaluate_given(plain, CONFIG)
    strange = replace(data, info={INFO_KEY: Given(("nobody",), np.zeros((1, 3), dtype=np.int32))})
    with pytest.raises(DataError, match="nobody"):
        evaluate_given(strange, CONFIG)
