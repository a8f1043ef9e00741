"""What happens in a shop while a fit is under way: kept until the fit is over, then given to what came out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from recsys.store.histories import join
from recsys.store.searches import SearchLog
from recsys.types import Event, Events, Item, Search, now_seconds


class Shop(Protocol):
    """Whatever takes the changes of a journal: an engine."""

    store: Any
    searches: SearchLog

    def add_items(self, items: Sequence[Item]) -> None:
        """Add or change items."""
        ...

    def withdraw(self, item_ids: Sequence[str]) -> None:
        """Take items off the shelf."""
        ...

    def add_events(self, events: Sequence[Event]) -> int:
        """Log events."""
        ...

    def add_searches(self, searches: Sequence[Search]) -> int:
        """Log searches."""
        ...

    def merge(self, guest: str, customer: str) -> int:
        """Move what is known of one shopper to another."""
        ...

    def erase(self, user: str) -> int:
        """Forget a shopper."""
        ...


class Journal:
    """Changes since a fit began, in their order.

    A fit on what the store holds misses the events that were logged since it read them, and the likes that these took
    back: they are learned afterwards. A fit on other data fills another store, and there the changes are made again.
    """

    def __init__(self) -> None:
        self._store: Any = None
        self._learned: list[tuple[Events, Events]] = []
        self._changes: list[tuple[str, tuple[Any, ...], SearchLog]] = []

    def reads(self, store: Any, shop: Shop) -> None:
        """Say that the fit reads ``store`` at this moment: what was noted of that very store is in what it reads."""
        self._store = store
        if shop.store is store:
            self._changes = []

    def learn(self, shop: Shop, events: Events, taken: Events) -> None:
        """Note events as the store that the fit has read weighs them, and earlier ones that count no more."""
        if shop.store is self._store:
            self._learned.append((events, taken))

    def note(self, shop: Shop, verb: str, *given: Any) -> None:
        """Note a change of a shop; one in the store that the fit has read needs to be made no second time."""
        if shop.store is self._store:
            return
        if verb == "add_events":  # an event without a time happened now, not when the fit is over
            given = ([e if e.time is not None else replace(e, time=now_seconds()) for e in given[0]],)
        self._changes.append((verb, given, shop.searches))

    def learned(self) -> tuple[Events, Events]:
        """Return all events that were noted, and all that were taken back."""
        return join([more for more, _ in self._learned]), join([less for _, less in self._learned])

    def again(self, shop: Shop) -> int:
        """Make the changes again and return how many events could not be kept: they name items that are unknown now."""
        lost = 0
        for verb, given, searches in self._changes:
            known = shop.store.items().vocabulary
            if verb == "withdraw":
                shop.withdraw([i for i in given[0] if known.row(i) >= 0])
            elif verb == "add_events":
                kept = [e for e in given[0] if known.row(e.item_id) >= 0]
                lost += len(given[0]) - len(kept)
                shop.add_events(kept)
            elif verb != "add_searches" or shop.searches is not searches:  # the same log may serve both stores
                getattr(shop, verb)(*given)
        return lost
