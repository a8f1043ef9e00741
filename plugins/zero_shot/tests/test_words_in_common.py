"""Words in common beside the meaning of a text: rare ones count, searches stay as they were."""

from __future__ import annotations

import math

import numpy as np
import pytest
from recsys_zero_shot.bi_encoder import BiEncoder
from recsys_zero_shot.lexical import Rarity

from recsys.dataset import ItemTable
from recsys.testing.fakes import HashEmbedder
from recsys.testing.kits import RankerTests
from recsys.types import Events, Item, Request, Slates

TITLES = ("Racer for the Quux", "Farm game for the Zork", "Puzzle for the Quux", "Racer for the Zork", "", "The")


class TestBiEncoderWithWords(RankerTests):
    @pytest.fixture
    def component(self, small_shop):
        return lambda: BiEncoder(BiEncoder.Config(words=0.4), small_shop.items, HashEmbedder())


@pytest.fixture
def items() -> ItemTable:
    return ItemTable.of([Item(item_id=str(i), title=title) for i, title in enumerate(TITLES)])


def over(items: ItemTable, **options: object) -> BiEncoder:
    return BiEncoder(BiEncoder.Config(weight=1.0, **options), items, HashEmbedder())


def test_rare_words_decide(items):
    ranker = over(items, words=1.0)
    got = ranker.rank([Request(history=Events.of([0]))], Slates.of([[5, 1, 2, 3]]), 4)
    # "Quux" and "racer" are as rare as each other, "for" and "the" hardly count.
    assert set(got.items[:2].tolist()) == {2, 3}
    later = ranker.rank([Request(history=Events.of([1, 0]))], Slates.of([[5, 1, 2, 3]]), 4)
    assert later.items[-1] == 5


def test_without_an_event_or_with_a_query_nothing_changes(items):
    slates = Slates.of([[3, 1, 2], [3, 1, 2]])
    requests = [Request(), Request(history=Events.of([0]), text="farm game")]
    mixed, plain = over(items, words=0.5).judge(requests, slates), over(items).judge(requests, slates)
    assert np.isnan(mixed.scores[:3]).all()
    assert np.array_equal(mixed.scores[3:], plain.scores[3:])


def test_rarity_is_that_of_the_definition():
    rarity = Rarity(["a b", "a c", "a"])
    got = rarity.vectors(["a b b", "", "new"]).toarray()
    a, b = math.log1p(3 / 3), math.log1p(3 / 1)
    assert got[0, :2] == pytest.approx(np.array([a, b]) / math.hypot(a, b), abs=1e-6)
    assert not got[1].any()
    assert sorted(got[2].tolist())[-1] == pytest.approx(1.0)


def test_words_of_a_hostile_title_are_read_in_bounded_time(items):
    long = items.put([Item(item_id="1", title="quux " * 200_000)])
    got = over(long, words=0.5).rank([Request(history=Events.of([0]))], Slates.of([[1, 3]]), 2)
    assert set(got.items.tolist()) == {1, 3}
