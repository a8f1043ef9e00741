"""Events of one tenant as rows of a table, and back as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, func, select, update

from recsys.dataset import EventLog
from recsys.store.histories import join
from recsys.store.sql.database import Database
from recsys.store.sql.schema import EVENTS, checked
from recsys.types import NO_EVENTS, Event, Events

CHUNK = 50_000
NAMES = 500  # ids that one statement asks for
_COLUMNS = (EVENTS.c.row, EVENTS.c.time, EVENTS.c.kind, EVENTS.c.value, EVENTS.c.position, EVENTS.c.event_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged(Event):
    """An event as a service receives it: from which list it came, and the fields that the engine does not know."""

    list_id: str | None = None
    extra: Mapping[str, Any] | None = None


class EventRows:
    """Reads and writes the events of a tenant; transactions are those of the caller."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._tenant = tenant
        mine = EVENTS.c.tenant == tenant
        self._insert = database.insert(EVENTS).on_conflict_do_nothing(index_elements=["tenant", "event_id"])
        # What others added of items that this process has not taken in yet is not there for it.
        seen = (mine, EVENTS.c.user_id == bindparam("u"), EVENTS.c.row < bindparam("n_items"))
        before = (*seen, EVENTS.c.time < bindparam("before"))
        self._history = select(*_COLUMNS, EVENTS.c.seq).where(*before).order_by(EVENTS.c.time, EVENTS.c.arrival)
        backwards = (EVENTS.c.time.desc(), EVENTS.c.arrival.desc())
        self._latest = select(*_COLUMNS, EVENTS.c.seq).where(*before).order_by(*backwards).limit(bindparam("most"))
        self._known = select(EVENTS.c.event_id).where(mine, EVENTS.c.event_id.in_(bindparam("ids", expanding=True)))
        self._log = select(*_COLUMNS, EVENTS.c.user_id, EVENTS.c.arrival).where(
            mine, EVENTS.c.row < bindparam("n_items")
        )
        self._users_after = (
            select(EVENTS.c.seq, EVENTS.c.user_id)
            .where(mine, EVENTS.c.seq > bindparam("after"))
            .order_by(EVENTS.c.seq)
            .limit(bindparam("most"))
        )
        self._more = select(EVENTS.c.list_id, EVENTS.c.extra).where(*seen).order_by(EVENTS.c.time, EVENTS.c.arrival)
        one = (mine, EVENTS.c.seq == bindparam("s"))
        self._move = update(EVENTS).where(*one).values(user_id=bindparam("to"), arrival=bindparam("a"))
        self._numbers = (
            select(EVENTS.c.seq)
            .where(mine, EVENTS.c.user_id == bindparam("u"))
            .order_by(EVENTS.c.time, EVENTS.c.arrival)
        )

    def put(self, connection: Connection, events: Sequence[Event], columns: Events, first: int) -> int:
        """Store events under the numbers from ``first`` on, in their order; return how many were not known."""
        rows = [
            {
                "tenant": self._tenant, "seq": first + i, "arrival": first + i, "user_id": event.user_id, "row": row,
                "kind": kind, "value": value, "time": time, "position": position, "event_id": event.event_id or None,
                "list_id": getattr(event, "list_id", None), "extra": _plain(getattr(event, "extra", None)),
            }
            for i, (event, row, kind, value, time, position) in enumerate(
                zip(
                    events, columns.rows.tolist(), columns.kinds.tolist(), columns.values.tolist(),
                    columns.times.tolist(), columns.positions.tolist(), strict=True,
                )
            )
        ]  # fmt: skip
        stored = 0
        for start in range(0, len(rows), CHUNK):
            stored += connection.execute(self._insert, rows[start : start + CHUNK]).rowcount
        return stored

    def known(self, connection: Connection, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that an event has."""
        listed, found = list(ids), set()
        for start in range(0, len(listed), NAMES):
            found |= set(connection.execute(self._known, {"ids": listed[start : start + NAMES]}).scalars())
        return found

    def count(self, connection: Connection, since: int) -> int:
        """Return how many events are of epoch second ``since`` or later."""
        query = select(func.count()).select_from(EVENTS).where(EVENTS.c.tenant == self._tenant, EVENTS.c.time >= since)
        return int(connection.execute(query).scalar_one())

    def acts(self, connection: Connection, since: int) -> Iterator[tuple[str, int, float, int, str | None]]:
        """Yield shopper, kind, value, time and list of every event from epoch second ``since`` on."""
        columns = (EVENTS.c.user_id, EVENTS.c.kind, EVENTS.c.value, EVENTS.c.time, EVENTS.c.list_id)
        query = select(*columns).where(EVENTS.c.tenant == self._tenant, EVENTS.c.time >= since)
        for row in connection.execute(query.execution_options(yield_per=CHUNK)):
            yield tuple(row)

    def history(
        self, connection: Connection, user: str, n_items: int, before: int, limit: int | None = None
    ) -> tuple[Events, list[int]]:
        """Return the latest ``limit`` events of a shopper before a second, oldest first, and their numbers."""
        given: dict[str, Any] = {"u": user, "n_items": n_items, "before": before}
        if limit is None:
            rows = connection.execute(self._history, given).all()
        else:
            rows = connection.execute(self._latest, {**given, "most": limit}).all()[::-1]
        return _columns(rows), [row[6] for row in rows]

    def log(self, connection: Connection, n_items: int, weights: Mapping[str, float]) -> EventLog:
        """Return all events as one log, shoppers in the order in which they came."""
        parts, users, arrivals = [NO_EVENTS], [], [np.empty(0, np.int64)]
        query = self._log.execution_options(yield_per=CHUNK)
        for rows in connection.execute(query, {"n_items": n_items}).partitions():
            parts.append(_columns(rows))
            users += [row[6] for row in rows]
            arrivals.append(np.array([row[7] for row in rows], np.int64))
        order = np.argsort(np.concatenate(arrivals), kind="stable")  # mostly sorted: quicker than the database's sort
        return EventLog.of([users[place] for place in order.tolist()], join(parts).take(order), event_weights=weights)

    def users_after(self, connection: Connection, number: int, most: int) -> list[tuple[int, str]]:
        """Return (number, shopper) of at most ``most`` events that were stored after a number, in that order."""
        return [(seq, user) for seq, user in connection.execute(self._users_after, {"after": number, "most": most})]

    def more(self, connection: Connection, user: str, n_items: int) -> list[dict[str, Any]]:
        """Return what `Logged` adds to each event of a shopper, oldest first; nothing to most."""
        rows = connection.execute(self._more, {"u": user, "n_items": n_items}).mappings()
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    def numbers(self, connection: Connection, user: str) -> list[int]:
        """Return the numbers of a shopper's events, oldest first."""
        return list(connection.execute(self._numbers, {"u": user}).scalars())

    def move(self, connection: Connection, numbers: Sequence[int], to: str, first: int) -> None:
        """Give events to another shopper, as if they had arrived now."""
        rows = [{"s": seq, "to": to, "a": first + i} for i, seq in enumerate(numbers)]
        connection.execute(self._move, rows)


def check_event(event: Event) -> None:
    """Check the ids of an event, beyond what every store does.

    Raises:
        DataError: the database cannot keep one.
    """
    checked(event.user_id, "user_id")
    if event.event_id:
        checked(event.event_id, "event_id")
    list_id = getattr(event, "list_id", None)
    if list_id is not None:
        checked(list_id, "list_id")


def _plain(extra: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(extra) if extra else None


def _columns(rows: Sequence[Any]) -> Events:
    """Return the columns that every query here begins with as events, not weighed."""
    if not rows:
        return NO_EVENTS
    row, time, kind, value, position, event_id = list(zip(*rows, strict=True))[:6]
    return Events.of(
        np.array(row, np.int32), times=np.array(time, np.int64), kinds=np.array(kind, np.int8),
        values=np.array(value, np.float32), positions=np.array(position, np.int16),
        ids=[name or "" for name in event_id] if any(event_id) else (),
    )  # fmt: skip
