"""Generators that can score the whole catalogue at once: top n by mask, scores of given items by look-up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.history import allowed_matrix
from recsys.topn import best
from recsys.types import Request, Slates, offsets_of

# 16 M floats: 64 MB a chunk, small enough for a shop's process and large enough to keep BLAS busy.
CHUNK_CELLS = 16_000_000
# A batch's scores of the whole catalogue are kept between finding and scoring while they stay below 64 MB.
HELD_CELLS = 16_000_000


def chunks(requests: Sequence[Request], n_items: int) -> Iterator[Sequence[Request]]:
    """Cut a batch so that one dense score matrix of a part stays small."""
    size = max(1, CHUNK_CELLS // max(1, n_items))
    return (requests[i : i + size] for i in range(0, len(requests), size))


def top(scores: NDArray[np.float32], n: int, floor: float | None) -> Slates:
    """Return the best ``n`` of each row of dense ``(b, n_items)`` scores, best first; -inf and NaN never.

    ``floor`` drops scores that are not above it: 0 means "no evidence" to a count-based generator.
    """
    rows, picked = best(scores, n, -np.inf if floor is None else floor)
    keep = rows >= 0
    return Slates(
        rows[keep].astype(np.int32), picked[keep].astype(np.float32), offsets_of(keep.sum(axis=1).astype(np.int64))
    )


def join(parts: Sequence[Slates]) -> Slates:
    """Return one batch from consecutive batches that have no columns."""
    if len(parts) == 1:
        return parts[0]
    return Slates(
        np.concatenate([np.empty(0, np.int32), *(p.items for p in parts)]),
        np.concatenate([np.empty(0, np.float32), *(p.scores for p in parts)]),
        offsets_of(np.concatenate([np.empty(0, np.int64), *(p.lengths for p in parts)])),
    )


class WholeCatalogue(ABC):
    """Base of generators that give every item a score: subclasses write `catalogue_scores` alone.

    ``floor`` is the score that an item has to exceed to be a candidate; None takes any finite score.
    """

    floor: float | None = None
    uses_history: bool = True  # declared: the same list for everybody when False

    @abstractmethod
    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)``; NaN where an item cannot be scored. The caller may write into it."""

    @property
    @abstractmethod
    def n_items(self) -> int:
        """How many rows this generator knows: rows beyond are unseen to it."""

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return the best ``n`` allowed items of each request."""
        parts = []
        for part in chunks(requests, self.n_items):
            scores = self.catalogue_scores(part)
            allowed = allowed_matrix(part, self.n_items)
            if allowed is not None:
                scores[~allowed] = -np.inf
            parts.append(top(scores, n, self.floor))
        return join(parts) if parts else Slates.of([])

    def prepared(self, requests: Sequence[Request]) -> Any:
        """Return a generator for these requests alone that computes their scores once; itself for a large batch."""
        return Prepared(self, requests) if 0 < len(requests) * self.n_items <= HELD_CELLS else self

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the score of each given item, NaN for rows that this generator has never seen."""
        out = np.full(len(slates.items), np.nan, dtype=np.float32)
        begin = 0
        for part in chunks(requests, self.n_items):
            lo, hi = int(slates.offsets[begin]), int(slates.offsets[begin + len(part)])
            items = slates.items[lo:hi]
            owner = np.repeat(np.arange(len(part)), slates.lengths[begin : begin + len(part)])
            known = (items >= 0) & (items < self.n_items)
            if known.any():
                values = self.catalogue_scores(part)[owner[known], items[known]]
                out[lo:hi][known] = values
            begin += len(part)
        return Slates(slates.items, out, slates.offsets, slates.columns, slates.notes)


class Prepared:
    """One generator over one batch: the scores that found the candidates also answer for them.

    Without this, every request would be multiplied with the catalogue twice: to `generate`, then to `score` what all
    generators found together.
    """

    def __init__(self, source: WholeCatalogue, requests: Sequence[Request]) -> None:
        self._source = source
        self._requests = requests
        self._scores: NDArray[np.float32] | None = None

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return what the source would, for the very requests that this was made for."""
        self._check(requests)
        scores = self._source.catalogue_scores(requests)
        self._scores = scores
        allowed = allowed_matrix(requests, self._source.n_items)
        return top(scores if allowed is None else np.where(allowed, scores, -np.inf), n, self._source.floor)

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return what the source would, for the very requests that this was made for."""
        self._check(requests)
        if self._scores is None:
            return self._source.score(requests, slates)
        out = np.full(len(slates.items), np.nan, dtype=np.float32)
        known = (slates.items >= 0) & (slates.items < self._source.n_items)
        out[known] = self._scores[slates.request_index[known], slates.items[known]]
        return Slates(slates.items, out, slates.offsets, slates.columns, slates.notes)

    def _check(self, requests: Sequence[Request]) -> None:
        if requests is not self._requests:
            raise ContractError("a prepared generator answers only the requests that it was prepared for")


def as_dense(matrix: Any) -> NDArray[np.float32]:
    """Return a float32 array of a sparse or dense product."""
    dense = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    return np.ascontiguousarray(dense, dtype=np.float32)
