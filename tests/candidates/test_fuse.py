from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.candidates.fuse import FOUND, FUSED, Fusion, normalised, places, score_all, union
from recsys.testing.strategies import slates as any_slates
from recsys.types import Notes, Request, Slates

NAN = float("nan")


class Table:
    """A scorer with a fixed score per row; rows that are not in it cannot be scored."""

    def __init__(self, **by_row: float) -> None:
        self.by_row = {int(row[1:]): score for row, score in by_row.items()}

    def score(self, requests, slates):
        scores = np.array([self.by_row.get(int(row), NAN) for row in slates.items], dtype=np.float32)
        return Slates(slates.items, scores, slates.offsets, slates.columns, slates.notes)


def test_union_holds_everything_once_and_says_who_found_it():
    one = Slates.of([[5, 2], [7], []])
    other = Slates.of([[2, 9], [], []])
    got = union({"one": one, "other": other}, 3)
    assert [part.items.tolist() for part in got] == [[2, 5, 9], [7], []]
    assert got.columns[FOUND].dtype == np.uint64
    assert got.columns[FOUND].tolist() == [0b11, 0b01, 0b10, 0b01]
    assert (got.scores == 0).all()


def test_union_of_many_generators_keeps_every_bit():
    lists = {f"g{i}": Slates.of([[0, i + 1]]) for i in range(64)}
    got = union(lists, 1)
    assert int(got.columns[FOUND][0]) == 2**64 - 1
    assert got.columns[FOUND][1:].tolist() == [1 << i for i in range(64)]


def test_union_of_nothing():
    assert len(union({}, 2)) == 2
    assert union({"one": Slates.of([[], []])}, 2).lengths.tolist() == [0, 0]
    assert len(union({"one": Slates.of([])}, 0)) == 0


def test_union_joins_notes():
    one = Slates.of([[1], [2]]).note(Notes(warnings=("slow",)))
    other = Slates.of([[1], [3]])
    third = Slates.of([[1], [3]]).note(Notes(counts={"repairs": 2}))
    got = union({"one": one, "other": other, "third": third}, 2)
    assert got.notes == (Notes(warnings=("slow",), counts={"repairs": 2}),) * 2
    assert union({"other": other}, 2).notes == ()


@given(st.lists(any_slates(9, size=3, columns=False), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_union_is_a_union(lists):
    got = union({f"g{i}": one for i, one in enumerate(lists)}, 3)
    for r in range(3):
        assert got[r].items.tolist() == sorted(set().union(*(set(one[r].items.tolist()) for one in lists)))
        for at, item in enumerate(got[r].items.tolist()):
            bits = sum(1 << i for i, one in enumerate(lists) if item in one[r].items)
            assert int(got[r].columns[FOUND][at]) == bits


def test_every_scorer_scores_every_candidate():
    slates = union({"one": Slates.of([[1, 2], [3]]), "other": Slates.of([[4], [1]])}, 2)
    got = score_all([Request(), Request()], slates, {"one": Table(r1=0.5, r2=2.0, r3=1.0), "other": Table(r4=7.0)})
    assert got.items.tolist() == [1, 2, 4, 1, 3]
    assert got.columns["one_score"].tolist() == pytest.approx([0.5, 2, NAN, 0.5, 1], nan_ok=True)
    assert got.columns["one_rank"].tolist() == [2, 1, 3, 2, 1]
    assert got.columns["other_score"].tolist() == pytest.approx([NAN, NAN, 7, NAN, NAN], nan_ok=True)
    assert got.columns["other_rank"].tolist() == [3, 3, 1, 2, 2]
    assert np.array_equal(got.columns[FOUND], slates.columns[FOUND])


def test_ties_share_the_worst_place_and_nan_comes_last():
    given = Slates.of([[0, 1, 2, 3, 4], [5], [], [6, 7]])
    scores = np.array([3, 5, 3, NAN, NAN, NAN, 1, 1], dtype=np.float32)
    got = places(scores, given.request_index, given)
    assert got.tolist() == [3, 1, 3, 5, 5, 1, 2, 2]
    assert got.dtype == np.float32
    assert places(scores[:0], np.empty(0, np.int64), Slates.of([[]])).tolist() == []


@given(any_slates(9, odd=True, columns=False))
@settings(max_examples=60, deadline=None)
def test_places_by_definition(slates):
    got = places(slates.scores, slates.request_index, slates)
    for r, part in enumerate(slates):
        key = np.where(np.isnan(part.scores), -np.inf, part.scores)
        expected = [(key >= mine).sum() for mine in key]
        assert got[slates.offsets[r] : slates.offsets[r + 1]].tolist() == expected


def test_normalised_by_the_best_of_each_request():
    given = Slates.of([[0, 1, 2, 3], [], [4, 5], [6]])
    scores = np.array([4, 1, -2, NAN, -1, NAN, 0.5], dtype=np.float32)
    assert normalised(scores, given).tolist() == [1, 0.25, 0, 0, 0, 0, 1]
    assert normalised(scores, given).dtype == np.float32


def test_fused_order_by_hand():
    given = Slates.of([[0, 1, 2]])
    columns = {
        "one_score": np.array([10, 5, NAN], np.float32), "two_score": np.array([0, 4, 2], np.float32),
        "three_score": np.array([0, 0, 9], np.float32),
    }  # fmt: skip
    slates = Slates(given.items, given.scores, given.offsets, columns)
    got = Fusion({"one": 1.0, "three": 0.0}, default=0.8).fuse(slates, ["one", "two", "three"])
    assert got.items.tolist() == [1, 0, 2]
    assert got.scores.tolist() == pytest.approx([0.5 + 0.8, 1.0, 0.8 * 0.5])
    assert np.array_equal(got.columns[FUSED], got.scores)
    assert got.columns["two_score"].tolist() == [4, 0, 2]  # columns moved along
    assert Fusion({"one": 1.0}, default=0).fuse(slates, ["one", "two"], n=2).items.tolist() == [0, 1]
    # A name that is not asked for has no say.
    assert Fusion({}, default=1).fuse(slates, ["three"], n=1).items.tolist() == [2]


def test_fused_ties_keep_the_incoming_order():
    given = Slates.of([[7, 3, 5]])
    slates = Slates(given.items, given.scores, given.offsets, {"one_score": np.zeros(3, np.float32)})
    assert Fusion().fuse(slates, ["one"]).items.tolist() == [7, 3, 5]
