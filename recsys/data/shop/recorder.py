"""Collects events as columns while the year goes by, and turns them into a log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import EventLog
from recsys.types import Events

Rows = NDArray[np.int64]
REVIEW = -1  # not a kind of event: an opinion, which becomes a review
_COLUMNS = ("user", "row", "time", "kind", "value", "position", "cause", "reason")


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """Who thinks what of a purchase, (r,) each: ``stars`` 1..5, ``beside`` the row that it complements or -1."""

    users: Rows
    rows: Rows
    times: Rows
    stars: Rows
    causes: Rows
    beside: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The log, and why each of its events happened.

    Attributes:
        log: all events. Shopper i of the simulation is group i of the log.
        causes: (n,) int8 codes of `CAUSES`, aligned with ``log.events``.
        reasons: (n,) int64 place in the log of the purchase that a complement completes, -1 for other causes.
        opinions: what the reviews will say.
    """

    log: EventLog
    causes: NDArray[np.int8]
    reasons: NDArray[np.int64]
    opinions: Opinions


class Recorder:
    """Events are numbered in the order in which they are added, which is not yet their order in time."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float64]] = []
        self.count = 0

    def add(
        self,
        users: Rows,
        rows: Rows,
        times: Rows,
        kind: int,
        *,
        value: NDArray[np.float64] | float = 1.0,
        position: Rows | int = 0,
        cause: Rows | int,
        reason: Rows | int = -1,
    ) -> Rows:
        """Add events, (n,) or one value for all, and return their numbers (n,)."""
        numbers = np.arange(self.count, self.count + len(users))
        columns = (users, rows, times, kind, value, position, cause, reason)
        # float64 holds every one of these integers exactly.
        block = np.empty((len(columns), len(users)))
        for line, column in zip(block, columns, strict=True):
            line[:] = column
        self._parts.append(block)
        self.count += len(users)
        return numbers

    def record(self, end: int) -> Record:
        """Return everything up to second ``end``, in time order within each shopper.

        What would happen after ``end`` (a return, a rating) is not known yet and left out.
        """
        column = dict(zip(_COLUMNS, np.concatenate(self._parts, axis=1), strict=True))
        order = np.lexsort((column["time"], column["user"]))
        order = order[column["time"][order] <= end]
        spoken = column["kind"][order] == REVIEW
        opinions, order = order[spoken], order[~spoken]
        place = np.full(self.count, -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        events = Events.of(
            column["row"][order], times=column["time"][order], kinds=column["kind"][order],
            values=column["value"][order], positions=column["position"][order],
        )  # fmt: skip
        reason = column["reason"][order].astype(np.int64)
        users = column["user"][order].astype(np.int64)
        names = [f"shopper-{u:05d}" for u in range(int(users[-1]) + 1)]
        log = EventLog.of([names[u] for u in users.tolist()], events)
        whole = {name: column[name][opinions].astype(np.int64) for name in _COLUMNS}
        beside = np.where(whole["reason"] >= 0, column["row"][whole["reason"]], -1).astype(np.int64)
        return Record(
            log, column["cause"][order].astype(np.int8), np.where(reason >= 0, place[reason], -1),
            Opinions(whole["user"], whole["row"], whole["time"], whole["value"], whole["cause"], beside),
        )  # fmt: skip
