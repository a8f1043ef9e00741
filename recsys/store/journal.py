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
    """Changes since a fit read its data, in their order.

    A fit on what the store holds misses the ``events`` that were logged since, and the likes that they took back: they
    are learned afterwards. A fit on other data fills another store, and there the changes themselves are made again.
    """

    def __init__(self, store: Any) -> None:
        """Begin at the moment when the data of ``store`` are read for a fit."""
        self.store = store
        self._learned: list[tuple[Events, Events]] = []
        self._changes: list[tuple[str, tuple[Any, ...]]] = []

    def learn(self, shop: Shop, events: Events, taken: Events) -> None:
        """Note events as the store that the fit has read weighs them, and earlier ones that count no more."""
        if shop.store is self.store:
            self._learned.append((events, taken))

    def note(self, shop: Shop, verb: str, *given: Any) -> None:
        """Note a change of a shop; what is in the store that the fit has read already needs no second time there."""
        if shop.store is self.store or (verb == "add_searches" and shop.searches is self.store.searches):
            return
        if verb == "add_events":  # an event without a time happened now, not when the fit is over
            given = ([e if e.time is not None else replace(e, time=now_seconds()) for e in given[0]],)
        self._changes.append((verb, given))

    def learned(self) -> tuple[Events, Events]:
        """Return all events that were noted, and all that were taken back."""
        return join([more for more, _ in self._learned]), join([less for _, less in self._learned])

    def again(self, shop: Shop) -> int:
        """Make the changes again and return how many events could not be kept: they name items that are unknown now."""
        lost = 0
        for verb, given in self._changes:
            known = shop.store.items().vocabulary
            if verb == "withdraw":
                shop.withdraw([i for i in given[0] if known.row(i) >= 0])
            elif verb == "add_events":
                kept = [e for e in given[0] if known.row(e.item_id) >= 0]
                lost += len(given[0]) - len(kept)
                shop.add_events(kept)
            else:
                getattr(shop, verb)(*given)
        return lost
