import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.rerank.moves import bounded, placed
from recsys.types import Slates


@st.composite
def wishes(draw):
    """Padded rows of wished places."""
    lengths = draw(st.lists(st.integers(0, 9), min_size=1, max_size=5))
    out = np.full((len(lengths), max(*lengths, 1)), -1, dtype=np.int64)
    for row, n in enumerate(lengths):
        out[row, :n] = draw(st.permutations(range(n)))
    return out


@given(wishes(), st.integers(0, 10))
def test_bounded_is_a_permutation_within_bounds(wish, most):
    got = bounded(wish, most)
    for ours, asked in zip(got, wish, strict=True):
        n = int((asked >= 0).sum())
        assert sorted(ours[:n].tolist()) == list(range(n))
        assert (ours[n:] == -1).all()
        assert np.abs(ours[:n] - np.arange(n)).max(initial=0) <= most


@given(wishes())
def test_bounds_wide_enough_grant_the_wish(wish):
    assert np.array_equal(bounded(wish, wish.shape[1]), wish)


@given(wishes(), st.integers(0, 4))
def test_a_wish_within_bounds_is_granted(wish, most):
    near = np.abs(np.where(wish >= 0, wish - np.arange(wish.shape[1]), 0)).max(axis=1) <= most
    assert np.array_equal(bounded(wish, most)[near], wish[near])


def test_one_row_alone_is_as_in_a_batch():
    rng = np.random.default_rng(0)
    wish = np.array([rng.permutation(12) for _ in range(50)])
    assert np.array_equal(bounded(wish, 3), np.concatenate([bounded(row[None], 3) for row in wish]))


def test_bounded_by_hand():
    # The last wants to be first and may climb two places; who makes room for it falls by one.
    assert bounded(np.array([[1, 2, 3, 4, 0]]), 2).tolist() == [[0, 1, 3, 4, 2]]


def test_places_of_scores():
    slates = Slates.of([[1, 2, 3], [4], [], [5, 6]])
    scores = np.array([0.0, np.nan, 1.0, 3.0, 2.0, 2.0], dtype=np.float32)
    assert placed(slates, scores).tolist() == [1, 2, 0, 0, 0, 1]
    assert placed(slates, scores, 0).tolist() == [0, 1, 2, 0, 0, 1]
