"""Many threads on one engine: they ask, log and add at once, and fits come and go; no list is of two moments."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from engine_toys import CONFIG, FUSED, SHOPPERS, event, fitted, ids

from recsys.engine import Engine
from recsys.result import Result
from recsys.types import Item

SECONDS, PATIENCE = 2.5, 120
K = 6


def told(version: int, item: Item) -> Item:
    """An item as the catalogue has it at one moment: every title and every price names the version."""
    return replace(item, title=f"reflective kettle v{version}", price=float(version), stock=5)


class Shop:
    """An engine in use: what is to hold of every list, and how often each thing was done."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.items = [engine.store.items().item(row) for row in range(40)]
        self.version = 1
        self.done: dict[str, int] = {}
        engine.add_items([told(1, item) for item in self.items])

    def check(
        self, name: str, result: Result, bought: set[str] = frozenset(), k: int = K, most: int | None = None
    ) -> None:
        self.done[name] = self.done.get(name, 0) + 1
        listed = ids(result)
        assert len(listed) == len(set(listed)) <= k
        assert not set(listed) & bought
        assert [r.rank for r in result] == list(range(1, len(listed) + 1))
        scores = [r.score for r in result]
        assert scores == sorted(scores, reverse=True)
        # One catalogue: titles and prices of one version, and no more than one.
        versions = {r.title.rsplit(" v", 1)[1] for r in result if " v" in r.title}
        assert len(versions) <= 1
        assert {f"{r.price:.0f}" for r in result if " v" in r.title} == versions
        assert most is None or all(r.price is not None and r.price <= most for r in result)
        # One fit: what is said of an item is said by parts of one snapshot.
        assert not result.trace.degraded
        for r in result:
            if r.workings is not None:
                assert set(r.sources) == {g for g, s in r.workings.sources.items() if s.found}
                assert r.workings.fused.rank - sum(r.workings.moves.values()) == r.rank

    def shopper(self, name: str) -> Iterator[None]:
        bought: set[str] = set()
        for n in range(1_000_000):
            user, engine = f"{name}-{n // 6}", self.engine  # a new shopper every six rounds
            bought = set() if n % 6 == 0 else bought
            item = (n * 7) % 40
            assert engine.add_events([event(user, item, event_id=f"{name}-{n}", time=None)]) == 1
            bought.add(f"SKU-{item:03d}")
            self.check("recommend", engine.recommend(user, K, strict=True, workings=n % 2 == 0), bought)
            self.check("reasons", engine.recommend(user, K, strict=True, explain=True), bought)
            before = self.version
            self.check("search", engine.search("reflective kettle", user, K, where=f"price <= {before}"), most=before)
            self.check("rank", engine.rank(user, ["SKU-001", "SKU-017", "SKU-030"], strict=True))
            self.check("similar", engine.similar_items("SKU-017", K))
            for one in engine.recommend_batch([user, None, SHOPPERS[2]], K, strict=True):
                self.check("batch", one)
            yield

    def supplier(self) -> Iterator[None]:
        for n in range(2, 1_000_000):
            self.engine.add_items([told(n, item) for item in self.items])
            self.version = n
            new = Item(item_id=f"NEW-{n}", title=f"zyx{n} lantern", stock=3)
            self.engine.add_items([new])
            assert ids(self.engine.search(f"zyx{n}", k=1)) == [new.item_id]
            assert new.item_id in ids(self.engine.rank("anybody", [new.item_id]))
            self.engine.withdraw([new.item_id])
            assert ids(self.engine.search(f"zyx{n} lantern", k=3, where=f'item_id = "{new.item_id}"')) == []
            self.done["items"] = self.done.get("items", 0) + 1
            yield

    def fitter(self) -> Iterator[None]:
        while True:
            time.sleep(SECONDS / 8)
            self.engine.fit()
            self.done["fit"] = self.done.get("fit", 0) + 1
            yield


@contextmanager
def impatient() -> Iterator[None]:
    """Let threads take turns far more often than they do of themselves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(shop: Shop, least: dict[str, int], *works: Iterator[None]) -> None:
    """Run each in a thread of its own until the time is over and ``least`` of each was done; raise the first error."""
    begin, errors = time.monotonic(), list[BaseException]()

    def over() -> bool:
        spent = time.monotonic() - begin
        # A machine that has other things to do gets more time.
        return spent > PATIENCE or (spent > SECONDS and all(shop.done.get(name, 0) >= n for name, n in least.items()))

    def run(work: Iterator[None]) -> Callable[[], None]:
        def task() -> None:
            try:
                while not errors and not over():
                    next(work)
            except BaseException as error:
                errors.append(error)

        return task

    threads = [threading.Thread(target=run(work)) for work in works]
    with impatient():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    assert {name: shop.done.get(name, 0) for name, n in least.items() if shop.done.get(name, 0) < n} == {}


@pytest.mark.parametrize("config", [FUSED, CONFIG], ids=["fused", "ranked"])
def test_lists_are_of_one_moment_while_everything_changes(config):
    shop = Shop(fitted(config))
    least = {"recommend": 5, "search": 5, "rank": 5, "similar": 5, "batch": 5, "reasons": 5, "items": 3}
    together(shop, least, shop.shopper("a"), shop.shopper("b"), shop.shopper("c"), shop.supplier())
    # Every acknowledged event is there, and counted once.
    assert len(shop.engine.store.log()) == len(fitted(FUSED).store.log()) + shop.done["recommend"]


def test_lists_are_of_one_moment_while_fits_come_and_go():
    shop = Shop(fitted(FUSED))
    least = {"recommend": 5, "fit": 2}
    together(shop, least, shop.shopper("a"), shop.shopper("b"), shop.supplier(), shop.fitter())
