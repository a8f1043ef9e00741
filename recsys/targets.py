"""What each request should have found: the ground truth of an evaluation, flat and ragged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.types import ItemRows, Offsets, offsets_of


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The true items of a batch of requests.

    Attributes:
        rows: (t,) item rows, distinct within a request; -1 = an item that the catalogue does not have, always a miss.
        offsets: (b + 1,); the targets of request i are ``[offsets[i]:offsets[i + 1]]``.
        gains: (t,) float32 grades of relevance, >= 0 and finite, 0 = judged and not relevant; None = all are 1.

    Raises:
        DataError: the arrays do not fit together, a gain is negative or not finite, or a request names an item twice.
    """

    rows: ItemRows
    offsets: Offsets
    gains: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        ends = (int(self.offsets[0]), int(self.offsets[-1])) if len(self.offsets) else (-1, -1)
        if ends != (0, len(self.rows)) or (np.diff(self.offsets) < 0).any():
            raise DataError(f"Targets.offsets must rise from 0 to {len(self.rows)}, got {ends[0]}..{ends[1]}")
        if self.gains is not None:
            if len(self.gains) != len(self.rows):
                raise DataError(f"Targets.gains has {len(self.gains)} entries, rows has {len(self.rows)}")
            if not np.isfinite(self.gains).all() or (self.gains < 0).any():
                raise DataError("Targets.gains must be finite and not negative")
        known = self.rows >= 0
        key = self.owner[known] * (int(self.rows.max(initial=0)) + 1) + self.rows[known]
        unique, first = np.unique(key, return_index=True)
        if len(unique) < len(key):
            twice = np.flatnonzero(known)[np.setdiff1d(np.arange(len(key)), first)[0]]
            raise DataError(f"request {self.owner[twice]} names target row {self.rows[twice]} twice: give each once")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """(b,) how many targets each request has."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> NDArray[np.int64]:
        """(t,) the request that each target belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.counts)

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """(t,) False for targets with gain 0."""
        return np.ones(len(self.rows), dtype=np.bool_) if self.gains is None else self.gains > 0

    def where(self, mask: NDArray[np.bool_]) -> Targets:
        """Return only the targets of ``mask`` (t,); every request stays, perhaps with none."""
        lengths = np.bincount(self.owner[mask], minlength=len(self))
        return Targets(self.rows[mask], offsets_of(lengths), None if self.gains is None else self.gains[mask])

    def take(self, requests: NDArray[np.bool_] | NDArray[np.integer[Any]]) -> Targets:
        """Return the targets of the chosen requests: a (b,) mask or positions."""
        picked = np.arange(len(self))[requests]
        counts = self.counts[picked]
        offsets = offsets_of(counts)
        index = np.arange(int(offsets[-1])) + np.repeat(self.offsets[:-1][picked] - offsets[:-1], counts)
        return Targets(self.rows[index], offsets, None if self.gains is None else self.gains[index])

    def among(self, rows: ItemRows, offsets: Offsets) -> NDArray[np.bool_]:
        """Return (t,), True where a target is among its request's ``rows``: a repeat, if those are histories."""
        if len(offsets) != len(self.offsets):
            raise DataError(f"offsets are those of {len(offsets) - 1} requests, targets of {len(self)}")
        width = int(max(self.rows.max(initial=0), rows.max(initial=0))) + 1
        owner = np.repeat(np.arange(len(self), dtype=np.int64), np.diff(offsets))
        here = np.isin(self.owner * width + self.rows, (owner * width + rows)[rows >= 0])
        return here & (self.rows >= 0)

    @classmethod
    def single(cls, rows: ItemRows) -> Targets:
        """Build from one target a request, (b,): what leave-one-out has."""
        return cls(np.asarray(rows, dtype=np.int32), np.arange(len(rows) + 1, dtype=np.int64))

    @classmethod
    def of(cls, lists: Sequence[Iterable[int]], gains: Sequence[Iterable[float]] | None = None) -> Targets:
        """Build from a list of target rows per request; without gains, repeats are dropped.

        Raises:
            DataError: gains of another shape, or an item named twice while gains are given.
        """
        parts = [list(rows) if gains is not None else list(dict.fromkeys(rows)) for rows in lists]
        graded = None if gains is None else [list(g) for g in gains]
        if graded is not None and [len(g) for g in graded] != [len(p) for p in parts]:
            raise DataError("gains must have the shape of the target lists")
        return cls(
            np.array([row for part in parts for row in part], dtype=np.int32),
            offsets_of(np.array([len(p) for p in parts], dtype=np.int64)),
            None if graded is None else np.array([g for part in graded for g in part], dtype=np.float32),
        )
