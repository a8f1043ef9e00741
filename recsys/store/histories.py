"""Events by shopper: the log as it was loaded, and over it the histories that have changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from recsys.dataset import EventLog, weighed
from recsys.ids import Vocabulary
from recsys.types import KIND_CODES, NO_EVENTS, Event, Events, offsets_of, utc

_COLUMNS = ("rows", "times", "kinds", "values", "weights", "positions")


def join(parts: Sequence[Events]) -> Events:
    """Return the events of all parts, one after the other; ids are "" where a part has none."""
    ids: tuple[str, ...] = ()
    if any(p.ids for p in parts):
        ids = tuple(name for p in parts for name in (p.ids or ("",) * len(p)))
    columns = {c: np.concatenate([getattr(p, c) for p in (NO_EVENTS, *parts)]) for c in _COLUMNS}
    return Events(**columns, ids=ids)


def read_only(events: Events) -> Events:
    """Return the same events as views that nobody can write into."""
    columns = {c: getattr(events, c).view() for c in _COLUMNS}
    for view in columns.values():
        view.flags.writeable = False
    return Events(**columns, ids=events.ids)


def difference(before: Events, after: Events, fresh: Sequence[Event], vocabulary: Vocabulary) -> tuple[Events, Events]:
    """Return, without ids, the fresh events of one shopper as they are weighed, and the likes that they took back.

    ``after`` is the history ``before`` with the ``fresh`` ones in it. They are found by what they say: a late event is
    not the last of its shopper, and one without a time got its time from the store.
    """
    rows = vocabulary.rows([e.item_id for e in fresh]).tolist()
    wanted = Counter(
        (row, KIND_CODES[e.kind], None if e.time is None else utc(e.time)) for row, e in zip(rows, fresh, strict=True)
    )
    is_new = np.zeros(len(after), dtype=np.bool_)
    left = len(fresh)
    for place in range(len(after) - 1, -1, -1):
        if not left:
            break
        row, kind = int(after.rows[place]), int(after.kinds[place])
        found = next((k for k in ((row, kind, int(after.times[place])), (row, kind, None)) if wanted[k]), None)
        if found is not None:
            wanted[found] -= 1
            is_new[place] = True
            left -= 1
    now = after.weights[~is_new]
    gone = (before.weights > 0) & (now <= 0) if len(now) == len(before) else np.zeros(len(before), dtype=np.bool_)
    return replace(after.take(is_new), ids=()), replace(before.take(gone), ids=())


def as_known(events: Events, weights: Mapping[str, float]) -> Events:
    """Return events of one shopper, in time order, weighed in the light of one another; nobody can write into them."""
    return read_only(weighed(events, np.zeros(len(events), dtype=np.int64), weights))


def since(log: EventLog, time: datetime | int) -> Events:
    """Return the events of all shoppers from ``time`` on, oldest first, without ids."""
    events = log.events
    chosen = np.flatnonzero(events.times >= utc(time, "since"))
    return replace(events, ids=()).take(chosen[np.argsort(events.times[chosen], kind="stable")])


class Histories:
    """The events of every shopper, in time order; equal times keep the order of arrival.

    A log of a million events is loaded without an object per event: it stays as it is, and a shopper whose events
    change gets arrays of their own, replaced as a whole at every change. So readers need no lock: what they hold never
    changes. Writers are kept apart by the store. Weights are computed when asked for, because what a later return
    takes back depends on how late one looks.
    """

    def __init__(self, log: EventLog, weights: Mapping[str, float]) -> None:
        self._log = log
        self._weights = weights
        self._group = {user: group for group, user in enumerate(log.users)}
        self._changed: dict[str, Events] = {}  # all events of these shoppers; none = the shopper is gone

    def of(self, user: str) -> Events:
        """Return all events of one shopper, none if there is no such shopper; weights are not meant to be used."""
        changed = self._changed.get(user)
        if changed is not None:
            return changed
        group = self._group.get(user)
        return NO_EVENTS if group is None else self._log.history(group)

    def history(self, user: str, before: int | None, limit: int | None) -> Events:
        """Return the latest ``limit`` events before a second, weighed as they were known then."""
        events = self.of(user)
        end = len(events) if before is None else int(np.searchsorted(events.times, before, side="left"))
        begin = 0 if limit is None else max(0, end - limit)
        # A dislike before the cut cannot take back a like after it: cutting first gives the same weights.
        events = events.take(slice(begin, end))
        return as_known(events, self._weights)

    def insert(self, user: str, fresh: Events) -> None:
        """Add events of one shopper, given in time order; late ones go to their place, after those of equal time."""
        known = self.of(user)
        events = join([known, fresh])
        if len(known) and len(fresh) and fresh.times[0] < known.times[-1]:
            events = events.take(np.argsort(events.times, kind="stable"))
        self._changed[user] = events

    def remove(self, user: str) -> Events:
        """Take one shopper out and return what they had; `packed` then forgets it for good."""
        events = self.of(user)
        if user in self._group:
            self._changed[user] = NO_EVENTS
        else:
            self._changed.pop(user, None)
        return events

    def packed(self) -> Histories:
        """Return the same histories as one flat log, shoppers in the order in which they came, changes none."""
        if not self._changed:
            return self
        log, changed = self._log, self._changed
        gone = {user for user, events in changed.items() if not len(events)}
        users = [user for user in (*log.users, *(u for u in changed if u not in self._group)) if user not in gone]
        code = {user: place for place, user in enumerate(users)}
        of_group = np.array([-1 if user in changed else code[user] for user in log.users], dtype=np.int64)
        owner = of_group[log.owner]
        stay = owner >= 0
        parts = [(code[user], events) for user, events in changed.items() if user not in gone]
        owner = np.concatenate([owner[stay], *(np.full(len(events), place) for place, events in parts)])
        order = np.argsort(owner, kind="stable")
        events = join([log.events.take(stay), *(events for _, events in parts)]).take(order)
        lengths = np.bincount(owner, minlength=len(users))
        packed = EventLog(
            weighed(events, owner[order], self._weights), offsets_of(lengths), tuple(users), self._weights
        )
        return Histories(packed, self._weights)

    @property
    def log(self) -> EventLog:
        """The flat log without the changes: all there is right after `packed`."""
        return self._log
