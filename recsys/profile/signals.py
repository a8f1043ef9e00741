"""The recent history of one shopper as what the lines of a profile are counted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.explanation import Evidence
from recsys.profile.sensitive import SensitiveWords
from recsys.types import KINDS, Events

LIMIT = 200  # events that are looked at, the latest ones
HALF_LIFE_DAYS = 120.0
DAY = 86_400
MAX_EVIDENCE = 5


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Liked and disliked items, one entry an item and side, the strongest event standing for all on that item.

    ``rows`` (n,), ``weights`` (n,) signed and decayed by age, ``places`` (n,) of that event in ``history``. Items
    about sensitive matters are left out before anything is counted.
    """

    history: Events
    items: ItemTable
    rows: NDArray[np.int32]
    weights: NDArray[np.float32]
    places: NDArray[np.int64]

    @classmethod
    def of(
        cls, history: Events, items: ItemTable, now: int, known: dict[int, bool] | None = None,
        words: SensitiveWords | None = None,
    ) -> Signals:  # fmt: skip
        """Read the latest events of a history as of ``now``; ``known`` remembers which rows touch ``words``."""
        known, words = {} if known is None else known, words or SensitiveWords()
        usable = (history.weights != 0) & (history.rows >= 0) & (history.rows < len(items))
        best: dict[tuple[int, bool], tuple[float, int]] = {}
        for place in np.flatnonzero(usable)[-LIMIT:].tolist():
            row, weight = int(history.rows[place]), float(history.weights[place])
            age = max(0.0, (now - float(history.times[place])) / DAY)
            decayed = weight * 0.5 ** (age / HALF_LIFE_DAYS)
            key = (row, weight > 0)
            if key not in best or abs(decayed) >= abs(best[key][0]):
                best[key] = (decayed, place)
        kept = [(row, w, place) for (row, _), (w, place) in best.items() if not private(items, row, known, words)]
        kept.sort(key=lambda entry: entry[2])
        return cls(
            history, items, np.array([k[0] for k in kept], dtype=np.int32),
            np.array([k[1] for k in kept], dtype=np.float32), np.array([k[2] for k in kept], dtype=np.int64),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def liked(self) -> NDArray[np.int64]:
        """Entries of liked items, oldest first."""
        return np.flatnonzero(self.weights > 0)

    @property
    def disliked(self) -> NDArray[np.int64]:
        """Entries of disliked items, oldest first."""
        return np.flatnonzero(self.weights < 0)

    def first_of_products(self, entries: Sequence[int]) -> list[int]:
        """Return one row for each product of these entries: variants are one product."""
        seen: dict[str, int] = {}
        for i in entries:
            row = int(self.rows[i])
            seen.setdefault(self.items.parents[row] or f"row {row}", row)
        return list(seen.values())

    def products(self, entries: Sequence[int]) -> int:
        """Return how many products these entries are about."""
        return len(self.first_of_products(entries))

    def evidence(self, entries: Sequence[int]) -> tuple[Evidence, ...]:
        """Return the events behind the strongest `MAX_EVIDENCE` of these entries, the strongest first."""
        order = sorted(entries, key=lambda i: (-abs(float(self.weights[i])), -int(self.places[i])))[:MAX_EVIDENCE]
        return tuple(self._event(i) for i in order)

    def _event(self, entry: int) -> Evidence:
        row, place = int(self.rows[entry]), int(self.places[entry])
        ids = self.history.ids
        return Evidence(
            kind="event", item_id=self.ids([entry])[0], title=self.items.titles[row],
            event_id=(ids[place] or None) if ids else None, event_kind=KINDS[int(self.history.kinds[place])],
            time=int(self.history.times[place]),
        )  # fmt: skip

    def ids(self, entries: Sequence[int]) -> tuple[str, ...]:
        """Return the ids of the items of these entries."""
        return tuple(self.items.vocabulary.ids(self.rows[list(entries)]))


def private(items: ItemTable, row: int, known: dict[int, bool], words: SensitiveWords) -> bool:
    """Return whether an item touches a sensitive matter; ``known`` remembers it by row."""
    if row not in known:
        known[row] = words.in_item(items.titles[row], items.brands[row], items.categories[row], items.attributes[row])
    return known[row]
