"""The compiled loops against the plain ones, and against scores added up by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.search import plan as plans
from recsys.search.config import IndexConfig
from recsys.search.index import TextIndex
from recsys.search.parse import Parser
from recsys.search.plan import Searcher, look_up, plan
from recsys.types import Item

WORDS = st.lists(st.sampled_from(["red", "kettle", "lamp", "wi-fi", "wifi", "2", "tb", "the"]), max_size=5)


def table(titles: list[list[str]]) -> ItemTable:
    return ItemTable.of(Item(item_id=str(i), title=" ".join(t), text=" ".join(t[::-1])) for i, t in enumerate(titles))


@pytest.fixture(params=["compiled", "plain"])
def loops(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(plans, "compiled", lambda loop: loop)


@settings(max_examples=40, deadline=None)  # the first one compiles
@given(st.lists(WORDS, min_size=1, max_size=8), WORDS, st.lists(st.booleans(), min_size=8, max_size=8))
def test_top_every_and_given_rows_agree_compiled_or_not(titles, words, allowed):
    index = TextIndex.of(table(titles))
    mask = np.array(allowed[: len(titles)])
    how = plan(index, Parser(index).parse(" ".join(words)))
    answers = []
    for make in (None, lambda loop: loop):
        with pytest.MonkeyPatch.context() as patch:
            if make is not None:
                patch.setattr(plans, "compiled", make)
            searcher = Searcher(index)
            rows, scores = searcher.top(how, 8, mask)
            found = searcher.every(how, mask)
            looked = look_up(index, how, np.arange(len(titles), dtype=np.int32))
            answers.append((rows.tolist(), scores, found.rows.tolist(), found.bits.tolist(), looked.scores))
            order = np.lexsort((found.rows, -found.scores))
            assert found.rows[order].tolist() == rows.tolist()
            assert np.allclose(looked.scores[rows], scores, rtol=1e-5)
            assert mask[rows].all()
            assert set(rows.tolist()) == set(np.flatnonzero((looked.scores > 0) & mask).tolist())
    compiled, plain = answers
    assert compiled[0] == plain[0]
    assert compiled[2:4] == plain[2:4]
    assert np.allclose(compiled[1], plain[1], rtol=1e-5)
    assert np.allclose(compiled[4], plain[4], rtol=1e-5)


def test_the_score_is_bm25f_by_hand(loops):
    config = IndexConfig(k1=1.2, b=0.5, phrase=0, coverage=0, weights={"title": 2, "text": 1})
    items = ItemTable.of(
        [
            Item(item_id="a", title="red kettle", text="kettle for tea"),
            Item(item_id="b", title="blue lamp shade", text="lamp"),
        ]
    )
    index = TextIndex.of(items, config)
    rows, scores = Searcher(index).top(plan(index, Parser(index).parse("kettle")), 5, None)
    tf = 2 * 1 / (0.5 + 0.5 * 2 / 2.5) + 1 * 1 / (0.5 + 0.5 * 3 / 2)
    assert rows.tolist() == [0]
    assert scores[0] == pytest.approx(np.log1p((2 - 1 + 0.5) / 1.5) * tf / (1.2 + tf), rel=1e-5)


def test_summed_fields_by_hand(loops):
    config = IndexConfig(scheme="sum", k1=1.0, b=0, phrase=0, coverage=0, weights={"title": 2, "text": 0.5})
    index = TextIndex.of(
        ItemTable.of([Item(item_id="a", title="red", text="red red"), Item(item_id="b", title="x")]), config
    )
    _, scores = Searcher(index).top(plan(index, Parser(index).parse("red")), 5, None)
    assert scores[0] == pytest.approx(np.log1p((2 - 1 + 0.5) / 1.5) * (2 * 1 / 2 + 0.5 * 2 / 3), rel=1e-5)


def test_alternatives_are_not_added_up(loops):
    """A product with both readings of a word gains the better one; one with a single reading no less for that."""
    items = ItemTable.of(
        [Item(item_id="a", title="wifi"), Item(item_id="b", title="wi fi"), Item(item_id="c", title="x")]
    )
    index = TextIndex.of(items, IndexConfig(phrase=0))
    how = plan(index, Parser(index).parse("wi-fi"))
    looked = look_up(index, how, np.array([0, 1, 2], np.int32))
    assert looked.scores[0] > 0 < looked.scores[1]
    assert looked.scores[2] == 0
    assert how.n_slots == 2
    assert (looked.gains[0] > 0).all()


def test_neighbours_in_a_title_count_more(loops):
    items = ItemTable.of([Item(item_id="a", title="steel red kettle"), Item(item_id="b", title="red steel kettle")])
    index = TextIndex.of(items)
    rows, scores = Searcher(index).top(plan(index, Parser(index).parse("red kettle")), 5, None)
    assert rows.tolist() == [0, 1]
    assert scores[0] > scores[1]
