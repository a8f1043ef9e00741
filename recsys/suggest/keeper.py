"""The suggester of a shop that changes while it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from operator import ne
from threading import Lock
from typing import Any

import numpy as np

from recsys.dataset import ItemTable
from recsys.store.searches import SearchLog
from recsys.suggest.suggester import Counts, Hits, Suggester

GROWN = 0.05  # of the catalogue or the log: then the phrases are made anew
SMALL = 1_000  # products whose phrases are made anew after every change of words: that takes milliseconds
MORE_SEARCHES = 100


class Keeper:
    """Keeps the phrases of one shop, and how much each of them finds in its present state.

    Stock and prices change all day and no phrase with them, so phrases are made anew only when `words_changed` says
    so of a twentieth of the products, or when the log has grown by a twentieth. One caller makes them; whoever asks
    meanwhile is answered from the old ones. Nothing that a caller hands in to count hits with is kept.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: tuple[Suggester, ItemTable, int] | None = None
        self._fresh: ItemTable | None = None  # the latest table that was found to say about the same
        self._counts: tuple[Any, Counts] = (None, Counts())

    def get(self, items: ItemTable, log: SearchLog, hits: Hits, state: Any) -> Suggester:
        """Return the suggester of a catalogue and a log.

        ``hits`` counts what a text finds, see `Suggester`; its answers are remembered as long as ``state`` is equal:
        it names everything that they depend on.
        """
        while (made := self._made) is None or self._stale(made, items, log):
            # Only who finds no phrases at all waits for those that another one makes.
            if not self._lock.acquire(blocking=made is None):
                break
            try:
                if self._made is made:
                    size = len(log)
                    self._made = (Suggester(items, log, _nothing), items, size)
                    self._fresh, self._counts = items, (None, Counts())
            finally:
                self._lock.release()
        assert made is not None
        known, counts = self._counts
        if known is None or known != state:
            counts = Counts()
            self._counts = (state, counts)
        return made[0].over(items, hits, counts)

    def _stale(self, made: tuple[Suggester, ItemTable, int], items: ItemTable, log: SearchLog) -> bool:
        _, before, size = made
        if len(log) > (1 + GROWN) * size + MORE_SEARCHES:
            return True
        if items is self._fresh:
            return False
        changed = words_changed(before, items)
        if changed > (GROWN * len(before) if len(before) > SMALL else 0):
            return True
        self._fresh = items
        return False


def words_changed(before: ItemTable, after: ItemTable) -> int:
    """Return how many products are new, gone or back, or have another title, brand, category or attribute."""
    n = min(len(before), len(after))
    other = before.available[:n] != after.available[:n]
    for name in ("titles", "brands", "categories", "attributes"):
        old, new = getattr(before, name), getattr(after, name)
        if old is not new:
            other |= np.fromiter(map(ne, old, new), dtype=np.bool_, count=n)
    return int(np.count_nonzero(other)) + abs(len(after) - len(before))


def _nothing(texts: Sequence[str]) -> Sequence[int]:
    return [0] * len(texts)
