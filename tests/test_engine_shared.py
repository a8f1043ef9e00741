"""Several engines over one store, as several processes have it: each takes in what the others wrote."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from engine_toys import CONFIG, FUSED, NOW, SHOPPERS, event, fitted, ids

from recsys.engine import Engine
from recsys.protocols import Changes, Shared
from recsys.store.histories import difference, join
from recsys.store.memory import MemoryStore
from recsys.testing.worlds import small_shop
from recsys.types import NO_ROWS, Event, Item


class View:
    """One process's side of a shop that several write to: what one puts in, the others are told."""

    def __init__(self, store: MemoryStore, views: list[View]) -> None:
        self.store, self.views = store, views
        self.waiting: list[Changes] = []
        views.append(self)

    def __getattr__(self, name):
        return getattr(self.store, name)

    def put_items(self, items):
        rows = self.store.put_items(items)
        self._tell(Changes(items=rows))
        return rows

    def withdraw(self, item_ids):
        rows = self.store.withdraw(item_ids)
        self._tell(Changes(items=rows))
        return rows

    def put_events(self, events):
        fresh = self.store.unknown(events)
        users = list(dict.fromkeys(e.user_id for e in fresh))
        before = {user: self.store.history(user) for user in users}
        count = self.store.put_events(fresh)
        vocabulary = self.store.items().vocabulary
        parts = [
            difference(before[u], self.store.history(u), [e for e in fresh if e.user_id == u], vocabulary)
            for u in users
        ]
        self._tell(Changes(NO_ROWS, join([more for more, _ in parts]), join([less for _, less in parts])))
        return count

    def _tell(self, change: Changes) -> None:
        for view in self.views:
            if view is not self:
                view.waiting.append(change)

    def changes(self) -> Changes:
        return self.waiting.pop(0) if self.waiting else Changes()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    place = tmp_path_factory.mktemp("shared") / "bundle"
    fitted(CONFIG).save(place)
    return place


@pytest.fixture
def pair(bundle) -> tuple[Engine, Engine]:
    store, views = MemoryStore.of(small_shop()), []
    return tuple(Engine.load(bundle, store=View(store, views), verify=False) for _ in range(2))


def popularity(engine: Engine) -> np.ndarray:
    return engine.fitted.generators["popularity"].item_scores()


def test_a_store_of_one_process_has_nothing_to_tell():
    engine = fitted()
    assert not isinstance(engine.store, Shared)
    assert engine.refresh() == 0
    assert Engine(FUSED).refresh() == 0


def test_events_of_others_count_after_a_refresh(pair):
    here, there = pair
    fans = [event(f"fan-{n}", 20, time=NOW + n) for n in range(40)]
    assert here.add_events(fans) == 40
    # Whose events they are is read from the store at once: what one bought elsewhere is not recommended here.
    assert "SKU-020" not in ids(there.recommend("fan-3", 40, now=NOW + 60))
    assert popularity(there)[20] < popularity(here)[20]
    assert there.refresh() == 40
    assert there.refresh() == 0
    assert here.refresh() == 0
    np.testing.assert_allclose(popularity(there), popularity(here), rtol=1e-5)
    ranker = "lightgbm"
    np.testing.assert_array_equal(
        there.fitted.rankers[ranker].facts.popularity, here.fitted.rankers[ranker].facts.popularity
    )
    for user in (None, "fan-3", SHOPPERS[2]):
        assert ids(there.recommend(user, 8, now=NOW + 60)) == ids(here.recommend(user, 8, now=NOW + 60))


def test_a_return_elsewhere_takes_the_purchase_back_here(pair):
    here, there = pair
    before = popularity(there).copy()
    here.add_events([event(f"fan-{n}", 20, time=NOW) for n in range(9)])
    here.add_events([event(f"fan-{n}", 20, "return", time=NOW + 60) for n in range(9)])
    assert there.refresh() == 9
    assert popularity(there)[20] > before[20]
    assert there.refresh() == 18  # nine returns, and nine purchases that count no more
    np.testing.assert_allclose(popularity(there), popularity(here), rtol=1e-5)
    assert popularity(there)[20] == pytest.approx(popularity(here)[20])


def test_items_of_others_are_served_after_a_refresh(pair):
    here, there = pair
    twin = replace(here.store.items().item(17), item_id="NEW-1", title="Reflective rain jacket anew", stock=5)
    here.add_items([twin])
    here.add_events([Event(user_id="newcomer", item_id="SKU-017", kind="purchase", time=NOW)])
    assert "NEW-1" not in ids(there.recommend("newcomer", 8, variant="like"))
    assert there.refresh() + there.refresh() == 2
    assert ids(there.recommend("newcomer", 1, variant="like")) == ["NEW-1"]
    assert "NEW-1" in ids(there.search("reflective rain jacket anew", k=3))
    here.withdraw(["NEW-1"])
    assert there.refresh() == 1
    assert "NEW-1" not in ids(there.recommend("newcomer", 40, variant="like"))


def test_a_store_may_tell_before_anything_is_fitted(bundle):
    store, views = MemoryStore.of(small_shop()), []
    first, other = View(store, views), View(store, views)
    engine = Engine(FUSED, store=first)
    other.put_events([event("fan-1", 20)])
    assert engine.refresh() == 1
    engine.fit()
    assert popularity(engine)[20] == pytest.approx(popularity(Engine(FUSED).fit(store.dataset()))[20])


def test_events_of_others_count_once_whether_a_fit_has_read_them_or_not(pair):
    here, there = pair
    here.add_events([event(f"early-{n}", 20, time=NOW + n) for n in range(20)])  # in what the fit reads, not yet told

    class Once:
        done = False

        def __call__(self, message: str) -> None:
            if not self.done:
                self.done = True
                here.add_events([event(f"late-{n}", 22, time=NOW + n) for n in range(20)])
                assert there.refresh() == 20

    there.fit(progress=Once())
    assert there.refresh() == 0
    whole = Engine(CONFIG).fit(there.store.dataset())
    np.testing.assert_allclose(popularity(there), popularity(whole), rtol=1e-4, atol=1e-5)


def test_two_writers_and_two_readers_at_once(pair):
    errors: list[BaseException] = []

    def work(me: Engine, name: str) -> None:
        try:
            for n in range(30):
                me.add_events([event(f"{name}-{n}", n % 40, time=NOW + n)])
                me.add_items([Item(item_id=f"{name}-{n}", title="kettle", stock=1)])
                me.refresh()
                assert len(me.recommend(f"{name}-{n}", 5, strict=True)) == 5
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(one, f"w{i}")) for i, one in enumerate(pair)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for one in pair:
        while one.refresh():
            pass
    here, there = pair
    assert here.store.items().ids == there.store.items().ids
    assert len(here._current().items) == len(there._current().items) == 100
    np.testing.assert_allclose(popularity(here), popularity(there), rtol=1e-4)
