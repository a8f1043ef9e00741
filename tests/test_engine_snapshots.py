"""What a call works with while the shop changes: one store, one catalogue, one fit; and nothing is lost meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from engine_toys import FUSED, NOW, SHOPPERS, event, fitted, ids

from recsys.dataset import Dataset
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.explain.facts import shoppers_per_item
from recsys.rules import Rules
from recsys.store.memory import MemoryStore
from recsys.testing.worlds import DAY, small_shop
from recsys.types import Event, Item, Search

TWIN = "SKU-017"


def other_shop() -> Dataset:
    """A smaller shop: other rows for the same ids, and an item that the small shop lacks."""
    data = small_shop()
    items = [Item(item_id="OTHER", title="Foreign parasol"), *(data.items.item(row) for row in range(30, 10, -1))]
    events = [event(f"b-{n}", 11 + (n * 7) % 20, time=NOW - n) for n in range(80)]
    return Dataset.of(items, events)


class Once:
    """A report of progress that does something in the middle of a fit, once."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self.deed, self.done = deed, False

    def __call__(self, message: str) -> None:
        if not self.done:
            self.done = True
            self.deed()


def popularity(engine: Engine) -> np.ndarray:
    return engine.fitted.generators["popularity"].item_scores()


# -- another fit on an engine that serves ----------------------------------------------------------------------------


def test_a_fit_that_fails_changes_nothing():
    engine = fitted()
    store, before = engine.store, ids(engine.recommend(SHOPPERS[2], k=6))
    with pytest.raises(DataError, match="nothing to fit"):
        engine.fit(Dataset.of([], []))
    assert engine.store is store
    assert ids(engine.recommend(SHOPPERS[2], k=6)) == before
    assert engine.add_events([event(SHOPPERS[2], 3)]) == 1


def test_a_fit_that_breaks_off_changes_nothing():
    engine = fitted()
    store, before = engine.store, ids(engine.recommend(SHOPPERS[2], k=6))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.fit(other_shop(), progress=Once(stop))
    assert engine.store is store
    assert ids(engine.recommend(SHOPPERS[2], k=6)) == before
    engine.fit(other_shop())
    assert engine.store.items().ids[0] == "OTHER"


def test_while_a_fit_on_other_data_is_under_way_the_old_catalogue_is_served():
    engine, seen = fitted(), []
    before = [
        [(r.item_id, r.title) for r in engine.recommend(SHOPPERS[2], k=6)],
        [r.item_id for r in engine.similar_items(TWIN, k=4)],
        [r.item_id for r in engine.rank(SHOPPERS[2], ["SKU-039", "SKU-001"])],
        [e.text for e in engine.explain(SHOPPERS[2], ["SKU-018"])],
    ]

    def ask() -> None:
        seen.append([(r.item_id, r.title) for r in engine.recommend(SHOPPERS[2], k=6)])
        seen.append([r.item_id for r in engine.similar_items(TWIN, k=4)])
        seen.append([r.item_id for r in engine.rank(SHOPPERS[2], ["SKU-039", "SKU-001"])])
        seen.append([e.text for e in engine.explain(SHOPPERS[2], ["SKU-018"])])

    engine.fit(other_shop(), progress=Once(ask))
    assert seen == before
    assert len(engine.store.items()) == 21
    assert set(ids(engine.recommend("b-3", k=40))) <= set(other_shop().items.ids)


def test_a_call_that_began_before_a_fit_on_other_data_ends_in_its_own_catalogue():
    engine = fitted()
    expected = [(r.item_id, r.title, r.explanation.text) for r in engine.recommend(SHOPPERS[2], k=5, explain=True)]
    snapshot = engine._current()
    engine.fit(other_shop())
    engine._current = lambda: snapshot  # as a thread that had read it before the fit ended
    got = engine.recommend(SHOPPERS[2], k=5, explain=True)
    assert [(r.item_id, r.title, r.explanation.text) for r in got] == expected
    del engine._current
    for r in engine.recommend("b-3", k=5, explain=True):
        assert r.title == engine.store.items().titles[engine.store.items().vocabulary.row(r.item_id)]


def test_what_happens_during_a_fit_on_other_data_is_done_again_on_it():
    engine = fitted()
    engine.add_events([event("guest", 14), event("gone", 15), event("stays", 16, event_id="e1")])
    data = other_shop()
    people = [event("guest", 14), event("gone", 15), event("stays", 16, event_id="e1")]
    searches = (Search(user_id="gone", text="kite", time=NOW), Search(user_id="guest", text="lamp", time=NOW))
    data = replace(Dataset.of([data.items.item(r) for r in range(21)], [*events_of(data), *people]), searches=searches)

    def live() -> None:
        engine.add_items([Item(item_id="NEW-1", title="Reflective rain jacket", brand="Tarn")])
        assert engine.add_events([event("b-3", 20, time=NOW + 5), event("b-3", 20, "view", time=None)]) == 2
        engine.add_events([Event(user_id="b-3", item_id="NEW-1", kind="purchase", time=NOW + 9)])
        assert engine.add_events([event("stays", 16, event_id="e1")]) == 0
        engine.add_events([event("b-4", 39)])  # an item that the other shop does not have
        engine.withdraw(["SKU-025", "SKU-039"])
        engine.add_searches([Search(user_id="b-3", text="parasol", time=NOW, search_id="s9")])
        assert engine.merge("guest", "customer") == 1
        assert engine.erase("gone") == 1

    engine.fit(data, progress=Once(live))
    items = engine.store.items()
    assert items.ids[-1] == "NEW-1"
    assert not items.available[items.vocabulary.row("SKU-025")]
    theirs = engine.store.history("b-3")
    assert set(items.vocabulary.ids(theirs.rows)) >= {"SKU-020", "NEW-1"}
    assert "NEW-1" not in ids(engine.recommend("b-3", k=40))
    assert engine.export("gone") == []
    assert engine.export("guest") == []
    assert {r["type"] for r in engine.export("customer")} == {"event", "search"}
    assert len(engine.store.history("stays")) == 1
    assert [s.text for s in engine.searches.of_user("b-3")] == ["parasol"]
    assert any("not kept: 1" in w for w in engine.warnings)
    whole, others = Engine(FUSED).fit(engine.store.dataset()), np.arange(len(items)) != items.vocabulary.row("SKU-015")
    # A count without a name is all that a fit keeps of a shopper: it stays until the next one.
    np.testing.assert_allclose(popularity(engine)[others], popularity(whole)[others], rtol=1e-4, atol=1e-5)


def test_what_happens_while_other_data_are_read_is_not_lost_and_searches_are_kept_once(monkeypatch):
    engine, read = fitted(), MemoryStore.of

    def slow(data: Dataset, **how) -> MemoryStore:
        out = read(data, **how)
        assert engine.add_events([event("b-3", 20, time=NOW + 5)]) == 1
        assert engine.add_searches([Search(user_id="b-3", text="parasol", time=NOW)]) == 1
        return out

    monkeypatch.setattr(MemoryStore, "of", slow)
    engine.fit(other_shop())
    theirs = engine.store.history("b-3")
    assert engine.store.items().vocabulary.ids(theirs.rows)[-1] == "SKU-020"
    assert [s.text for s in engine.searches.of_user("b-3")] == ["parasol"]


def events_of(data: Dataset) -> list[Event]:
    return [
        Event(user_id=user, item_id=item_id, time=int(time), kind="purchase")
        for group, user in enumerate(data.log.users)
        for item_id, time in zip(
            data.items.vocabulary.ids(data.log.history(group).rows), data.log.history(group).times, strict=True
        )
    ]


# -- what is logged while a fit is under way -------------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
def test_events_of_the_time_of_a_fit_count_as_soon_as_it_ends(first):
    engine = Engine(FUSED) if first else fitted()
    data = small_shop()

    def live() -> None:
        engine.add_events([event(f"fan-{n}", 20, time=NOW + n) for n in range(40)])
        engine.add_events([event("fan-3", 20, "return", time=NOW + 60), event("fan-4", 22, time=NOW + 70)])

    if first:
        engine.fit(data, progress=Once(live))
    else:
        engine.fit(progress=Once(live))
    assert len(engine.store.log()) == len(data.log) + 42
    whole = Engine(FUSED).fit(engine.store.dataset())
    np.testing.assert_allclose(popularity(engine), popularity(whole), rtol=1e-4, atol=1e-5)
    assert int(np.argmax(popularity(engine))) == 20
    # Nothing is noted once the fit is over.
    counts = popularity(engine).copy()
    engine.fit()
    np.testing.assert_allclose(popularity(engine), counts, rtol=1e-4, atol=1e-5)


def test_a_return_of_what_a_fit_has_counted_is_taken_from_it():
    engine = fitted()
    engine.add_events([event(f"fan-{n}", 20) for n in range(9)])
    engine.fit(progress=Once(lambda: engine.add_events([event("fan-3", 20, "return", time=NOW + 60)])))
    whole = Engine(FUSED).fit(engine.store.dataset())
    np.testing.assert_allclose(popularity(engine), popularity(whole), rtol=1e-4, atol=1e-5)


def test_items_of_the_time_of_a_fit_are_served_with_their_events():
    engine = fitted()

    def live() -> None:
        twin = replace(engine.store.items().item(17), item_id="NEW-1", stock=5)
        engine.add_items([twin])
        engine.add_events([Event(user_id=f"fan-{n}", item_id="NEW-1", time=NOW) for n in range(70)])

    engine.fit(progress=Once(live))
    assert ids(engine.recommend(None, k=1)) == ["NEW-1"]
    whole = Engine(FUSED).fit(engine.store.dataset())
    np.testing.assert_allclose(popularity(engine), popularity(whole), rtol=1e-4, atol=1e-5)


def test_calls_of_many_threads_while_fits_on_other_data_come_and_go():
    engine, shops = fitted(), (other_shop(), small_shop())
    titles = {
        item_id: title for shop in shops for item_id, title in zip(shop.items.ids, shop.items.titles, strict=True)
    }
    errors: list[BaseException] = []
    stop = threading.Event()

    def asking(user: str) -> None:
        try:
            while not stop.is_set():
                got = [*engine.recommend(user, k=5, explain=True, strict=True), *engine.search("reflective", user, k=5)]
                assert len(got) > 5
                for r in got:
                    assert r.title == titles[r.item_id]
                for e in (e for r in got if r.explanation for e in r.explanation.evidence):
                    assert e.title == titles[e.item_id]
                engine.suggest("re", user)
                for e in (e for line in engine.profile(user).lines for e in line.evidence):
                    assert e.title == titles[e.item_id]
                engine.add_events([Event(user_id=user, item_id="SKU-015", kind="view", time=NOW)])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=asking, args=(user,)) for user in (SHOPPERS[2], "b-3")]
    for thread in threads:
        thread.start()
    for n in range(6):
        engine.fit(shops[n % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("data", [None, other_shop()], ids=["same store", "other data"])
def test_what_was_added_during_a_fit_is_there_at_every_moment(monkeypatch, data):
    """Also between the end of a fit and the moment at which it knows what came meanwhile."""
    engine, catch_up, looked = fitted(), Engine._catch_up, []
    twin = replace(engine.store.items().item(17), item_id="NEW-1", stock=5)

    def slowly(self, *given) -> None:
        looked.append(ids(engine.rank("anybody", ["NEW-1"])))
        catch_up(self, *given)
        looked.append(ids(engine.rank("anybody", ["NEW-1"])))

    monkeypatch.setattr(Engine, "_catch_up", slowly)
    engine.fit(data, progress=Once(lambda: engine.add_items([twin])))
    assert [*looked, ids(engine.rank("anybody", ["NEW-1"]))] == [["NEW-1"]] * 3
    assert engine._staged is None


def test_two_fits_wait_for_one_another():
    engine, order = fitted(), []

    def report(name: str) -> Callable[[str], None]:
        return lambda message: order.append(name)

    second = threading.Thread(target=lambda: engine.fit(progress=report("b")))
    engine.fit(progress=Once(second.start))
    order.append("a is done")
    second.join()
    assert order[0] == "a is done" or len(order) == 1 + order.count("b")
    assert ids(engine.recommend(SHOPPERS[2], k=6)) == ids(fitted().recommend(SHOPPERS[2], k=6))


# -- reasons and the snapshot ----------------------------------------------------------------------------------------


def test_reasons_that_an_old_call_made_first_know_what_came_since():
    engine = fitted()
    snapshot = engine._current()
    twin = replace(engine.store.items().item(17), item_id="NEW-1", title="Reflective rain jacket anew", stock=5)
    engine.add_items([twin])
    engine.add_events([event("newcomer", 17)])
    engine._reasons(snapshot)  # the old call gets to its reasons last
    got = engine.recommend("newcomer", k=3, variant="like", explain=True)
    assert got[0].item_id == "NEW-1"
    assert got[0].explanation.text


def test_reasons_of_an_old_fit_are_not_kept():
    engine = fitted()
    snapshot = engine._current()
    engine.fit()
    engine._reasons(snapshot)
    assert engine._held.book.attributors["attributes"] is engine.fitted.generators["attributes"]


def test_an_item_that_came_past_the_engine_is_not_listed_before_the_engine_knows_it():
    engine = fitted()
    item = Item(item_id="PAST", title="From another process", stock=3)
    pin = Rules.of({"pin": [{"item_id": "PAST", "position": 1}]})
    engine.store.put_items([item])
    got = engine.recommend(SHOPPERS[2], k=5, rules=pin, explain=True)
    assert len(got) == 5
    assert "PAST" not in ids(got)
    with pytest.raises(DataError, match="unknown item_id 'PAST'"):
        engine.explain(SHOPPERS[2], ["PAST"])
    engine.add_items([item])
    assert ids(engine.recommend(SHOPPERS[2], k=5, rules=pin))[0] == "PAST"


# -- who is counted --------------------------------------------------------------------------------------------------


def counts(engine: Engine) -> np.ndarray:
    """How many shoppers chose each item, as reasons say it; equal to a count of the log."""
    book = engine._reasons(engine._current()).book
    out = np.zeros(len(engine.store.items()), dtype=np.int64)
    out[: len(book.shoppers)] = book.shoppers
    np.testing.assert_array_equal(out, shoppers_per_item(engine.store.log(), len(out)))
    np.testing.assert_array_equal(book._by_shoppers, np.sort(book.shoppers))
    return out


def test_reasons_count_nobody_who_was_erased():
    engine = Engine(FUSED).fit(small_shop())
    engine.add_events([event(f"fan-{n}", 39) for n in range(12)])
    before = counts(engine)[39]
    said = engine.explain(None, ["SKU-039"])[0]
    assert any(e.kind == "popularity" for e in said.evidence)
    for n in range(12):
        engine.erase(f"fan-{n}")
    assert counts(engine)[39] == before - 12 < 10
    said = engine.explain(None, ["SKU-039"])[0]
    assert not any(e.kind == "popularity" for e in said.evidence)


def test_reasons_count_a_guest_and_the_customer_once():
    engine = fitted()
    engine.add_events([event("guest", 20), event("guest", 21), event("customer", 20), event("customer", 22)])
    before = counts(engine)
    engine.merge("guest", "customer")
    after = counts(engine)
    assert after[20] == before[20] - 1
    assert after[21:23].tolist() == before[21:23].tolist()


def test_reasons_count_what_is_bought_returned_and_forgotten():
    engine = fitted()
    before = counts(engine)
    engine.add_events([event("ann", 20), event("bob", 20), event("bob", 21, "view"), event("ann", 20)])
    assert (counts(engine) - before)[[20, 21]].tolist() == [2, 0]
    engine.add_events([event("bob", 20, "return", time=NOW + 60)])
    engine.remove_reason("ann", "SKU-020", NOW + DAY)
    assert counts(engine)[20] == before[20]
    engine.add_items([Item(item_id="NEW-1", title="kettle")])
    engine.add_events([Event(user_id="ann", item_id="NEW-1", time=NOW)])
    assert counts(engine)[-1] == 1
