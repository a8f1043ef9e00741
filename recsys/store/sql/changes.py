"""What other processes did to a shop, in the form in which a fitted engine takes it in."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from recsys.store.histories import as_known, join
from recsys.store.sql.core import Core
from recsys.store.sql.events import EventRows
from recsys.store.sql.searches import LATER
from recsys.types import Events

MAX_EVENTS = 1_000


def events_of_others(
    core: Core, rows: EventRows, connection: Connection, after: int, n_items: int
) -> tuple[Events, Events, int, bool]:
    """Return new events of others after a number, those that they took back, the last number, and if there are more."""
    found = rows.users_after(connection, after, MAX_EVENTS + 1)
    more = len(found) > MAX_EVENTS
    found = found[:MAX_EVENTS]
    foreign: dict[str, set[int]] = {}
    for number, user in found:
        if number not in core.own:
            foreign.setdefault(user, set()).add(number)
    last = found[-1][0] if found else after
    return *_weighed(core, rows, connection, foreign.items(), n_items), last, more


def _weighed(
    core: Core, rows: EventRows, connection: Connection, foreign: Iterable[tuple[str, set[int]]], n_items: int
) -> tuple[Events, Events]:
    new, taken = [], []
    for user, numbers in foreign:
        events, known = rows.history(connection, user, n_items, LATER)
        at = np.array(known, dtype=np.int64)
        for first, last in _runs(sorted(known), numbers):
            # What this store wrote was weighed, when it was written, in the light of all that was stored before it.
            # So is this: each run of others' events in the light of what has lower numbers, and of nothing later.
            after, before = (as_known(events.take(mask), core.weights) for mask in (at <= last, at < first))
            is_new = at[at <= last] >= first
            new.append(after.take(is_new))
            taken.append(before.take((before.weights > 0) & (after.weights[~is_new] <= 0)))
    return replace(join(new), ids=()), replace(join(taken), ids=())


def _runs(known: Sequence[int], foreign: Container[int]) -> list[tuple[int, int]]:
    """Return the first and last number of each run of foreign ones among all of a shopper, lowest first."""
    runs: list[tuple[int, int]] = []
    inside = False
    for number in known:
        if number in foreign:
            runs.append((runs.pop()[0] if inside else number, number))
        inside = number in foreign
    return runs
