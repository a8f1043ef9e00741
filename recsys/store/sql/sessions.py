"""Shoppers who gave no consent: what they do is kept in the memory of this process, for as long as their visit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from recsys.store.edits import Edits
from recsys.store.histories import join
from recsys.store.searches import SearchLog
from recsys.types import NO_EVENTS, Events

TTL_S = 1800
MAX_SESSIONS = 10_000
MAX_EVENTS = 500


@dataclass(slots=True)
class _Session:
    used: int
    events: Events = field(default_factory=lambda: NO_EVENTS)


class Sessions:
    """Events, searches and edits of visits; bounded in number and in length, each over when nobody asks for a while.

    For any number of threads. ``clock`` gives epoch seconds.
    """

    def __init__(
        self, clock: Callable[[], int], *, ttl_s: int = TTL_S, max_sessions: int = MAX_SESSIONS,
        max_events: int = MAX_EVENTS,
    ) -> None:  # fmt: skip
        self._clock, self._ttl_s, self._max_sessions, self._max_events = clock, ttl_s, max_sessions, max_events
        self._by_user: OrderedDict[str, _Session] = OrderedDict()  # longest unused first
        self._ids: dict[str, str] = {}  # event_id -> whose it is
        self._lock = threading.RLock()
        self.searches, self.edits = SearchLog(clock=clock, max_per_user=max_events), Edits()

    def __len__(self) -> int:
        return len(self._by_user)

    def touch(self, user: str) -> None:
        """Begin a session, or say that it is not over."""
        with self._lock:
            self._session(user)

    def add(self, user: str, fresh: Events) -> int:
        """Add events of a shopper, skipping known ids; return how many were new."""
        with self._lock:
            ids = fresh.ids or ("",) * len(fresh)
            new = fresh.take(np.array([not i or i not in self._ids for i in ids], dtype=np.bool_))
            session = self._session(user)
            events = join([session.events, new])
            events = events.take(np.argsort(events.times, kind="stable"))
            self._forget_ids(session.events)
            session.events = events.take(slice(max(0, len(events) - self._max_events), None))
            self._ids.update((i, user) for i in session.events.ids if i)
            return len(new)

    def of(self, user: str) -> Events:
        """Return the events of a shopper's session, oldest first, not weighed."""
        if user not in self._by_user:  # of most shoppers: no lock for them
            return NO_EVENTS
        with self._lock:
            self._expire()
            session = self._by_user.get(user)
            return NO_EVENTS if session is None else session.events

    def knows(self, event_id: str) -> bool:
        """Return whether an event of a session has that id."""
        return event_id in self._ids

    def end(self, user: str) -> int:
        """End a session; return how many events are gone."""
        with self._lock:
            session = self._by_user.pop(user, None)
            if session is None:
                return 0
            self._forget_ids(session.events)
            self.searches.erase(user)
            self.edits.erase(user)
            return len(session.events)

    def merge(self, guest: str, customer: str) -> int:
        """Move a session to another shopper; return how many events."""
        with self._lock:
            session = self._by_user.get(guest)
            if session is None:
                return 0
            self.touch(customer)
            self.searches.merge(guest, customer)
            self.edits.merge(guest, customer)
            self.end(guest)
            return self.add(customer, session.events)

    def _session(self, user: str) -> _Session:
        self._expire()
        session = self._by_user.setdefault(user, _Session(0))
        session.used = self._clock()
        self._by_user.move_to_end(user)
        while len(self._by_user) > self._max_sessions:
            self.end(next(iter(self._by_user)))
        return session

    def _expire(self) -> None:
        old = self._clock() - self._ttl_s
        while self._by_user and (first := next(iter(self._by_user.items())))[1].used < old:
            self.end(first[0])

    def _forget_ids(self, events: Events) -> None:
        for event_id in events.ids:
            self._ids.pop(event_id, None)
