from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.candidates.fuse import Fusion
from recsys.data.search.judgements import Judgements
from recsys.eval.search_folds import folds_of, labels_for, ndcg, weight_figures
from recsys.eval.search_measure import condensed, grades, is_judged, measured, unjudged
from recsys.eval.search_pool import Pool
from recsys.targets import Targets
from recsys.types import Slates

JUDGED = Judgements(("a", "b"), Targets.of([[1, 2, 3], [5]], [[3, 0, 1], [2]]))


def test_unjudged_items_are_irrelevant_in_the_collection_and_absent_from_the_judged_list() -> None:
    full = Slates.of([[9, 1, 2], [5]])
    judged = Slates.of([[1, 3, 2], [5]])
    found = measured(full, judged, JUDGED)
    ideal = 7 + 1 / math.log2(3)
    assert found["ndcg@10"].tolist() == pytest.approx([7 / math.log2(3) / ideal, 1])
    assert found["judged_ndcg@10"].tolist() == [1, 1]
    assert found["mrr@10"].tolist() == [0.5, 1]
    assert found["recall@100"].tolist() == [0.5, 1]
    assert found["unjudged@10"].tolist() == pytest.approx([1 / 3, 0])


def test_a_tie_counts_against_the_system() -> None:
    flat = Slates.of([[1, 9, 8], [5]], [[1, 1, 1], [1]])
    assert measured(flat, flat, JUDGED)["mrr@10"].tolist() == pytest.approx([1 / 3, 1])


def test_condensed_lists_keep_order_and_scores() -> None:
    found = condensed(Slates.of([[9, 3, 1], [7]]), JUDGED)
    assert found.items.tolist() == [3, 1]
    assert found.scores.tolist() == pytest.approx([1 / 2, 1 / 3])
    assert found.lengths.tolist() == [2, 0]


def test_unjudged_looks_at_the_head_alone() -> None:
    judged = Judgements(("a",), Targets.of([list(range(10))], [[1] * 10]))
    assert unjudged(Slates.of([[*range(10), 50, 51]]), judged).tolist() == [0]
    assert unjudged(Slates.of([[]]), judged).tolist() == [0]


@given(st.lists(st.lists(st.integers(0, 9), unique=True, max_size=6), min_size=2, max_size=2))
def test_grades_agree_with_a_look_up(lists: list[list[int]]) -> None:
    slates = Slates.of(lists)
    known = [{1: 3.0, 2: 0.0, 3: 1.0}, {5: 2.0}]
    expected = [known[q].get(row, 0.0) for q, part in enumerate(lists) for row in part]
    assert grades(slates, JUDGED).tolist() == expected
    assert is_judged(slates, JUDGED).tolist() == [row in known[q] for q, part in enumerate(lists) for row in part]


def test_labels_are_whole_and_at_most_three() -> None:
    slates = Slates.of([[1, 2, 3], [5]])
    assert labels_for(slates, JUDGED).tolist() == [3, 0, 1, 2]
    wide = Judgements(("a", "b"), Targets.of([[1, 2, 3], [5]], [[10, 0, 1], [0.5]]))
    assert labels_for(slates, wide).tolist() == [3, 0, 1, 1]


@given(st.integers(0, 5))
def test_spellings_of_one_question_share_a_fold(seed: int) -> None:
    queries = ("laptop", "Laptops", "red lamp", "lamp red", *(f"thing {i}" for i in range(26)))
    fold = folds_of(Judgements(queries, Targets.of([[0]] * 30, [[1]] * 30)), 5, seed)
    assert fold[0] == fold[1]
    assert fold[2] == fold[3]
    assert np.bincount(fold, minlength=5).min() >= 4


@given(st.integers(0, 14), st.integers(0, 14), st.floats(0, 2), st.integers(0, 99))
def test_weight_figures_are_those_of_the_fused_lists(first: int, second: int, weight: float, seed: int) -> None:
    base = Slates.of([range(first), range(second)])
    x, y = np.random.default_rng(seed).random((2, first + second)).astype(np.float32)
    slates = Slates(base.items, base.scores, base.offsets, {"x_score": x, "y_score": y})
    weights = {"x": 1.0, "y": weight}
    fused = Fusion(weights, default=0.0).fuse(slates, ["x", "y"])
    found = weight_figures(Pool([], {}, slates), JUDGED, [{"x": 1.0, "y": 0.0}, weights])
    assert found[1].tolist() == pytest.approx(ndcg(fused, JUDGED).tolist(), abs=1e-6)


def test_of_equal_scores_the_less_relevant_come_first() -> None:
    base = Slates.of([[1, 9], [5]])
    slates = Slates(base.items, base.scores, base.offsets, {"x_score": np.ones(3, np.float32)})
    assert weight_figures(Pool([], {}, slates), JUDGED, [{"x": 1.0}])[0, 0] == pytest.approx(
        7 / math.log2(3) / (7 + 1 / math.log2(3))
    )
