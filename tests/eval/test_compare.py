import itertools

import numpy as np
import pytest

from recsys.errors import ConfigError, DataError
from recsys.eval.compare import compare, effect, holm, versus
from recsys.paired import GROUPS, bootstrap_ci, paired_randomisation


def exact(d):
    sums = [abs(np.dot(signs, d)) for signs in itertools.product([-1, 1], repeat=len(d))]
    return float(np.mean([s >= abs(np.sum(d)) - 1e-9 for s in sums]))


# Bootstrap


@pytest.mark.parametrize("distinct", [2, 5000], ids=["few values", "many values"])
def test_interval_is_that_of_the_normal_theory_for_many_requests(distinct):
    values = np.random.default_rng(0).integers(0, distinct, 20_000) / (distinct - 1)
    low, high = bootstrap_ci(values, resamples=4000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=half * 0.1)
    assert high == pytest.approx(values.mean() + half, abs=half * 0.1)


@pytest.mark.parametrize("few", [True, False])
def test_interval_covers_the_true_mean_about_as_often_as_it_says(few):
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(300):
        sample = rng.random(400)
        if few:
            sample = (sample < 0.5).astype(float)
        low, high = bootstrap_ci(sample, resamples=300, seed=trial)
        hits += low <= 0.5 <= high
    assert 0.90 <= hits / 300 <= 0.985


def test_interval_depends_on_the_seed_alone():
    values = np.random.default_rng(0).random(1000)
    assert bootstrap_ci(values, seed=3) == bootstrap_ci(values, seed=3)
    assert bootstrap_ci(values, seed=3) != bootstrap_ci(values, seed=4)


def test_equal_values_have_no_width_and_level_widens():
    assert bootstrap_ci(np.full(50, 0.25)) == (0.25, 0.25)
    values = np.random.default_rng(0).random(100)
    low, high = bootstrap_ci(values, level=0.5)
    wide_low, wide_high = bootstrap_ci(values, level=0.99)
    assert wide_low < low < values.mean() < high < wide_high


@pytest.mark.parametrize(
    ("values", "options", "error"),
    [
        ([], {}, DataError), ([[1.0]], {}, DataError), ([1.0, np.nan], {}, DataError),
        ([1.0], {"level": 95}, ConfigError), ([1.0], {"resamples": 0}, ConfigError),
    ],
)  # fmt: skip
def test_bad_input_of_the_bootstrap(values, options, error):
    with pytest.raises(error):
        bootstrap_ci(values, **options)


# Randomisation


@pytest.mark.parametrize("seed", range(5))
def test_p_of_few_requests_is_exact(seed):
    d = np.random.default_rng(seed).normal(0.4, 1, 9)
    assert paired_randomisation(d, np.zeros(9)) == pytest.approx(exact(d), abs=1e-12)


def test_p_by_hand():
    assert paired_randomisation([1.0, 1.0, 1.0, 1.0], [0.0] * 4) == 2 / 16
    assert paired_randomisation([1.0, 1.0, 0.0, 0.5], [0.0, 0.0, 1.0, 0.5]) == 1.0
    assert paired_randomisation([0.3, 0.1], [0.3, 0.1]) == 1.0


def test_sums_that_tie_but_for_rounding_count_as_extreme():
    # 0.1 + 0.2 + 0.3 in another order is another float; only the two unanimous sign patterns are as extreme.
    assert paired_randomisation([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]) == 2 / 8


@pytest.mark.parametrize("step", [0.25, None], ids=["grouped", "ungrouped"])
def test_sampled_p_is_close_to_the_exact_one(step):
    rng = np.random.default_rng(7)
    d = rng.normal(0.45, 1, 16)
    # Many tiny differences more leave p as it is, but make too many distinct values to group.
    d = np.round(d / step) * step if step else np.concatenate([d, rng.normal(0, 1e-7, GROUPS + 1)])
    p = exact(d[:16])
    assert 0.02 < p < 0.5
    assert paired_randomisation(d, np.zeros(len(d))) == pytest.approx(p, abs=0.02)


@pytest.mark.parametrize("distinct", [3, None], ids=["grouped", "ungrouped"])
def test_p_is_uniform_when_nothing_differs(distinct):
    rng = np.random.default_rng(5)
    size = 300 if distinct is None else 200
    draws = [rng.normal(0, 1, size) if distinct is None else rng.integers(-2, 3, size) for _ in range(300)]
    p = np.array([paired_randomisation(d, np.zeros(size), flips=400, seed=i) for i, d in enumerate(draws)])
    for level in (0.05, 0.25, 0.5, 0.75):
        assert np.mean(p <= level) == pytest.approx(level, abs=0.09)


def test_a_strong_effect_has_the_smallest_p():
    rng = np.random.default_rng(0)
    b = rng.random(2000)
    assert paired_randomisation(b + 0.1 + 0.05 * rng.normal(size=2000), b, flips=2000) == 1 / 2001


def test_p_is_symmetric_and_seeded():
    rng = np.random.default_rng(0)
    a, b = rng.random(500), rng.random(500)
    p = paired_randomisation(a, b, seed=1)
    assert p == paired_randomisation(b, a, seed=1) == paired_randomisation(a, b, seed=1)
    assert 0 < p < 1


def test_bad_input_of_the_randomisation_test():
    with pytest.raises(DataError, match="same requests: 2 against 1"):
        paired_randomisation([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="request 1 is not"):
        paired_randomisation([1.0, np.inf], [1.0, 1.0])
    with pytest.raises(ConfigError, match="flips"):
        paired_randomisation([1.0], [0.0], flips=0)


# Holm


def test_holm_by_hand():
    # 4 x .01, 3 x .013, 2 x .03 -> .06, 1 x .04 -> raised to .06
    got = holm({"a": 0.03, "b": 0.01, "c": 0.04, "d": 0.013})
    assert got == pytest.approx({"a": 0.06, "b": 0.04, "c": 0.06, "d": 0.04})
    assert list(got) == ["a", "b", "c", "d"]


def test_holm_never_exceeds_one():
    assert holm({"a": 0.9, "b": 0.6}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(DataError, match=r"p of 'a' must lie in 0\.\.1"):
        holm({"a": float("nan")})


# Effects


def test_effect_by_hand():
    got = effect([1.0, 0.5, 0.0, 0.5], [0.5, 0.5, 0.5, 0.0])
    assert got.difference == pytest.approx(0.125)
    assert got.relative == pytest.approx(0.125 / 0.375)
    assert got.d_z == pytest.approx(0.125 / np.std([0.5, 0, -0.5, 0.5], ddof=1))
    assert (got.wins, got.ties, got.losses) == (2, 1, 1)
    assert got.ci95[0] <= got.difference <= got.ci95[1]
    assert list(got.to_dict()) == ["difference", "ci95", "relative", "d_z", "wins", "ties", "losses"]


def test_effect_where_ratios_are_undefined():
    got = effect([1.0, 1.0], [0.0, 0.0])
    assert (got.relative, got.d_z, got.difference) == (None, None, 1.0)
    assert effect([1.0], [0.5]).d_z is None


def test_compare_is_one_holm_family_against_the_baseline():
    rng = np.random.default_rng(0)
    base = rng.random(400)
    values = {"better": base + 0.1 * rng.random(400), "base": base, "same": base + rng.normal(0, 0.1, 400)}
    got = compare(values, "base", flips=999)
    assert list(got) == ["better", "same"]
    assert got["better"].p == 1 / 1000
    assert got["better"].p_holm == 2 / 1000
    assert got["same"].p_holm >= got["same"].p > 0.01
    assert got["better"].effect.difference == pytest.approx(np.mean(values["better"] - base))
    with pytest.raises(ConfigError, match="baseline 'none' was not measured: choose one of better, base, same"):
        compare(values, "none")


def test_what_is_held_against_one_baseline_is_one_family():
    rng = np.random.default_rng(3)
    values = {name: rng.random(60) + lift for name, lift in (("a", 0), ("b", 0.05), ("c", 0.1), ("d", 0.02))}
    found = versus(values, {"a": values, "b": ["d"], "not measured": ["a"]}, seed=4)
    assert {name: set(one) for name, one in found.items()} == {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"a", "b"}}
    assert {name: one["a"] for name, one in found.items() if name != "a"} == compare(values, "a", seed=4)
    assert found["d"]["b"] == compare({"b": values["b"], "d": values["d"]}, "b", seed=4)["d"]
    assert found["d"]["b"].p_holm == found["d"]["b"].p
