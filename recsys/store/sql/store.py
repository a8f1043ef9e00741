"""The store of one tenant in a database, for any number of threads and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import Connection

from recsys.dataset import Dataset, EventLog, ItemTable, event_columns
from recsys.ids import check_id
from recsys.protocols import Changes, Deps
from recsys.signal import check_weights
from recsys.store.histories import as_known, join, since
from recsys.store.incoming import check_limit, exported, fresh, rows_of_known
from recsys.store.sql.catalogue import CHANGED as ITEMS_CHANGED
from recsys.store.sql.catalogue import Catalogue, Shelf
from recsys.store.sql.changes import events_of_others
from recsys.store.sql.core import ERASED, Core, Writing
from recsys.store.sql.counters import SEQ
from recsys.store.sql.database import Database
from recsys.store.sql.edits import SqlEdits
from recsys.store.sql.events import EventRows, check_event
from recsys.store.sql.lists import Lists
from recsys.store.sql.reviews import ReviewRows
from recsys.store.sql.schema import EVENTS, SEARCHES, checked
from recsys.store.sql.searches import LATER, SqlSearches
from recsys.types import NO_EVENTS, Event, Events, Item, ItemRows, Review, now_seconds, utc

REVIEWS_CHANGED = "reviews"
ALL = 1 << 31  # rows: more than anybody has


class SqlStore:
    """Items, events and reviews of one tenant in a database; beside them ``searches`` and ``edits`` of profiles.

    It does what `recsys.store.memory.MemoryStore` does, and what it stored is there after the process was killed.
    Several processes may write at once. What others did to items and reviews is seen after `changes`, or once this
    store writes some itself; events of others are seen at once, except those on items that are not seen yet.

    Of a shopper who gave no consent nothing reaches the database: see `set_consent`.

    Every method raises `StoreDown` where the database cannot be used; a call that raised has stored nothing, or was
    not acknowledged.
    """

    class Config(BaseModel):
        """Where the database is, whose items and events these are, and what event kinds weigh."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        url: str
        tenant: str = "default"
        weights: dict[str, float] = Field(default_factory=dict)

        _known_kinds = field_validator("weights")(check_weights)

    def __init__(
        self,
        database: Database,
        tenant: str = "default",
        *,
        weights: Mapping[str, float] | None = None,
        clock: Callable[[], int] = now_seconds,
        consent_default: bool = True,
    ) -> None:
        """Open the store of a tenant, a new one if there is none; ``clock`` gives the second of events without a time.

        ``consent_default`` is what holds for shoppers who were never asked.
        """
        self.database, self.tenant = database, tenant
        self._core = core = Core(database, tenant, weights or {}, clock, consent_default)
        self._catalogue = Catalogue(database, tenant)
        self._events = EventRows(database, tenant)
        self._review_rows = ReviewRows(database, tenant)
        self.searches, self.edits = SqlSearches(core), SqlEdits(core)
        self._shelf = Shelf(Dataset.of([], []).items, 0)
        self._reviews: tuple[Review, ...] | None = None  # None: to be read
        self._last_review = 0
        with database.snapshot() as connection:
            self._marks = core.counters.all(connection)
            self._shelf = self._caught_up(connection, self._marks)
        self._seen = self._marks.get(SEQ, 0)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Open the database of ``config`` and the store in it; a new one holds the catalogue of ``deps``."""
        store = cls(Database.open(config.url), config.tenant, weights=config.weights)
        if deps.items is not None and not len(store.items()):
            store.put_items([deps.items.item(row) for row in range(len(deps.items))])
        return store

    # -- items ---------------------------------------------------------------------------------------------------

    def put_items(self, items: Sequence[Item]) -> ItemRows:
        """Add or change items and return their rows (n,); the last one of an id counts, a withdrawn one is back."""
        listed = list(items)
        if not listed:
            return self._shelf.table.vocabulary.rows([])
        with self._core.lock:
            with self._core.writing() as writing:
                number = self._mark(writing, ITEMS_CHANGED)
                shelf = self._catalogue.caught_up(writing.connection, self._shelf, number - 1)
                shelf, rows = self._catalogue.put(writing.connection, shelf, listed, number)
            self._shelf = shelf
            return rows

    def withdraw(self, item_ids: Sequence[str]) -> ItemRows:
        """Take items off the shelf: they keep their row and their events but are never shown. Return their rows.

        Raises:
            DataError: an unknown item_id; then none is withdrawn.
        """
        with self._core.lock:
            with self._core.writing() as writing:
                number = self._mark(writing, ITEMS_CHANGED)
                shelf = self._catalogue.caught_up(writing.connection, self._shelf, number - 1)
                rows = rows_of_known(shelf.table.vocabulary, item_ids)
                if len(rows):
                    shelf = self._catalogue.withdraw(writing.connection, shelf, rows, number)
            self._shelf = shelf
            return rows

    def items(self) -> ItemTable:
        """Return the catalogue as this store knows it: the same object until an item changes, never changed itself."""
        return self._shelf.table

    # -- events --------------------------------------------------------------------------------------------------

    def put_events(self, events: Sequence[Event]) -> int:
        """Add events, skipping ``event_id`` values that are known, and return how many were new.

        An event without a time happens now. A late event takes its place by time, after those of equal time. Events
        may be `recsys.store.sql.events.Logged`: what that adds is kept and exported.

        Raises:
            DataError: an unknown item_id, an id of more than 256 characters, or a number that does not fit a column.
                The message names it, and no event of the batch is added.
        """
        listed = fresh(events, "event_id", _nothing)
        for event in listed:
            check_event(event)
        if not listed:
            return 0
        with self._core.lock:
            columns = event_columns(listed, self._knowing(listed).vocabulary, now=self._core.clock())
            with self._core.writing() as writing:
                first = writing.take(len(listed))
                silent = self._core.people.silent(writing.connection, (e.user_id for e in listed))
                said = np.array([e.user_id not in silent for e in listed], dtype=np.bool_)
                kept = listed if said.all() else [e for e in listed if e.user_id not in silent]
                count = self._events.put(writing.connection, kept, columns.take(said), first) if kept else 0
            for user in silent:
                count += self._core.sessions.add(user, columns.take(np.array([e.user_id == user for e in listed])))
            return count

    def _knowing(self, events: Sequence[Event]) -> ItemTable:
        """Return the catalogue, with items of others where events name items that are not in it."""
        table = self._shelf.table
        if any(event.item_id not in table.vocabulary for event in events):
            with self.database.snapshot() as connection:
                self._shelf = self._caught_up(connection, self._core.counters.all(connection))
        return self._shelf.table

    def unknown(self, events: Sequence[Event]) -> list[Event]:
        """Return the events that `put_events` would add: those without an id, and the first of each new id."""
        ids = {event.event_id for event in events if event.event_id}
        known: set[str] = set()
        if ids:
            with self.database.read() as connection:
                known = self._events.known(connection, ids)
        sessions = self._core.sessions
        return fresh(events, "event_id", lambda event_id: event_id in known or sessions.knows(event_id))

    def history(self, user: str, before: datetime | int | None = None, limit: int | None = None) -> Events:
        """Return the latest ``limit`` events of a user before ``before``, oldest first; none for a stranger.

        Weights are those known at ``before``: a return that comes later takes nothing back. Arrays are read-only.
        """
        check_limit(limit)
        end = LATER if before is None else utc(before, "before")
        with self.database.read() as connection:
            events, _ = self._events.history(connection, user, len(self._shelf.table), end, limit)
        visit = self._core.sessions.of(user)
        if len(visit):
            both = join([events, visit.take(visit.times < end)])
            events = both.take(np.argsort(both.times, kind="stable"))
            events = events.take(slice(0 if limit is None else max(0, len(events) - limit), None))
        return as_known(events, self._core.weights)

    def log(self) -> EventLog:
        """Return all stored events as one flat log, shoppers in the order in which they came: `fit` learns from it."""
        with self.database.snapshot() as connection:
            return self._events.log(connection, len(self._shelf.table), self._core.weights)

    def since(self, time: datetime | int) -> Events:
        """Return the events of all shoppers from ``time`` on, oldest first, without ids: for counters and trends."""
        return since(self.log(), time)

    # -- reviews -------------------------------------------------------------------------------------------------

    def put_reviews(self, reviews: Sequence[Review]) -> int:
        """Add reviews, skipping ``review_id`` values that are known, and return how many were new.

        Of a shopper who gave no consent none is kept.

        Raises:
            DataError: an unknown item_id or a wrong user_id; then none is added.
        """
        new = fresh(reviews, "review_id", _nothing)
        for review in new:
            checked(review.user_id, "user_id")
        if not new:
            return 0
        with self._core.lock:
            with self._core.writing() as writing:
                first = writing.take(len(new))
                silent = self._core.people.silent(writing.connection, (r.user_id for r in new))
                self._shelf = self._catalogue.caught_up(writing.connection, self._shelf, first - 1)
                rows_of_known(self._shelf.table.vocabulary, [r.item_id for r in new])
                kept = [r for r in new if r.user_id not in silent]
                count = self._review_rows.put(writing.connection, kept, first) if kept else 0
                self._core.counters.mark(writing.connection, REVIEWS_CHANGED, first)
            with self.database.read() as connection:
                self._read_reviews(connection)
            return count

    def reviews(self) -> tuple[Review, ...]:
        """Return all reviews in the order in which they came: the same object until one is new or gone."""
        if self._reviews is None:
            with self._core.lock, self.database.read() as connection:
                self._read_reviews(connection)
        return self._reviews or ()

    def _read_reviews(self, connection: Connection) -> None:
        later, self._last_review = self._review_rows.after(connection, self._last_review if self._reviews else 0)
        if self._reviews is None or later:
            self._reviews = (self._reviews or ()) + later

    # -- all of it -----------------------------------------------------------------------------------------------

    def dataset(self, name: str = "") -> Dataset:
        """Return items, events, reviews and searches of one moment, for `fit`."""
        with self._core.lock, self.database.snapshot() as connection:
            self._shelf = shelf = self._caught_up(connection, self._core.counters.all(connection))
            log = self._events.log(connection, len(shelf.table), self._core.weights)
            self._read_reviews(connection)
            searches = self.searches.read(connection)
            return Dataset(shelf.table, log, self._reviews or (), name, searches=searches)

    # -- people --------------------------------------------------------------------------------------------------

    def merge(self, guest: str, customer: str) -> int:
        """Move all that is known of ``guest`` to ``customer``, in time order; return how many events.

        Of what was stored of a guest, a customer without consent gets the events, for the visit alone.
        """
        check_id(customer, "user_id")
        if guest == customer:
            return 0
        with self._core.lock:
            with self._core.writing() as writing:
                writing.take()
                events, numbers = self._events.history(writing.connection, guest, len(self._shelf.table), LATER)
                silent = self._core.people.silent(writing.connection, [checked(customer, "user_id")])
                if sum(self._delete(writing, guest).values()) if silent else self._move(writing, guest, customer):
                    writing.erase()
            self._reviews = None
            if silent:
                self._core.sessions.add(customer, events)
            return len(numbers) + self._core.sessions.merge(guest, customer)

    def _move(self, writing: Writing, guest: str, customer: str) -> int:
        """Move what is stored of ``guest``; return how many rows changed."""
        numbers = self._events.numbers(writing.connection, guest)
        if numbers:
            self._events.move(writing.connection, numbers, customer, writing.take(len(numbers)))
        others = self.searches.move(writing, guest, customer) + self.edits.move(writing, guest, customer)
        return len(numbers) + others + self._core.people.move(writing.connection, guest, customer)

    def erase(self, user: str) -> int:
        """Forget a user and return how many events are gone; reviews, searches, edits, lists and all ids go with them.

        Nothing is kept, not even that the user was here or what they consented to: an event that is sent again
        afterwards counts as new. What the database file holds of it until then: see `Database.compact`.
        """
        with self._core.lock:
            with self._core.writing() as writing:
                writing.take()
                gone = self._delete(writing, user)
                writing.erase()
            self._reviews = None
            ended = self._core.sessions.end(user)
        self.database.checkpoint()
        return gone[EVENTS.name] + ended

    def _delete(self, writing: Writing, user: str) -> dict[str, int]:
        gone = self._core.people.erase(writing.connection, user)
        self.searches.gone(writing, gone[SEARCHES.name])
        return gone

    def counts(self, user: str) -> dict[str, int]:
        """Return how many rows of each kind are stored of a user: what a proof of erasure says."""
        with self.database.read() as connection:
            return self._core.people.counts(connection, user)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all that is known of a user as plain dicts ready for JSON: events oldest first, reviews, searches.

        Every dict has a "type", "event", "review", "search", "profile-edit", "list" or "user"; times are ISO 8601 in
        UTC.
        """
        table = self._shelf.table
        with self.database.snapshot() as connection:
            stored, _ = self._events.history(connection, user, len(table), LATER)
            more = self._events.more(connection, user, len(table))
            reviews = self._review_rows.of_user(connection, user)
            person = self._core.people.get(connection, user)
        events = [{**event, **rest} for event, rest in zip(exported(user, stored, table, ()), more, strict=True)]
        visit = exported(user, self._core.sessions.of(user), table, ())
        lists = ({"type": "list", **asdict(one)} for one in Lists(self.database, self.tenant).of_user(user, ALL))
        return [
            *sorted([*events, *visit], key=lambda event: str(event["time"])),
            *exported(user, NO_EVENTS, table, reviews), *self.searches.export(user), *self.edits.export(user), *lists,
            *([{"type": "user", **asdict(person)}] if person else ()),
        ]  # fmt: skip

    def consent(self, user: str) -> bool:
        """Return whether what a user does may be stored."""
        with self.database.read() as connection:
            return not self._core.people.silent(connection, [user])

    def set_consent(self, user: str, given: bool) -> int:
        """Keep whether what a user does may be stored; return how many events are gone.

        Without consent all that is stored of them is deleted, but for the word that there is no consent. What they do
        from then on is kept in the memory of this process, for their visit alone, and used for their lists.
        """
        gone = 0
        with self._core.lock:
            with self._core.writing() as writing:
                writing.take()
                if not given:
                    gone = self._delete(writing, user)[EVENTS.name]
                    writing.erase()
                self._core.people.put_consent(writing.connection, user, given)
            if not given:
                self._reviews = None
        return gone

    def attributes(self, user: str) -> Mapping[str, Any]:
        """Return what the shop said of a user, {} if nothing."""
        with self.database.read() as connection:
            person = self._core.people.get(connection, user)
        return {} if person is None or person.attributes is None else person.attributes

    def set_attributes(self, user: str, attributes: Mapping[str, Any]) -> None:
        """Keep what the shop says of a user, instead of what it said before."""
        with self._core.lock, self._core.writing() as writing:
            writing.take()
            self._core.people.put_attributes(writing.connection, user, attributes)

    def count_since(self, time: int) -> int:
        """Return how many events are of epoch second ``time`` or later."""
        with self.database.read() as connection:
            return self._events.count(connection, time)

    def acts_since(self, time: int) -> Iterator[tuple[str, int, float, int, str | None]]:
        """Yield shopper, kind, value, time and list of every stored event from epoch second ``time`` on."""
        with self.database.snapshot() as connection:
            yield from self._events.acts(connection, time)

    # -- several processes ---------------------------------------------------------------------------------------

    def changes(self) -> Changes:
        """Return what others changed since the last call, a bounded number of events of it at a time."""
        core = self._core
        with core.lock, self.database.snapshot() as connection:
            marks = core.counters.all(connection)
            newest = marks.get(SEQ, 0)
            if newest == self._seen:
                return Changes()
            self._shelf = self._caught_up(connection, marks)
            rows = [row for row, number in self._catalogue.changed(connection, self._seen) if number not in core.own]
            events, taken, last, more = events_of_others(
                core, self._events, connection, self._seen, len(self._shelf.table)
            )
            people = marks.get(ERASED, 0) - self._marks.get(ERASED, 0) > core.erased
            before = self._reviews
            if people:
                self._reviews = None
            if before is not None:
                self._read_reviews(connection)
            self._seen, self._marks, core.erased = (last if more else newest), marks, 0
            core.own.forget(self._seen)
            return Changes(
                items=np.array(rows, dtype=np.int32), events=events, taken=taken, people=people,
                reviews=self._reviews is not before, more=more,
            )  # fmt: skip

    def _caught_up(self, connection: Connection, marks: Mapping[str, int]) -> Shelf:
        return self._catalogue.caught_up(connection, self._shelf, marks.get(ITEMS_CHANGED, 0))

    def _mark(self, writing: Writing, part: str) -> int:
        number = writing.take()
        self._core.counters.mark(writing.connection, part, number)
        return number


def _nothing(name: str) -> bool:
    return False
