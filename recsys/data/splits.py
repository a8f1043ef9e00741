"""Leak-free folds of an event log: what is fitted, what a request may see, what it should find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import EventLog
from recsys.errors import ConfigError, DataError
from recsys.targets import Targets
from recsys.types import KIND_CODES, Events, offsets_of

# A choice that was made, as opposed to a look: only these are targets, and only these hide an item as "seen".
EXPLICIT = ("interaction", "purchase", "rating", "like", "dislike", "return", "not-interested")
_EXPLICIT_CODES = np.array([KIND_CODES[k] for k in EXPLICIT], dtype=np.int8)
_OPINIONS = np.array([KIND_CODES[k] for k in ("rating", "like")], dtype=np.int8)
_ACQUIRED = np.array([KIND_CODES[k] for k in ("interaction", "purchase")], dtype=np.int8)


def explicit(events: Events) -> NDArray[np.bool_]:
    """Return (n,) True for purchases, ratings, likes, plain interactions and their opposites."""
    return np.isin(events.kinds, _EXPLICIT_CODES)


def chosen(events: Events, owner: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
    """Return (n,) explicit events that speak for the item: what evaluation asks a list to foresee.

    A rating or like of something that the same shopper bought before is an opinion about it, no new choice.
    ``owner`` (n,) tells shoppers apart; None means that all events are of one.
    """
    picks = explicit(events) & (events.weights > 0)
    opinions = np.flatnonzero(picks & np.isin(events.kinds, _OPINIONS))
    bought = np.flatnonzero(picks & np.isin(events.kinds, _ACQUIRED))
    if len(opinions) and len(bought):
        whose = np.zeros(len(events), dtype=np.int64) if owner is None else owner
        key = whose * (np.int64(events.rows.max()) + 1) + events.rows
        keys, first = np.unique(key[bought], return_index=True)
        at = np.minimum(np.searchsorted(keys, key[opinions]), len(keys) - 1)
        known = (keys[at] == key[opinions]) & (bought[first[at]] < opinions)
        picks[opinions[known]] = False
    return picks


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One measurement. Request i is that of ``fit.users[users[i]]``, made at ``now[i]``.

    ``fit`` is all that generators and features may learn from, ``history`` what the request itself may show.
    ``shown`` are the impressions between history and target: only training reads them, to see past the place at
    which a choice was offered.
    """

    fit: EventLog
    history: EventLog
    users: NDArray[np.int64]
    now: NDArray[np.int64]
    targets: Targets
    shown: EventLog | None = None

    def __len__(self) -> int:
        return len(self.users)

    def sample(self, n: int, seed: int = 0) -> Fold:
        """Return the fold with at most ``n`` of its requests, drawn at random."""
        if n >= len(self):
            return self
        pick = np.sort(np.random.default_rng(seed).choice(len(self), n, replace=False))
        return Fold(self.fit, self.history, self.users[pick], self.now[pick], self.targets.take(pick), self.shown)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The folds of one protocol.

    Base regime: rankers learn on ``rank``; ``valid`` only tunes and accepts; ``test`` is looked at once, with
    generators fitted on the same events as for ``valid``. Refit regime: rankers learn on ``refit_rank``, and
    ``refit`` is the test with everything before it fitted. ``older`` makes folds of choices before those of ``rank``:
    what learns behind a ranker needs more of them.
    """

    name: str
    rank: Fold
    valid: Fold
    test: Fold
    refit_rank: Fold
    refit: Fold
    older: Callable[[], list[Fold]] = list


def leave_one_out(log: EventLog) -> Split:
    """Cut each shopper's chosen events at the end: last = test, second last = validation, third last = ranking labels.

    A history ends with the last choice before its target: the looks and carts of the visit that led to the target
    would give it away. A shopper with too few choices for a fold is left out of that fold only.
    """
    fold = ChoicesBack.of(log).fold
    return Split(
        "leave-one-out", fold(3, 3), fold(2, 2), fold(2, 1), fold(2, 2), fold(1, 1),
        lambda: [fold(4, 4), fold(4, 3), fold(5, 5)],
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ChoicesBack:
    """A log by how many choices follow: ``left`` (n,) of each event, itself included, 1 = the last and what led to it.

    ``picks`` (n,) are the choices.
    """

    log: EventLog
    picks: NDArray[np.bool_]
    left: NDArray[np.int64]

    @classmethod
    def of(cls, log: EventLog) -> ChoicesBack:
        """Count the choices of every shopper from the end."""
        picks, owner = chosen(log.events, log.owner), log.owner
        total = np.bincount(owner[picks], minlength=log.n_users)
        before: NDArray[np.int64] = np.cumsum(picks) - picks
        first = np.concatenate([[0], np.cumsum(total)])[:-1]
        return cls(log, picks, total[owner] - (before - first[owner]))

    def cut(self, k: int) -> EventLog:
        """Return the choices with more than ``k`` left, and what came before the last of them."""
        log, owner = self.log, self.log.owner
        last = np.full(log.n_users, -1, dtype=np.int64)
        keep = self.picks & (self.left > k)
        np.maximum.at(last, owner[keep], np.flatnonzero(keep))
        return log.as_of(np.arange(len(log)) <= last[owner])

    def fold(self, fitted: int, k: int) -> Fold:
        """Return the requests for everybody's ``k``-th last choice; all but the last ``fitted`` are fitted."""
        log, events = self.log, self.log.events
        history = self.cut(k)
        at = np.flatnonzero(self.picks & (self.left == k) & (np.diff(history.offsets)[log.owner] > 0))
        impressions = (events.kinds == KIND_CODES["impression"]) & (events.positions > 0)
        shown = log.where(impressions & (self.left == k)) if impressions.any() else None
        targets = Targets.single(events.rows[at])
        return Fold(self.cut(fitted), history, log.owner[at], events.times[at], targets, shown)


def global_time(log: EventLog, shares: tuple[float, float, float] = (0.7, 0.8, 0.9)) -> Split:
    """Cut the whole log at three moments, so that nobody's future is in anybody's past.

    ``shares`` of all chosen events lie before the ranking labels, the validation and the test period. The targets
    of a shopper are all distinct items chosen within the period. Shoppers without any past count too.

    Raises:
        DataError: the log is too short in time to have four periods.
    """
    picks = chosen(log.events, log.owner)
    if not picks.any():
        raise DataError("no chosen events (purchases, ratings of 3 or more, likes): nothing to split")
    times = np.sort(log.events.times[picks])
    ranks, valid, test = (int(times[min(int(s * len(times)), len(times) - 1)]) for s in shares)
    if not times[0] < ranks < valid < test:
        raise DataError(
            f"the log spans too few moments for a split by time ({times[0]}..{times[-1]}): use leave-one-out"
        )
    end = int(log.events.times.max()) + 1

    def before(moment: int) -> EventLog:
        return log.as_of(log.events.times < moment)

    def fold(fitted: int, moment: int, until: int) -> Fold:
        inside = picks & (log.events.times >= moment) & (log.events.times < until)
        width = np.int64(log.events.rows.max()) + 1
        key = np.unique(log.owner[inside] * width + log.events.rows[inside])
        users, counts = np.unique(key // width, return_counts=True)
        targets = Targets((key % width).astype(np.int32), offsets_of(counts))
        return Fold(before(fitted), before(moment), users, np.full(len(users), moment, dtype=np.int64), targets)

    return Split(
        "global-time", fold(ranks, ranks, valid), fold(valid, valid, test), fold(valid, test, end),
        fold(valid, valid, test), fold(test, test, end),
    )  # fmt: skip


SPLITS: Mapping[str, Callable[[EventLog], Split]] = {"leave-one-out": leave_one_out, "global-time": global_time}


def split(log: EventLog, name: str) -> Split:
    """Return the folds of a protocol by name. Raises `ConfigError` for an unknown one."""
    if name not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}; got {name!r}")
    return SPLITS[name](log)
