"""When the phrases of a live shop are made anew, and what is remembered meanwhile."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import replace

import pytest

from recsys.dataset import ItemTable
from recsys.store.searches import SearchLog
from recsys.suggest import keeper
from recsys.suggest.keeper import Keeper, words_changed
from recsys.suggest.suggester import Suggester
from recsys.types import Item, Search

ITEMS = [Item(item_id=f"i{n}", title=f"Steel kettle {n}", categories=("Kettles",), stock=n) for n in range(40)]
TABLE = ItemTable.of(ITEMS)
LOG = SearchLog([])


class Found:
    """Counts how often it is asked; every text finds as many."""

    def __init__(self, n: int = 1) -> None:
        self.asked: list[str] = []
        self.n = n

    def __call__(self, texts):
        self.asked += texts
        return [self.n] * len(texts)


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SMALL", 10)  # forty products stand for a large shop


def texts(kept: Keeper, items: ItemTable, hits: Found, state: object, log: SearchLog = LOG) -> list[str]:
    return [s.text for s in kept.get(items, log, hits, state).complete("steel k")]


def test_stock_and_prices_change_no_phrase():
    kept = Keeper()
    texts(kept, TABLE, Found(), "a")
    made = kept._made
    sold = TABLE.put([replace(item, stock=0, price=3.0) for item in ITEMS])
    assert words_changed(TABLE, sold) == 0
    texts(kept, sold, Found(), "b")
    assert kept._made is made


def test_many_other_words_change_phrases_a_few_do_not():
    kept = Keeper()
    texts(kept, TABLE, Found(), "a")
    one = TABLE.put([replace(ITEMS[0], title="Enamel pot")])
    three = one.put([Item(item_id=f"new{n}", title=f"Zinc bucket {n}") for n in range(3)])
    assert (words_changed(TABLE, one), words_changed(TABLE, three)) == (1, 4)
    assert kept.get(one, LOG, Found(), "b").complete("zinc") == []
    assert [s.text for s in kept.get(three, LOG, Found(), "c").complete("zinc")] == ["zinc bucket"]
    gone = three.without(three.vocabulary.rows([f"new{n}" for n in range(3)]))
    assert words_changed(three, gone) == 3


def test_a_small_shop_knows_every_word_at_once(monkeypatch):
    monkeypatch.setattr(keeper, "SMALL", 1_000)
    kept = Keeper()
    texts(kept, TABLE, Found(), "a")
    more = TABLE.put([Item(item_id="new", title="Zinc bucket", categories=("Buckets",))])
    assert [s.text for s in kept.get(more, LOG, Found(), "b").complete("buck")] == ["buckets"]


def test_a_log_that_has_grown_changes_phrases():
    log, kept = SearchLog([]), Keeper()
    assert "steel kitchen kettle" not in texts(kept, TABLE, Found(), "a", log)
    log.put([Search(user_id=f"u{n}", text="steel kitchen kettle", time=n) for n in range(101)])
    assert "steel kitchen kettle" in texts(kept, TABLE, Found(), "a", log)


def test_counts_are_remembered_for_one_state():
    kept, found, none = Keeper(), Found(), Found(0)
    first = texts(kept, TABLE, found, "a")
    assert first
    assert texts(kept, TABLE, none, "a") == first
    assert none.asked == []
    assert texts(kept, TABLE, none, "b") == []
    assert texts(kept, TABLE, found, "a") == first


def test_what_counts_is_not_kept_alive():
    kept, found = Keeper(), Found()
    texts(kept, TABLE, found, "a")
    seen = weakref.ref(found)
    del found
    gc.collect()
    assert seen() is None


def test_one_makes_phrases_and_nobody_waits_for_them(monkeypatch):
    kept = Keeper()
    texts(kept, TABLE, Found(), "a")
    begun, go, made = threading.Event(), threading.Event(), []

    class Slow(Suggester):
        def __init__(self, *args, **named) -> None:
            made.append(threading.get_ident())
            begun.set()
            assert go.wait(10)
            super().__init__(*args, **named)

    monkeypatch.setattr(keeper, "Suggester", Slow)
    other = TABLE.put([replace(item, title=f"Zinc bucket {n}") for n, item in enumerate(ITEMS)])
    builder = threading.Thread(target=texts, args=(kept, other, Found(), "b"))
    builder.start()
    assert begun.wait(10)
    assert [s.text for s in kept.get(other, LOG, Found(), "b").complete("steel k")] == ["steel kettle"]
    go.set()
    builder.join()
    assert [s.text for s in kept.get(other, LOG, Found(), "b").complete("zinc")] == ["zinc bucket"]
    assert len(made) == 1
