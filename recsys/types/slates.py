"""A ragged batch of item lists: what every stage takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.types.rows import ItemRows, Offsets, Scores, frozen, offsets_of


@dataclass(frozen=True, slots=True)
class Notes:
    """What happened to one request on its way: stages that fell back, warnings, rules applied.

    ``counts`` are sums by name: "tokens_in", "tokens_out", "repairs" of replies, ...
    """

    degraded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    counts: Mapping[str, float] = field(default_factory=dict)

    def plus(self, other: Notes) -> Notes:
        """Return both, ``self`` first."""
        sums = {n: self.counts.get(n, 0) + other.counts.get(n, 0) for n in (*self.counts, *other.counts)}
        return Notes(self.degraded + other.degraded, self.warnings + other.warnings, self.applied + other.applied, sums)


@dataclass(frozen=True, slots=True, eq=False)
class Slates:
    """A ragged batch of item lists, flat: what every stage takes and gives. Arrays are read-only.

    Attributes:
        items: (m,) rows. scores: (m,). offsets: (b + 1,); list i is ``[offsets[i]:offsets[i + 1]]``.
        columns: further (m,) arrays by name, for example "bm25_rank" and "transitions_score".
        notes: one per request, or () when there is nothing to say.
    """

    items: ItemRows
    scores: Scores
    offsets: Offsets
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    notes: tuple[Notes, ...] = ()

    def __post_init__(self) -> None:
        m = len(self.items)
        if len(self.scores) != m or self.offsets[0] != 0 or self.offsets[-1] != m:
            raise ContractError(
                f"Slates: {m} items, {len(self.scores)} scores, offsets {self.offsets[:1]}..{self.offsets[-1:]}"
            )
        for name, values in self.columns.items():
            if len(values) != m:
                raise ContractError(f"Slates.columns[{name!r}] has {len(values)} entries, items has {m}")
            frozen(values)
        if self.notes and len(self.notes) != len(self):
            raise ContractError(f"Slates.notes has {len(self.notes)} entries for {len(self)} requests")
        frozen(self.items), frozen(self.scores), frozen(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Slates:
        """Return list ``i`` as a batch of one; its arrays are views."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"list {i} of {len(self)}")
        i %= len(self)
        return self.part(i, i + 1)

    def part(self, start: int, stop: int) -> Slates:
        """Return lists ``start`` to ``stop``, that one excluded; its arrays are views."""
        offsets = self.offsets[start : max(stop, start) + 1]
        lo, hi = int(offsets[0]), int(offsets[-1])
        return Slates(
            self.items[lo:hi], self.scores[lo:hi], offsets - lo,
            {name: values[lo:hi] for name, values in self.columns.items()}, self.notes[start:stop],
        )  # fmt: skip

    def __iter__(self) -> Iterator[Slates]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(b,) how many items each list has."""
        return np.diff(self.offsets)

    @property
    def request_index(self) -> NDArray[np.int64]:
        """(m,) the request that each entry belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    @property
    def places(self) -> NDArray[np.int64]:
        """(m,) the place of each entry in its list, 0 = first."""
        return np.arange(len(self.items), dtype=np.int64) - np.repeat(self.offsets[:-1], self.lengths)

    def note(self, extra: Notes) -> Slates:
        """Return the same lists with ``extra`` noted on every request."""
        old = self.notes or (Notes(),) * len(self)
        return Slates(self.items, self.scores, self.offsets, self.columns, tuple(n.plus(extra) for n in old))

    def ordered(self, scores: Scores, n: int | None = None, **columns: NDArray[Any]) -> Slates:
        """Return every list sorted by new ``scores`` (m,), best first, NaN last, cut to ``n``.

        Equal scores keep their incoming order. ``columns`` are added, aligned with the incoming order.
        """
        request = self.request_index
        missing = np.isnan(scores)
        order = np.lexsort((-np.where(missing, 0, scores), missing, request))
        lengths = self.lengths
        if n is not None:
            order = order[self.places < n]
            lengths = np.minimum(lengths, n)
        every = {**self.columns, **columns}
        return Slates(
            self.items[order], scores[order].astype(np.float32, copy=False), offsets_of(lengths),
            {name: values[order] for name, values in every.items()}, self.notes,
        )  # fmt: skip

    def head(self, n: int) -> Slates:
        """Return the first ``n`` entries of each list, in their order."""
        lengths = self.lengths
        keep = self.places < n
        return Slates(
            self.items[keep], self.scores[keep], offsets_of(np.minimum(lengths, n)),
            {name: values[keep] for name, values in self.columns.items()}, self.notes,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Slates]) -> Slates:
        """Return the lists of all ``parts``, one after the other; no parts are a batch without lists.

        Raises:
            ContractError: the parts have different columns.
        """
        if not parts:
            return cls.of([])
        names = list(parts[0].columns)
        if any(set(p.columns) != set(names) for p in parts):
            raise ContractError("Slates.joined: the parts have different columns")
        notes: tuple[Notes, ...] = ()
        if any(p.notes for p in parts):
            notes = tuple(note for p in parts for note in (p.notes or (Notes(),) * len(p)))
        return cls(
            np.concatenate([p.items for p in parts]),
            np.concatenate([p.scores for p in parts]),
            offsets_of(np.concatenate([p.lengths for p in parts])),
            {name: np.concatenate([p.columns[name] for p in parts]) for name in names},
            notes,
        )

    @classmethod
    def of(cls, lists: Sequence[Iterable[int]], scores: Sequence[Iterable[float]] | None = None) -> Slates:
        """Build from one list of rows per request; without scores they are 1, 1/2, 1/3, ..."""
        parts = [np.asarray(list(rows), dtype=np.int32) for rows in lists]
        if scores is None:
            values = [1.0 / np.arange(1, len(p) + 1, dtype=np.float32) for p in parts]
        else:
            values = [np.asarray(list(s), dtype=np.float32) for s in scores]
        return cls(
            np.concatenate([*parts, np.empty(0, np.int32)]).astype(np.int32),
            np.concatenate([*values, np.empty(0, np.float32)]).astype(np.float32),
            offsets_of(np.array([len(p) for p in parts], dtype=np.int64)),
        )
