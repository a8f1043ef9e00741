"""Base of item-to-item methods: a user's scores are the decayed history times one (n_items, n_items) matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.candidates.scoring import WholeCatalogue, as_dense
from recsys.candidates.sparse_lists import sparse_generate, sparse_score
from recsys.errors import NotFittedError
from recsys.history import profile, stack
from recsys.protocols import Deps
from recsys.types import Request, Slates


class ItemMatrix(WholeCatalogue):
    """Score = sum over the history of weight x ``decay ** age`` x ``matrix[item, candidate]``.

    ``matrix`` is CSR or dense float32, rows are sources and columns are candidates. Because the sum is over
    events, the share of each event is exact (`contributions`). Items without evidence score 0 and are no
    candidates.
    """

    floor = 0.0
    Config: ClassVar[type[Any]]  # has ``decay``, the weight of an event relative to the one after it, and ``limit``

    def __init__(self, config: Any = None) -> None:
        self.config = config or self.Config()
        self.matrix: Any = None

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    @property
    def decay(self) -> float:
        """Weight of an event relative to the one after it."""
        return float(self.config.decay)

    @property
    def limit(self) -> int:
        """How many of the latest events count."""
        return int(self.config.limit)

    def fitted(self) -> Any:
        """Return the matrix. Raises `NotFittedError`."""
        if self.matrix is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit() or load() first")
        return self.matrix

    @property
    def n_items(self) -> int:
        """How many rows the matrix covers."""
        return int(self.fitted().shape[0])

    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)``."""
        matrix = self.fitted()
        return as_dense(profile(requests, self.n_items, self.decay, self.limit) @ matrix)

    def prepared(self, requests: Sequence[Request]) -> Any:
        """Return a generator for these requests alone; a sparse matrix is quicker without the whole catalogue."""
        return self if sparse.issparse(self.fitted()) else super().prepared(requests)

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return the best ``n`` allowed items of each request; a sparse matrix touches only items with evidence."""
        matrix = self.fitted()
        if not sparse.issparse(matrix):
            return super().generate(requests, n)
        return sparse_generate(
            matrix, lambda part: profile(part, self.n_items, self.decay, self.limit), requests, n
        )  # fmt: skip

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the score of each given item, 0 without evidence, NaN for rows that the fit has never seen."""
        matrix = self.fitted()
        if not sparse.issparse(matrix):
            return super().score(requests, slates)
        return sparse_score(matrix, profile(requests, self.n_items, self.decay, self.limit), slates)

    def contributions(self, requests: Sequence[Request], slates: Slates) -> sparse.csr_array:
        """Return ``(m, longest history)``: the share of each history event in each item's score, exactly."""
        matrix = self.fitted()
        h = stack(requests, self.limit)
        width = max((len(r.history) for r in requests), default=0)
        rows, cols, values = [], [], []
        for i in range(len(requests)):
            lo, hi = int(slates.offsets[i]), int(slates.offsets[i + 1])
            part = slice(int(h.offsets[i]), int(h.offsets[i + 1]))
            known = h.rows[part] < self.n_items
            sources, place = h.rows[part][known], h.place[part][known]
            weight = h.weights[part][known] * np.float32(self.decay) ** h.age[part][known]
            items = slates.items[lo:hi]
            seen = np.flatnonzero((items >= 0) & (items < self.n_items))
            block = as_dense(matrix[sources][:, items[seen]]) * weight[:, None]
            at, entry = np.nonzero(block)
            rows.append(lo + seen[entry])
            cols.append(place[at])
            values.append(block[at, entry])
        if not rows:
            return sparse.csr_array((len(slates.items), width), dtype=np.float32)
        index = (np.concatenate(rows), np.concatenate(cols))
        return sparse.csr_array((np.concatenate(values).astype(np.float32), index), shape=(len(slates.items), width))
