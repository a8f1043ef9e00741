from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import ConfigError, ContractError
from recsys.protocols import Deps
from recsys.rerank.base import Judgement, Reranker
from recsys.testing.kits import RankerTests
from recsys.testing.worlds import small_shop
from recsys.types import Notes, Request, Slates

ITEMS = small_shop().items


class ByRow(Reranker):
    """Likes high rows, cannot judge those that three divides, and counts."""

    def judge(self, requests, slates):
        scores = np.where(slates.items % 3 == 0, np.nan, slates.items).astype(np.float32)
        return Judgement(scores, tuple(Notes(counts={"read": int(n)}) for n in slates.lengths))


def made(**config) -> ByRow:
    return ByRow.from_config(ByRow.Config(**config), Deps(items=ITEMS))


class TestBase(RankerTests):
    @pytest.fixture
    def component(self):
        return made


class TestBounded(RankerTests):
    @pytest.fixture
    def component(self):
        return lambda: made(max_move=1)


GIVEN = Slates.of([[1, 3, 5, 2], [8, 7]], [[4.0, 3.0, 2.0, 1.0], [1.0, 0.5]])
ASKED = [Request(), Request()]


def test_scores_are_dealt_out_in_the_new_order():
    got = made().rank(ASKED, GIVEN, 9)
    assert got.items.tolist() == [5, 2, 1, 3, 8, 7]
    assert got.scores.tolist() == GIVEN.scores.tolist()
    assert got.columns["rerank_prior"].tolist() == [2.0, 1.0, 4.0, 3.0, 1.0, 0.5]
    assert got.columns["rerank_move"].tolist() == [2, 2, -2, -2, 0, 0]
    assert np.array_equal(got.columns["rerank_score"], [5, 2, 1, np.nan, 8, 7], equal_nan=True)
    assert [n.counts for n in got.notes] == [{"read": 4}, {"read": 2}]


def test_no_move_is_the_incoming_order():
    got = made(max_move=0).rank(ASKED, GIVEN, 9)
    assert got.items.tolist() == GIVEN.items.tolist()


def test_differences_of_rounding_do_not_decide():
    class Noisy(ByRow):
        def judge(self, requests, slates):
            return Judgement((1 + slates.items * 1e-7).astype(np.float32))

    got = Noisy(Noisy.Config(), ITEMS).rank(ASKED, GIVEN, 9)
    assert got.items.tolist() == GIVEN.items.tolist()


def test_a_judgement_of_another_size_is_refused():
    class Short(ByRow):
        def judge(self, requests, slates):
            return Judgement(np.zeros(1, np.float32))

    with pytest.raises(ContractError, match="scores for 6 items"):
        Short(Short.Config(), ITEMS).rank(ASKED, GIVEN, 9)


def test_it_needs_a_catalogue():
    with pytest.raises(ConfigError, match="needs the catalogue"):
        ByRow.from_config(ByRow.Config(), Deps())


def test_a_twin_over_another_catalogue_leaves_the_first_alone():
    first = made()
    other = small_shop().items
    twin = first.on_snapshot(Deps(items=other))
    assert twin.items is other
    assert first.items is ITEMS
    assert first.on_snapshot(Deps()) is first
