"""How alike the items of one list are: by categories, brand and parent, or by vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.filters.columns import Labels, columns_of
from recsys.types import ItemRows, Vectors

CATEGORY_SHARE = 0.7  # of the likeness; the rest is the brand's
CHUNK_VALUES = 4_000_000  # floats that one array of a chunk of requests may hold


@dataclass(frozen=True, slots=True, eq=False)
class LocalLabels:
    """The labels that the items of each pool carry, numbered within each request.

    Attributes:
        owner, place, label: (t,) request, place in the pool and number of each label that an item carries.
        codes: (b, l) the catalogue's code of each number, -1 pads.
    """

    owner: NDArray[np.int64]
    place: NDArray[np.int64]
    label: NDArray[np.int64]
    codes: NDArray[np.int64]

    def dense(self, width: int, values: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return (b, width, l), 0 where an item does not carry a label, else 1 or the value (t,) given for it."""
        out = np.zeros((len(self.codes), width, self.codes.shape[1]), dtype=np.float32)
        out[self.owner, self.place, self.label] = 1.0 if values is None else values
        return out

    @classmethod
    def of(cls, labels: Labels, rows: ItemRows) -> LocalLabels:
        """Number the labels of pools; ``rows`` (b, p), -1 pads, and rows that came later have no labels."""
        b, width = rows.shape
        known = np.flatnonzero((rows >= 0) & (rows < len(labels)))
        items = rows.ravel()[known]
        lengths = labels.offsets[items + 1] - labels.offsets[items]
        entry = np.repeat(known, lengths)
        begin = np.cumsum(lengths) - lengths
        flat = np.arange(len(entry)) - np.repeat(begin, lengths) + np.repeat(labels.offsets[items], lengths)
        owner, place = np.divmod(entry, max(1, width))
        keys, index = np.unique(owner * max(1, len(labels.codes)) + labels.flat[flat], return_inverse=True)
        whose, code = np.divmod(keys, max(1, len(labels.codes)))
        starts = np.searchsorted(whose, np.arange(b + 1))
        codes = np.full((b, int(np.diff(starts).max(initial=0))), -1, dtype=np.int64)
        number = np.arange(len(keys)) - starts[whose]
        codes[whose, number] = code
        return cls(owner, place, number[index], codes)


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Features of the items of each pool, (b, p, d): their inner product is how alike two items are, at most 1.

    ``parents`` (b, p): variants of one product are as alike as can be; -1 = no parent.
    """

    features: NDArray[np.float32]
    parents: NDArray[np.int32]

    def to(self, picked: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (b, p), in [0, 1]: how alike each item is to the one at place ``picked`` (b,)."""
        each = np.arange(len(picked))
        alike = np.matmul(self.features, self.features[each, picked][:, :, None])[:, :, 0]
        same = (self.parents == self.parents[each, picked][:, None]) & (self.parents >= 0)
        # Rounded: equally alike items must stay so however the sum was taken in a batch of another size.
        out: NDArray[np.float32] = np.round(np.clip(np.where(same, 1, alike), 0, 1), 4)
        return out

    @classmethod
    def of(cls, items: ItemTable, rows: ItemRows, vectors: Vectors | None = None) -> Likeness:
        """Build for pools of ``rows`` (b, p); with ``vectors`` (n_items, d) they speak instead of the labels."""
        columns = columns_of(items)
        parents = codes(columns.parents, rows)
        if vectors is not None:
            inside = (rows >= 0) & (rows < len(vectors))
            return cls(np.where(inside[:, :, None], vectors[np.where(inside, rows, 0)], 0).astype(np.float32), parents)
        local = LocalLabels.of(columns.categories, rows)
        frequency = np.bincount(columns.categories.flat, minlength=len(columns.categories.codes))
        # A category that everything is in says nothing about likeness.
        weight = np.log1p(len(items) / np.maximum(frequency, 1)).astype(np.float32)
        values = weight[local.codes[local.owner, local.label]]
        categories = local.dense(rows.shape[1], values)
        length = np.sqrt((categories**2).sum(axis=2, keepdims=True))
        categories *= np.sqrt(CATEGORY_SHARE) / np.maximum(length, 1e-9)
        brands = LocalLabels.of(columns.brands, rows).dense(rows.shape[1])
        brands *= np.float32(np.sqrt(1 - CATEGORY_SHARE))
        return cls(np.concatenate([categories, brands], axis=2), parents)


def codes(labels: Labels, rows: ItemRows) -> NDArray[np.int32]:
    """Return the code of each row's one label, shaped like ``rows``; -1 = none."""
    taken = labels.take(rows.ravel())
    out = taken[:, 0] if taken.shape[1] else np.full(rows.size, -1, dtype=np.int32)
    return out.reshape(rows.shape)


def chunks(rows: ItemRows, labels: Sequence[Labels], width: int = 0) -> list[slice]:
    """Return parts of the requests of ``rows`` (b, p) whose arrays (part, p, labels or ``width``) stay small."""
    b, places = rows.shape
    most = width
    for one in labels:
        inside = (rows >= 0) & (rows < len(one))
        known = np.where(inside, rows, 0)
        counts = np.where(inside, one.offsets[known + 1] - one.offsets[known], 0) if len(one) else inside
        most += int(counts.sum(axis=1).max(initial=0))
    step = max(1, CHUNK_VALUES // max(1, places * most))
    return [slice(at, min(at + step, b)) for at in range(0, b, step)]
