"""Postings of a set of products: for each term the products that hold it, how often in which field, and their worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.search.lexicon import Codes, Ragged
from recsys.types import ItemRows, Offsets

COUNTED = 255  # a term that a field holds more often is not worth more
LONGEST = 65_535


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Postings in term order, products by row within a term; behind them those of pairs of neighbours in titles.

    Attributes:
        rows: (n,) ascending: the products of this segment.
        ptr: (n_terms + 1,) term t has the postings ``[ptr[t]:ptr[t + 1]]``.
        docs: (m + m_pairs,) rows of products. values: the same, the saturated worth of the term in the product.
        counts: (m, n_fields) uint8, how often each field of the product holds the term.
        pair_keys: (n_pairs,) int64, ascending: ``first << 32 | second`` of terms that follow one another in a title.
        pair_ptr: (n_pairs + 1,) places in docs and values.
        titles: the terms of the titles, in the order of ``rows``.
        lengths: (n, n_fields) uint16, how many terms each field has.
    """

    rows: ItemRows
    ptr: Offsets
    docs: NDArray[np.int32]
    values: NDArray[np.float32]
    counts: NDArray[np.uint8]
    pair_keys: NDArray[np.int64]
    pair_ptr: Offsets
    titles: Ragged
    lengths: NDArray[np.uint16]

    @property
    def n_terms(self) -> int:
        """How many terms there were when it was made."""
        return len(self.ptr) - 1

    def postings(self, term: int) -> tuple[int, int]:
        """Return where the postings of a term begin and end."""
        if not 0 <= term < self.n_terms:
            return 0, 0
        return int(self.ptr[term]), int(self.ptr[term + 1])

    def pair(self, first: int, second: int) -> tuple[int, int]:
        """Return where the postings of two neighbours in titles begin and end."""
        key = (first << 32) | second
        at = int(np.searchsorted(self.pair_keys, key))
        if first < 0 or second < 0 or at == len(self.pair_keys) or self.pair_keys[at] != key:
            return 0, 0
        return int(self.pair_ptr[at]), int(self.pair_ptr[at + 1])

    def place(self, rows: ItemRows) -> NDArray[np.int64]:
        """Return where in ``rows`` of this segment the given rows are, -1 for others."""
        at = np.searchsorted(self.rows, rows).astype(np.int64)
        found = at < len(self.rows)
        found[found] = self.rows[at[found]] == rows[found]
        return np.where(found, at, -1)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """How postings are valued: see `recsys.search.config.IndexConfig`. Arrays are (n_fields,)."""

    fields: NDArray[np.float32]
    b: NDArray[np.float32]
    averages: NDArray[np.float32]
    k1: float
    summed: bool

    def norms(self, lengths: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return (n, n_fields) how much the length of each field counts against its terms."""
        return np.asarray(1 - self.b + self.b * (lengths / self.averages), dtype=np.float32)

    def saturated(self, counts: NDArray[np.uint8], norms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (m,) the worth of m terms, from their ``counts`` and the ``norms`` of their products."""
        total = np.zeros(len(counts), np.float32)
        for f, weight in enumerate(self.fields.tolist()):
            if weight:
                total += self.of_field(f, counts[:, f], norms[:, f]) * np.float32(weight)
        return total if self.summed else total / np.float32(self.k1 + total + (total == 0))

    def of_field(self, field: int, counts: NDArray[np.uint8], norms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (m,) what a field alone says: normalised counts, or saturated ones where fields are summed."""
        tf = np.asarray(counts / norms, dtype=np.float32)
        return tf / (np.float32(self.k1) + tf) if self.summed else tf


def build(
    rows: ItemRows, fields: Sequence[tuple[Ragged, Ragged]], n_terms: int, weights: Weights | None, make: Weights
) -> tuple[Segment, Weights]:
    """Return the postings of products, whose ``fields`` (terms in order, further terms) begin with the title.

    ``weights`` are those of the index that this joins; None makes ``make`` with the average lengths of these products.
    """
    n_fields = len(fields)
    lengths = np.stack([np.minimum(np.diff(main.offsets), LONGEST) for main, _ in fields], axis=1).astype(np.uint16)
    if weights is None:
        averages = np.maximum(lengths.mean(axis=0, dtype=np.float64), 1) if len(rows) else np.ones(n_fields)
        weights = Weights(make.fields, make.b, averages.astype(np.float32), make.k1, make.summed)
    ptr, at, counts = _counted(fields, n_terms, len(rows))
    norms = weights.norms(lengths)
    values = np.empty(len(at), np.float32)
    for begin in range(0, len(at), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        values[part] = weights.saturated(counts[part], norms[at[part]])
    keys, pair_ptr, pair_at = _pairs(fields[0][0])
    tf = norms[:, 0] ** -1 * weights.fields[0]
    pair_values = (tf / (weights.k1 + tf)).astype(np.float32)[pair_at]
    docs = rows[np.concatenate([at, pair_at])]
    segment = Segment(
        rows, ptr, docs, np.concatenate([values, pair_values]), counts,
        keys, pair_ptr + len(at), fields[0][0], lengths,
    )  # fmt: skip
    return segment, weights


_CHUNK = 4_000_000


def _counted(
    fields: Sequence[tuple[Ragged, Ragged]], n_terms: int, n: int
) -> tuple[Offsets, NDArray[np.int64], NDArray[np.uint8]]:
    """Return ptr (n_terms + 1,), and for each posting the place of its product and its counts (m, n_fields)."""
    width = np.int64(len(fields))
    keys = np.concatenate(
        [
            (part.codes.astype(np.int64) * max(n, 1) + part.owner) * width + f
            for f, both in enumerate(fields)
            for part in both
        ]
    )
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    times = np.diff(first, append=len(keys))
    keys = keys[first]
    cell, field = keys // width, keys % width
    fresh = np.diff(cell, prepend=-1) != 0
    posting = np.cumsum(fresh) - 1
    cell = cell[fresh]
    counts = np.zeros((len(cell), int(width)), np.uint8)
    counts[posting, field] = np.minimum(times, COUNTED)
    ptr = np.zeros(n_terms + 1, np.int64)
    np.cumsum(np.bincount(cell // max(n, 1), minlength=n_terms), out=ptr[1:])
    return ptr, cell % max(n, 1), counts


def _pairs(titles: Ragged) -> tuple[NDArray[np.int64], Offsets, NDArray[np.int64]]:
    """Return the pairs of neighbours in titles: keys, ptr (n_pairs + 1,), places of the products."""
    owner, codes = titles.owner, titles.codes.astype(np.int64)
    inside = owner[1:] == owner[:-1]
    keys, at = ((codes[:-1] << 32) | codes[1:])[inside], owner[1:][inside]
    order = np.lexsort((at, keys))
    keys, at = keys[order], at[order]
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = (keys[1:] != keys[:-1]) | (at[1:] != at[:-1])
    keys, at = keys[fresh], at[fresh]
    start = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[start], np.append(start, len(keys)).astype(np.int64), at


def terms_of(segment: Segment, at: int) -> Codes:
    """Return the terms of the title of the product at place ``at``."""
    return segment.titles[at]
