"""Equal times: where a log knows no more than the day, the order within it is that of a file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.altered import altered
from recsys.dataset import Dataset, EventLog, weighed
from recsys.errors import DataError

SHUFFLED = "ties shuffled"


def tied(log: EventLog) -> NDArray[np.bool_]:
    """Return (n,) True for events that share their time with an event of the same shopper on another item."""
    moment, act = _groups(log)
    _, first = np.unique(act, return_index=True)
    items = np.bincount(moment[first], minlength=len(log))
    return np.asarray(items[moment] > 1)


def _groups(log: EventLog) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (n,) which events are of one shopper and one time, and which of those are on one item, too."""
    events, owner = log.events, log.owner
    order = np.lexsort((events.rows, events.times, owner))
    changes = [np.diff(column[order]) != 0 for column in (owner, events.times, events.rows)]
    moment, act = np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
    moment[order[1:]] = np.cumsum(changes[0] | changes[1])
    act[order[1:]] = np.cumsum(changes[0] | changes[1] | changes[2])
    return moment, act


def with_shuffled_ties(data: Dataset, seed: int = 0) -> Dataset:
    """Return the data with events of one shopper and one time in random order; all else stays where it is.

    What a shopper did with one item at one time keeps its order: a purchase never comes before the click that led to
    it. Measured beside the plain data, the row tells how much of a figure rests on the order of a file.

    Raises:
        DataError: the data has no times, or no two events of a shopper on different items share one.
    """
    if not data.info.get("has_times", True):
        raise DataError(f"{data.name} holds the order of events and no times: nobody knows which of them are tied")
    log = data.log
    n_tied = int(tied(log).sum())
    if not n_tied:
        raise DataError(f"{data.name} has no ties: no shopper did two things at one time")
    _, act = _groups(log)
    luck = np.random.default_rng(seed).permutation(len(log))[act]
    moved = log.events.take(np.lexsort((luck, log.events.times, log.owner)))
    shuffled = replace(log, events=weighed(moved, log.owner, log.event_weights))
    remark = (
        f"Events of a shopper at one time are in random order (seed {seed}), not in that of the file: {n_tied:,} of "
        f"{len(log):,} events share their time with another item of their shopper."
    )
    return altered(replace(data, log=shuffled), SHUFFLED, remark)
