from __future__ import annotations

import json

import numpy as np
import pytest
from engine_toys import NOW, SHOPPERS, fitted, ids
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recsys.errors import ConfigError, DataError
from recsys.shadow import compare_lists

POOL = [f"i{n}" for n in range(30)]
lists = st.lists(st.sampled_from(POOL), max_size=20, unique=True)


def by_definition(a: list[str], b: list[str], p: float, depth: int = 4000) -> float:
    """Rank-biased overlap as the infinite sum that extrapolation stands for: agreement goes on as each list ended."""
    short, long = sorted((len(a), len(b)))
    x = [len(set(a[:d]) & set(b[:d])) for d in range(1, long + 1)]
    total = 0.0
    for d in range(1, depth + 1):
        if d <= short:
            agreement = x[d - 1] / d
        elif d <= long:
            agreement = (x[d - 1] + x[short - 1] * (d - short) / short) / d
        else:
            agreement = (x[long - 1] + x[short - 1] * (long - short) / short) / long
        total += p ** (d - 1) * agreement
    return (1 - p) * total


@settings(max_examples=100, deadline=None)
@given(lists, lists, st.sampled_from([0.5, 0.9, 0.98]))
def test_the_figures_are_those_of_their_definitions(a, b, p):
    diff = compare_lists(a, b, p=p)
    both = [i for i in b if i in a]
    if len(both) > 1:
        expected = stats.kendalltau([a.index(i) for i in both], [b.index(i) for i in both]).statistic
        assert diff.tau == pytest.approx(expected)
    else:
        assert diff.tau is None
    if a and b:
        assert diff.rbo == pytest.approx(by_definition(a, b, p), abs=1e-9)
    assert [list(one) for one in diff.moved] == [
        [i, a.index(i) + 1, b.index(i) + 1] for i in both if a.index(i) != b.index(i)
    ]
    assert list(diff.new) == [i for i in b if i not in a]
    assert list(diff.dropped) == [i for i in a if i not in b]
    assert diff.same == (a == b)
    assert 0 <= diff.rbo <= 1 + 1e-9
    assert diff.overlaps == tuple(len(set(a[:d]) & set(b[:d])) / d for d in range(1, max(len(a), len(b)) + 1))
    other = compare_lists(b, a, p=p)
    assert (other.rbo, other.tau, other.overlap) == pytest.approx((diff.rbo, diff.tau, diff.overlap), nan_ok=True)
    assert json.loads(json.dumps(diff.to_dict(), allow_nan=False))["rbo"] == diff.rbo


def test_known_lists():
    same = compare_lists(POOL[:10], POOL[:10])
    assert (same.overlap, same.rbo, same.tau, same.same) == (1, pytest.approx(1), 1, True)
    turned = compare_lists(POOL[:10], POOL[:10][::-1])
    assert (turned.overlap, turned.tau, turned.same) == (1, -1, False)
    nothing = compare_lists(POOL[:5], POOL[5:10])
    assert (nothing.overlap, nothing.rbo, nothing.tau, len(nothing.new)) == (0, 0, None, 5)
    empty = compare_lists([], [])
    assert (empty.overlap, empty.rbo, empty.same, empty.overlaps) == (1, 1, True, ())
    assert compare_lists(POOL[:3], []).rbo == 0
    # Extrapolated over a longer list of which the short one is the head: what is seen agrees in full.
    assert compare_lists(POOL[:3], POOL[:6]).rbo == pytest.approx(1)


def test_k_cuts_both_lists():
    a, b = POOL[:10], [*POOL[:3], *POOL[20:27]]
    assert compare_lists(a, b, 3).same
    assert compare_lists(a, b, 6).overlap == 0.5
    assert compare_lists(a, b, 50).overlap == pytest.approx(0.3)
    assert compare_lists(a, b, 50).k == 50


def test_lists_of_two_variants_of_an_engine():
    engine = fitted()
    a = engine.recommend(SHOPPERS[2], 8, now=NOW)
    b = engine.recommend(SHOPPERS[2], 8, now=NOW, variant="popular")
    diff = compare_lists(a, b)
    assert compare_lists(a, a).same
    assert not diff.same
    assert set(diff.new) == set(ids(b)) - set(ids(a))
    assert diff.overlap == pytest.approx(len(np.intersect1d(ids(a), ids(b))) / 8)


@pytest.mark.parametrize(
    ("a", "more", "error", "says"),
    [
        (POOL[:2], {"k": 0}, ConfigError, "k must be at least 1"),
        (POOL[:2], {"p": 1.0}, ConfigError, "p must be between"),
        (["x", "x"], {}, DataError, "a names an item twice"),
    ],
)
def test_wrong_input_is_named(a, more, error, says):
    with pytest.raises(error, match=says):
        compare_lists(a, POOL[:3], **more)
