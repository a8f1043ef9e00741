import numpy as np
import pytest

from recsys.errors import ConfigError, DataError, ShapeMismatch
from recsys.eval.debiased import debiased, effective_targets, inverse_propensity
from recsys.eval.metrics import per_request, target_ranks
from recsys.eval.slices import newcomer_slice
from recsys.paired import bootstrap_ci, linearised
from recsys.targets import Targets
from recsys.types import Slates

POPULARITY = np.array([99, 9, 0])


def test_weights_are_inverse_popularity_and_new_items_stay_finite():
    targets = Targets.single(np.array([0, 1, 2, -1, 7]))
    assert inverse_propensity(targets, POPULARITY) == pytest.approx([0.01, 0.1, 1, 1, 1])
    assert inverse_propensity(targets, POPULARITY, gamma=0)[0] == pytest.approx(0.1)
    assert inverse_propensity(targets, POPULARITY, gamma=-1).tolist() == [1] * 5
    with pytest.raises(ConfigError, match="gamma must be at least -1"):
        inverse_propensity(targets, POPULARITY, gamma=-2)


def test_who_finds_only_what_is_popular_loses_by_known_shares():
    targets = Targets.single(np.array([0, 0, 0, 1]))
    ranks = np.array([1, 1, 1, np.inf])  # all of the popular item, none of the rare one
    values = debiased(ranks, targets, inverse_propensity(targets, POPULARITY))
    assert values["debiased_hr@10"].mean() == pytest.approx(0.03 / 0.13)
    found = debiased(np.array([np.inf, np.inf, np.inf, 3]), targets, inverse_propensity(targets, POPULARITY))
    assert found["debiased_ndcg@10"].mean() == pytest.approx(0.5 * 0.1 / 0.13)


def test_equal_weights_and_one_target_give_the_plain_metrics_request_by_request():
    rng = np.random.default_rng(0)
    lists = Slates.of([rng.permutation(30)[:20].tolist() for _ in range(50)])
    targets = Targets.single(rng.integers(0, 30, 50))
    plain = per_request(lists, targets, ("hr@10", "ndcg@10"))
    same = debiased(target_ranks(lists, targets), targets, np.ones(50))
    for name, values in plain.items():
        np.testing.assert_allclose(same[f"debiased_{name}"], values, atol=1e-6)


def test_several_targets_count_one_by_one():
    targets = Targets.of([[0, 1], [2]])
    values = debiased(np.array([1, np.inf, 12]), targets, inverse_propensity(targets, POPULARITY))
    assert values["debiased_hr@10"].mean() == pytest.approx(0.01 / 1.11)
    with pytest.raises(ShapeMismatch, match="3 targets, 2 ranks"):
        debiased(np.ones(2), targets, np.ones(3))


def test_the_estimate_undoes_a_known_popularity_bias():
    """Items are wanted equally often but logged by popularity: debiasing finds the hit rate of an unbiased log."""
    rng = np.random.default_rng(1)
    seen = 1 / np.arange(1, 101)  # propensity of each of 100 items
    found = np.arange(100) < 20  # the system finds the 20 most popular items
    popularity = np.round(1000 * seen) - 1
    logged = Targets.single(rng.choice(100, 20_000, p=seen / seen.sum()))
    ranks = np.where(found[logged.rows], 1, np.inf)
    value = debiased(ranks, logged, inverse_propensity(logged, popularity))["debiased_hr@10"]
    low, high = bootstrap_ci(value)
    assert np.isfinite(ranks).mean() > 0.6  # the plain figure flatters
    assert low < 0.2 < high
    assert high - low < 0.03


def test_effective_targets():
    assert effective_targets(np.ones(40)) == pytest.approx(40)
    assert effective_targets(np.array([1, 1e-9, 1e-9])) == pytest.approx(1)


def test_linearised_is_the_ratio_and_its_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for seed in range(60):
        wholes = rng.exponential(size=300)
        parts = wholes * rng.random(300)  # ratio 0.5
        values = linearised(parts, wholes)
        assert values.mean() == pytest.approx(parts.sum() / wholes.sum())
        low, high = bootstrap_ci(values, resamples=300, seed=seed)
        covered += low < 0.5 < high
    assert covered >= 52
    with pytest.raises(DataError, match="sum to more than 0"):
        linearised(np.ones(2), np.zeros(2))
    with pytest.raises(DataError, match="2 parts, 3 wholes"):
        linearised(np.ones(2), np.ones(3))


def test_shoppers_whom_nothing_was_learned_from():
    assert newcomer_slice(np.array([3, 0, 1]))["shopper cold"].tolist() == [False, True, False]
