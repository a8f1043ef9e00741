import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ConfigError, ContractError, DataError
from recsys.eval.metrics import candidate_recall, parse_metric, per_request, target_ranks
from recsys.targets import Targets
from recsys.types import Slates

INF = np.inf


def test_rank_counts_from_one_and_a_missing_target_is_infinite():
    ranked = Slates.of([[5, 6, 7], [], [8]])
    ranks = target_ranks(ranked, Targets.of([[6, 9], [5], [8]]))
    assert ranks.tolist() == [2, INF, INF, 1]


def test_ties_are_pessimistic():
    ranked = Slates.of([[1, 2, 3, 4]], [[9.0, 5.0, 5.0, 5.0]])
    assert target_ranks(ranked, Targets.of([[1, 2, 3, 4]])).tolist() == [1, 4, 4, 4]


def test_all_equal_scores_put_the_target_last():
    ranked = Slates.of([range(20)], [[0.0] * 20])
    assert target_ranks(ranked, Targets.single(np.array([0]))).tolist() == [20]
    assert per_request(ranked, Targets.single(np.array([0])), ["hr@10"])["hr@10"].tolist() == [0]


def test_nan_scores_are_one_tie_at_the_end():
    ranked = Slates.of([[1, 2, 3]], [[0.5, np.nan, np.nan]])
    assert target_ranks(ranked, Targets.of([[1, 2]])).tolist() == [1, 3]


def test_equal_scores_of_neighbouring_lists_are_no_tie():
    ranked = Slates.of([[1, 2], [3, 4]], [[2.0, 1.0], [1.0, 0.5]])
    assert target_ranks(ranked, Targets.of([[2], [3]])).tolist() == [2, 1]


def test_unknown_items_hold_their_place_and_never_match():
    ranked = Slates.of([[-1, -1, 7]], [[3.0, 2.0, 1.0]])
    assert target_ranks(ranked, Targets.of([[7]])).tolist() == [3]
    assert target_ranks(ranked, Targets.single(np.array([-1]))).tolist() == [INF]


def test_lists_that_are_not_best_first_are_refused():
    ranked = Slates.of([[1], [], [1, 2]], [[1.0], [], [1.0, 2.0]])
    with pytest.raises(ContractError, match="list 2 is not best first"):
        target_ranks(ranked, Targets.of([[1], [1], [1]]))


def test_a_target_that_is_listed_twice_is_refused():
    with pytest.raises(DataError, match="list 1 holds row 4 twice"):
        target_ranks(Slates.of([[4], [4, 4]]), Targets.of([[4], [4]]))


def test_another_number_of_requests_is_refused():
    with pytest.raises(ContractError, match="2 lists for the targets of 1"):
        target_ranks(Slates.of([[1], [2]]), Targets.of([[1]]))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rank_is_one_plus_others_at_least_as_good(data):
    lists, scores, truth = [], [], []
    for _ in range(data.draw(st.integers(1, 4))):
        items = data.draw(st.lists(st.integers(0, 12), unique=True, max_size=9))
        lists.append(items)
        scores.append(sorted((data.draw(st.integers(0, 3)) for _ in items), reverse=True))
        truth.append(data.draw(st.lists(st.integers(-1, 12), unique=True, min_size=1, max_size=5)))
    got = target_ranks(Slates.of(lists, scores), Targets.of(truth))
    expected = []
    for items, values, targets in zip(lists, scores, truth, strict=True):
        for target in targets:
            if target not in items:
                expected.append(INF)
                continue
            own = values[items.index(target)]
            expected.append(1 + sum(v >= own for i, v in zip(items, values, strict=True) if i != target))
    assert got.tolist() == expected


def test_one_target_by_hand():
    ranked = Slates.of([[1, 2, 3], [1, 2, 3], [1, 2, 3]])
    got = per_request(ranked, Targets.single(np.array([1, 3, 9])), ["hr@2", "hr@3", "ndcg@3", "mrr@3", "precision@3"])
    assert got["hr@2"].tolist() == [1, 0, 0]
    assert got["hr@3"].tolist() == [1, 1, 0]
    assert got["ndcg@3"].tolist() == [1, 0.5, 0]
    assert got["mrr@3"] == pytest.approx([1, 1 / 3, 0])
    assert got["precision@3"] == pytest.approx([1 / 3, 1 / 3, 0])
    assert all(v.dtype == np.float32 for v in got.values())
    assert list(got) == ["hr@2", "hr@3", "ndcg@3", "mrr@3", "precision@3"]


def test_several_targets_by_hand():
    ranked = Slates.of([[1, 2, 3, 4, 5]])
    got = per_request(ranked, Targets.of([[2, 5, 9]]), ["recall@4", "recall@5", "map@5", "mrr@5", "ndcg@5", "hr@1"])
    assert got["recall@4"] == pytest.approx([1 / 3])
    assert got["recall@5"] == pytest.approx([2 / 3])
    assert got["map@5"] == pytest.approx([(1 / 2 + 2 / 5) / 3])
    assert got["mrr@5"] == pytest.approx([1 / 2])
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert got["ndcg@5"] == pytest.approx([(1 / np.log2(3) + 1 / np.log2(6)) / ideal])
    assert got["hr@1"].tolist() == [0]


def test_tied_targets_are_all_found_at_the_end_of_the_tie():
    ranked = Slates.of([[1, 2, 3]], [[1.0, 1.0, 0.0]])
    got = per_request(ranked, Targets.of([[1, 2]]), ["map@2", "recall@1", "mrr@2"])
    assert (got["map@2"].item(), got["recall@1"].item(), got["mrr@2"].item()) == (1.0, 0.0, 0.5)


def test_graded_gains():
    ranked = Slates.of([[1, 2]])
    targets = Targets.of([[1, 2]], [[1.0, 3.0]])
    discount = 1 / np.log2(3)
    assert per_request(ranked, targets, ["ndcg@2"], gain="exp")["ndcg@2"] == pytest.approx(
        [(1 + 7 * discount) / (7 + discount)]
    )
    assert per_request(ranked, targets, ["ndcg@2"], gain="linear")["ndcg@2"] == pytest.approx(
        [(1 + 3 * discount) / (3 + discount)]
    )
    assert per_request(ranked, targets, ["ndcg@2"])["ndcg@2"] == pytest.approx([1])


def test_gain_zero_is_not_relevant():
    targets = Targets.of([[1, 2]], [[0.0, 1.0]])
    got = per_request(Slates.of([[1, 2]]), targets, ["hr@1", "recall@2", "mrr@2", "map@2"])
    assert [v.item() for v in got.values()] == [0, 1, 0.5, 0.5]


def test_a_request_without_target_is_refused():
    with pytest.raises(DataError, match="request 1 has no relevant target"):
        per_request(Slates.of([[1], [1]]), Targets.of([[1], []]))
    with pytest.raises(DataError, match="request 0 has no relevant target"):
        per_request(Slates.of([[1]]), Targets.of([[1]], [[0.0]]))


def test_no_requests_give_empty_metrics():
    got = per_request(Slates.of([]), Targets.of([]), ["hr@10", "ndcg@10", "mrr@10", "map@10"])
    assert {name: len(v) for name, v in got.items()} == {"hr@10": 0, "ndcg@10": 0, "mrr@10": 0, "map@10": 0}


def test_candidate_recall():
    candidates = Slates.of([range(200), range(200)])
    got = candidate_recall(candidates, Targets.of([[5, 150], [199]]))
    assert got["recall@100"].tolist() == [0.5, 0.0]
    assert got["recall@500"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["ndcg", "ndcg@0", "ndcg@-1", "auc@10", "ndcg@10x", "NDCG@10", ""])
def test_unknown_metrics_are_refused(name):
    with pytest.raises(ConfigError, match="is unknown: write one of hr, recall"):
        parse_metric(name)


def test_unknown_gain_is_refused():
    with pytest.raises(ConfigError, match="gain must be"):
        per_request(Slates.of([[1]]), Targets.of([[1]]), gain="cubic")
