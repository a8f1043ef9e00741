"""Ratings as columns, and how they are grouped by shopper or by item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.signal import RATING
from recsys.types import offsets_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Positions by owner: those of owner a are ``order[offsets[a]:offsets[a + 1]]``, in their given order."""

    order: Ints
    offsets: Ints

    @classmethod
    def of(cls, owner: Ints, n: int) -> Self:
        """Group by ``owner`` (m,), which lies in 0..n-1."""
        return cls(np.argsort(owner, kind="stable"), offsets_of(np.bincount(owner, minlength=n)))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Whose rating of what is asked for, and when: all (m,)."""

    users: Ints
    items: Ints
    times: Ints

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Who rated what, how, when, and in which words: all (n,), ``times`` in epoch seconds.

    ``users`` are groups of a log, 0..n_users-1, ``items`` rows of a catalogue, 0..n_items-1; ``texts`` holds the
    reviews that came with the ratings, "" where there was none.
    """

    users: Ints
    items: Ints
    values: Floats
    times: Ints
    texts: Texts
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """Take the ratings out of a log, by shopper and in time order, with the reviews of the same pair.

        Raises:
            DataError: the log holds no rating, or one that is not finite.
        """
        log, ids = data.log, data.items.ids
        rated = log.events.kinds == RATING
        if not rated.any():
            raise DataError("the log holds no ratings: events of kind 'rating' with a value are what is learned from")
        events, owner = log.events.take(rated), log.owner[rated]
        values = events.values.astype(np.float64)
        if not np.isfinite(values).all():
            row = int(events.rows[~np.isfinite(values)][0])
            raise DataError(f"ratings must be finite, but one of item {ids[row]!r} is not")
        said = {(r.user_id, r.item_id): f"{r.summary} {r.text}".strip() for r in data.reviews}
        texts = np.full(len(values), "", dtype=object)
        if said:
            texts[:] = [said.get((log.users[u], ids[i]), "") for u, i in zip(owner, events.rows, strict=True)]
        return cls(owner, events.rows.astype(np.int64), values, events.times, texts, log.n_users, len(ids))

    def take(self, index: NDArray[Any]) -> Self:
        """Return the ratings at ``index`` (a mask or positions); the numbers of shoppers and items stay."""
        return type(self)(
            self.users[index], self.items[index], self.values[index], self.times[index], self.texts[index],
            self.n_users, self.n_items,
        )  # fmt: skip

    @property
    def asked(self) -> Asked:
        """Who rated what and when, without how."""
        return Asked(self.users, self.items, self.times)

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating."""
        return float(self.values.min()), float(self.values.max())
