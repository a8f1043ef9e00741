import numpy as np
import pytest

from recsys.errors import ConfigError, DataError
from recsys.eval.beyond import (
    beyond_accuracy,
    category_matrix,
    coverage,
    diversity,
    gini,
    heads,
    novelty,
    popularity_lift,
    top_rows,
)  # fmt: skip
from recsys.targets import Targets
from recsys.types import Slates

POPULARITY = np.array([8, 4, 2, 2, 0])


def test_top_rows_cuts_and_drops_padding():
    rows, request = top_rows(Slates.of([[3, 1, 2], [-1, 0], []]), 2, 5)
    assert (rows.tolist(), request.tolist()) == ([3, 1, 0], [0, 0, 1])


def test_rows_beyond_the_catalogue_and_bad_k_are_refused():
    with pytest.raises(DataError, match="list 1 holds row 9, the catalogue has 5"):
        coverage(Slates.of([[1], [9]]), 5)
    with pytest.raises(ConfigError, match="k must be at least 1"):
        coverage(Slates.of([[1]]), 5, 0)


def test_coverage():
    assert coverage(Slates.of([[0, 1, 4], [1, 2]]), 5, k=2) == 3 / 5
    assert coverage(Slates.of([[]]), 5) == 0
    assert coverage(Slates.of([]), 0) is None


def test_novelty_in_bits():
    # shares are (events + 1) / (16 + 5)
    got = novelty(Slates.of([[0, 4]]), POPULARITY)
    assert got == pytest.approx(-(np.log2(9 / 21) + np.log2(1 / 21)) / 2)
    assert novelty(Slates.of([[4]]), POPULARITY) > novelty(Slates.of([[0]]), POPULARITY)
    assert novelty(Slates.of([[]]), POPULARITY) is None


def test_gini():
    assert gini(Slates.of([[0, 1], [2, 3]]), 4) == pytest.approx(0)
    assert gini(Slates.of([[0]] * 7), 4) == pytest.approx(3 / 4)
    # exposure 3, 1, 0, 0: mean absolute difference over twice the mean, pair by pair
    shown = np.array([3, 1, 0, 0])
    by_pairs = np.abs(shown[:, None] - shown).sum() / (2 * 4 * 4 * shown.mean())
    assert gini(Slates.of([[0, 1], [0], [0]]), 4) == pytest.approx(by_pairs)
    assert gini(Slates.of([[]]), 4) is None


def test_popularity_lift():
    # means of lists: 6 and 2; of the references: 2 and 2
    ranked = Slates.of([[0, 1], [2]])
    assert popularity_lift(ranked, POPULARITY, Targets.of([[2], [3]])) == pytest.approx(4 / 2)
    assert popularity_lift(ranked, POPULARITY, Targets.of([[0, 1], [2, 3]])) == pytest.approx(1)


def test_popularity_lift_leaves_out_what_cannot_be_compared():
    ranked = Slates.of([[0], [], [1]])
    assert popularity_lift(ranked, POPULARITY, Targets.of([[2], [0], [-1]])) == pytest.approx(4)
    assert popularity_lift(Slates.of([[0]]), POPULARITY, Targets.of([[4]])) is None
    with pytest.raises(DataError, match="3 lists against the reference of 1"):
        popularity_lift(ranked, POPULARITY, Targets.of([[2]]))


def test_diversity_is_the_mean_pairwise_distance():
    names = [["a"], ["a"], ["b"], ["a", "b"], []]
    got = diversity(Slates.of([[0, 1], [0, 2], [0, 3], [0, 1, 2], [0, 4], []]), category_matrix(names))
    assert got[:4] == pytest.approx([0, 1, 1 - 1 / np.sqrt(2), 2 / 3], abs=1e-6)
    assert np.isnan(got[4:]).all()


def test_category_matrix_counts_a_category_once():
    assert category_matrix([["a", "a"], []]).toarray().tolist() == [[1.0], [0.0]]


def test_all_at_once_and_what_is_missing():
    ranked = Slates.of([[0, 1], [0, 2]])
    got = beyond_accuracy(ranked, POPULARITY, k=2)
    assert list(got) == ["coverage@2", "novelty@2", "gini@2", "popularity_lift@2", "diversity@2"]
    assert (got["coverage@2"], got["popularity_lift@2"], got["diversity@2"]) == (3 / 5, None, None)
    full = beyond_accuracy(
        ranked, POPULARITY, k=2, reference=Targets.of([[0], [0]]), categories=category_matrix([["x"]] * 5)
    )
    assert full["popularity_lift@2"] == pytest.approx(11 / 16)
    assert full["diversity@2"] == pytest.approx(0, abs=1e-6)


def test_heads_are_the_same_lists():
    slates = heads(np.array([[3, 1], [2, -1]], dtype=np.int32))
    rows, request = top_rows(slates, 2, 5)
    assert (rows.tolist(), request.tolist()) == ([3, 1, 2], [0, 0, 1])
    assert len(heads(np.empty((0, 10), dtype=np.int32))) == 0
