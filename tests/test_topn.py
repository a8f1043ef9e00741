import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.topn import best


@given(st.integers(0, 4), st.integers(0, 9), st.integers(0, 12), st.integers(0, 2**31))
def test_equals_a_full_sort(b: int, width: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(b * width).reshape(b, width).astype(np.float32)
    columns, values = best(scores, n)
    want = np.argsort(-scores, axis=1)[:, :n]
    assert np.array_equal(columns, want)
    assert np.array_equal(values, np.take_along_axis(scores, want, axis=1))


def test_nan_last_and_ties_by_column() -> None:
    columns, values = best(np.array([[1, np.nan, 1, 2]], np.float32), 4)
    assert columns.tolist() == [[3, 0, 2, 1]]
    assert values.tolist() == [[2, 1, 1, -np.inf]]
