"""The store that lives in the memory of one process: for tests, notebooks, evaluation and small shops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsys.dataset import FIRST_SECOND, LAST_SECOND, Dataset, EventLog, ItemTable, event_columns, weighed
from recsys.errors import DataError
from recsys.ids import check_id
from recsys.protocols import Deps
from recsys.signal import check_weights
from recsys.store.edits import Edits
from recsys.store.histories import Histories, since
from recsys.store.incoming import check_limit, exported, fresh, rows_of_known
from recsys.store.searches import SearchLog
from recsys.types import Event, Events, Item, ItemRows, Review, now_seconds, utc


class MemoryStore:
    """Items, events and reviews of one shop, in memory; beside them ``searches`` and ``edits`` of profiles.

    Reading takes no lock: every read sees one finished state, and what it returns never changes. Writers wait for one
    another. A refused batch changes nothing.
    """

    class Config(BaseModel):
        """``weights`` overrides the signed weight of event kinds, as in `recsys.signal.DEFAULT_WEIGHTS`."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        weights: dict[str, float] = Field(default_factory=dict)

        _known_kinds = field_validator("weights")(check_weights)

    def __init__(
        self,
        data: Dataset | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        clock: Callable[[], int] = now_seconds,
    ) -> None:
        """Start with ``data``, weighed anew with ``weights``; ``clock`` gives the second of events without a time.

        Raises:
            DataError: an event_id occurs twice, or times are no epoch seconds.
        """
        self._weights = dict(weights or {})
        self._clock = clock
        self._lock = threading.Lock()
        data = data or Dataset.of([], [])
        log = data.log
        times = log.events.times
        if len(times) and not FIRST_SECOND <= int(times.min()) <= int(times.max()) <= LAST_SECOND:
            raise DataError(f"events have times from {times.min()} to {times.max()}: not epoch seconds (milliseconds?)")
        log = EventLog(weighed(log.events, log.owner, self._weights), log.offsets, log.users, self._weights)
        self._items = data.items
        self._histories = Histories(log, self._weights)
        self._event_ids: set[str] = set()
        for event_id in log.events.ids:
            if event_id and event_id in self._event_ids:
                raise DataError(f"event_id {event_id!r} occurs twice: de-duplicate the events first")
            self._event_ids.add(event_id)
        self._event_ids.discard("")
        self._reviews = tuple(data.reviews)
        self._review_ids = {r.review_id for r in self._reviews if r.review_id}
        self.searches = SearchLog(data.searches, clock=clock)
        self.edits = Edits()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build an empty store, or one that holds the catalogue of ``deps``."""
        data = None if deps.items is None else replace(Dataset.of([], []), items=deps.items)
        return cls(data, weights=config.weights)

    @classmethod
    def of(cls, data: Dataset, *, weights: Mapping[str, float] | None = None) -> Self:
        """Build from a data set, sharing its arrays."""
        return cls(data, weights=weights)

    def put_items(self, items: Sequence[Item]) -> ItemRows:
        """Add or change items and return their rows (n,); the last one of an id counts, a withdrawn one is back."""
        listed = list(items)
        with self._lock:
            if listed:
                self._items = self._items.put(listed)
            return self._items.vocabulary.rows([i.item_id for i in listed])

    def withdraw(self, item_ids: Sequence[str]) -> ItemRows:
        """Take items off the shelf: they keep their row and their events but are never shown. Return their rows.

        Raises:
            DataError: an unknown item_id; then none is withdrawn.
        """
        with self._lock:
            rows = rows_of_known(self._items.vocabulary, item_ids)
            self._items = self._items.without(rows)
            return rows

    def items(self) -> ItemTable:
        """Return the catalogue as it is now: the same object until an item changes, never changed itself."""
        return self._items

    def put_events(self, events: Sequence[Event]) -> int:
        """Add events, skipping ``event_id`` values that are known, and return how many were new.

        An event without a time happens now. A late event takes its place by time, after those of equal time.

        Raises:
            DataError: an unknown item_id, an id of more than 256 characters, or a number that does not fit a column.
                The message names it, and no event of the batch is added.
        """
        with self._lock:
            new = self._unknown(events)
            columns = event_columns(new, self._items.vocabulary, now=self._clock())
            log = EventLog.of([e.user_id for e in new], columns)
            for group, user in enumerate(log.users):
                self._histories.insert(user, log.history(group))
            self._event_ids.update(e.event_id for e in new if e.event_id)
            return len(new)

    def unknown(self, events: Sequence[Event]) -> list[Event]:
        """Return the events that `put_events` would add: those without an id, and the first of each new id."""
        with self._lock:
            return self._unknown(events)

    def _unknown(self, events: Sequence[Event]) -> list[Event]:
        return fresh(events, "event_id", self._event_ids.__contains__)

    def history(self, user: str, before: datetime | int | None = None, limit: int | None = None) -> Events:
        """Return the latest ``limit`` events of a user before ``before``, oldest first; none for a stranger.

        Weights are those known at ``before``: a return that comes later takes nothing back. Arrays are read-only.
        """
        check_limit(limit)
        return self._histories.history(user, None if before is None else utc(before, "before"), limit)

    def log(self) -> EventLog:
        """Return all events as one flat log, shoppers in the order in which they came: what `fit` learns from."""
        with self._lock:
            return self._packed()

    def since(self, time: datetime | int) -> Events:
        """Return the events of all shoppers from ``time`` on, oldest first, without ids: for counters and trends."""
        return since(self.log(), time)

    def put_reviews(self, reviews: Sequence[Review]) -> int:
        """Add reviews, skipping ``review_id`` values that are known, and return how many were new.

        Raises:
            DataError: an unknown item_id or a wrong user_id; then none is added.
        """
        with self._lock:
            new = fresh(reviews, "review_id", self._review_ids.__contains__)
            rows_of_known(self._items.vocabulary, [r.item_id for r in new])
            self._reviews += tuple(new)
            self._review_ids |= {r.review_id for r in new if r.review_id}
            return len(new)

    def reviews(self) -> tuple[Review, ...]:
        """Return all reviews in the order in which they came."""
        return self._reviews

    def dataset(self, name: str = "") -> Dataset:
        """Return items, events, reviews and searches of one moment, for `fit`."""
        with self._lock:
            return Dataset(self._items, self._packed(), self._reviews, name, searches=self.searches.every())

    def merge(self, guest: str, customer: str) -> int:
        """Move all that is known of ``guest`` to ``customer``, in time order; return how many events."""
        check_id(customer, "user_id")
        if guest == customer:
            return 0
        with self._lock:
            moved = self._histories.of(guest)
            if len(moved):
                self._histories.insert(customer, moved)
                self._histories.remove(guest)
            self._reviews = tuple(replace(r, user_id=customer) if r.user_id == guest else r for r in self._reviews)
            self.searches.merge(guest, customer)
            self.edits.merge(guest, customer)
            return len(moved)

    def erase(self, user: str) -> int:
        """Forget a user and return how many events are gone; reviews, searches, edits and all ids go with them.

        Nothing is kept, not even that the user was here: an event that is sent again afterwards counts as new.
        """
        with self._lock:
            gone = self._histories.remove(user)
            self._packed()
            self._event_ids.difference_update(gone.ids)
            self._review_ids -= {r.review_id for r in self._reviews if r.user_id == user and r.review_id}
            self._reviews = tuple(r for r in self._reviews if r.user_id != user)
            self.searches.erase(user)
            self.edits.erase(user)
            return len(gone)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all that is known of a user as plain dicts ready for JSON: events oldest first, reviews, searches.

        Every dict has a "type", "event", "review", "search" or "profile-edit"; times are ISO 8601 in UTC.
        """
        mine = (r for r in self._reviews if r.user_id == user)
        plain = exported(user, self.history(user), self._items, mine)
        return plain + self.searches.export(user) + self.edits.export(user)

    def _packed(self) -> EventLog:
        self._histories = self._histories.packed()
        return self._histories.log
