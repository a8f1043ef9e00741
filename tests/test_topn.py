import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import topn
from recsys.topn import best


# The first call compiles.
@settings(deadline=None)
@given(st.integers(0, 4), st.integers(0, 9), st.integers(0, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_equals_a_full_sort(b: int, width: int, n: int, kinds: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, kinds, (b, width)).astype(np.float32)
    columns, values = best(scores, n)
    want = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    assert np.array_equal(columns, want)
    assert np.array_equal(values, np.take_along_axis(scores, want, axis=1))


def test_nan_never_counts_and_floor_cuts() -> None:
    scores = np.array([[1, np.nan, 1, 2, -np.inf]], np.float32)
    columns, values = best(scores, 4)
    assert columns.tolist() == [[3, 0, 2, -1]]
    assert values.tolist() == [[2, 1, 1, -np.inf]]
    assert best(scores, 4, 1.0)[0].tolist() == [[3, -1, -1, -1]]


@pytest.mark.parametrize("n", [1, 5, 20, 60])
def test_compiled_loop_equals_plain_python(n: int) -> None:
    scores = np.random.default_rng(n).integers(0, 9, (6, 50)).astype(np.float32)
    scores[0, ::3] = np.nan
    columns, values = best(scores, n, 2.0)
    plain, picked = np.full_like(columns, -1), np.full_like(values, -np.inf)
    topn.best_loop(scores, 2.0, plain, picked)
    assert np.array_equal(plain, columns)
    assert np.array_equal(picked, values)


def test_nothing_fits_into_nothing() -> None:
    assert topn.push(np.empty(0, np.int64), np.empty(0, np.float32), 0, 3, 1.0) == 0


def test_without_a_place_for_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    real, asked = numba.njit, []

    def refuse(**options: object):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(numba, "njit", refuse)
    topn.compiled.cache_clear()
    try:
        scores = np.zeros((1, 30), np.float32)
        scores[0, 1:3] = 3, 2
        got = best(scores, 2, 0.0)
    finally:
        topn.compiled.cache_clear()
    assert [o for o in asked if "nogil" in o] == [{"nogil": True, "cache": True}, {"nogil": True}]
    assert got[0].tolist() == [[1, 2]]


def test_the_two_ways_agree_on_ties_nan_and_floor() -> None:
    rng = np.random.default_rng(3)
    for n in (1, 7, 40):
        scores = np.round(rng.normal(size=(60, 200)), 1).astype(np.float32)  # many ties, most entries count
        scores[rng.random(scores.shape) < 0.05] = np.nan
        scores[5] = -np.inf
        columns, picked = best(scores, n, -0.5)
        plain, values = np.full((60, n), -1, np.int64), np.full((60, n), -np.inf, np.float32)
        topn.best_loop(scores, -0.5, plain, values)
        np.testing.assert_array_equal(columns, plain)
        np.testing.assert_array_equal(picked, values)
