"""Items by the words of their texts: the query's words, or those that the history's items stand out by."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_json, read_sparse, write_json, write_sparse
from recsys.candidates.bm25_backends import BACKENDS, Backend, Method, idf_of
from recsys.candidates.scoring import chunks, join
from recsys.dataset import Dataset, ItemTable
from recsys.embed.words import Terms
from recsys.errors import NotFittedError, ShapeMismatch
from recsys.history import allowed_matrix, profile
from recsys.protocols import Delta, Deps, FitOptions
from recsys.types import Request, Slates


class BM25:
    """Lexical match of item texts (Robertson & Zaragoza 2009).

    With ``request.text`` the query is its words, each as often as it is said. Without, it is the decayed sum of the
    words of the history's items, cut to the ``terms`` most informative (largest weight x idf); dislikes subtract.
    A candidate scores above 0; a given item without a common word scores 0, and NaN if it has no text or the
    request has no query. See `recsys.candidates.bm25_backends` for what scores are equal between back ends.
    """

    class Config(BaseModel):
        """``fields`` of an item are read; ``delta`` is for bm25+; ``terms``, ``decay`` and ``limit`` cut histories."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        backend: Literal["eager", "bm25s", "rank-bm25", "tantivy"] = "eager"
        method: Method = "lucene"
        k1: float = Field(1.2, ge=0, le=10)
        b: float = Field(0.75, ge=0, le=1)
        delta: float = Field(1.0, ge=0, le=10)
        fields: Literal["all", "title"] = "all"
        terms: int = Field(32, ge=1)
        decay: float = Field(0.7, gt=0, le=1)
        limit: int = Field(50, ge=1)

    SPACE: ClassVar[dict[str, list[Any]]] = {
        "decay": [0.3, 0.5, 0.7, 0.85],
        "terms": [16, 32, 64, 128],
        "k1": [0.3, 0.6, 1.2, 2.0],
        "b": [0.3, 0.6, 0.75, 0.9],
        "fields": ["all", "title"],
    }

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._terms: Terms | None = None
        self._backend: Backend | None = None
        self._held = sparse.csr_array((0, 0), dtype=np.float32)
        self._idf = np.empty(0, np.float64)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Index the item texts."""
        return self._index(Terms.of(self._texts(data.items, range(len(data.items)))))

    def _index(self, terms: Terms) -> Self:
        c = self.config
        return self._hold(terms, BACKENDS[c.backend](terms, c.method, c.k1, c.b, c.delta))

    def _hold(self, terms: Terms, backend: Backend) -> Self:
        """Keep the index, and what histories are read with: which words an item holds, and what a word is worth."""
        counts = terms.counts
        self._terms, self._backend = terms, backend
        self._held = sparse.csr_array((np.ones_like(counts.data), counts.indices, counts.indptr), shape=counts.shape)
        # The lucene idf: it is never negative, so a word that half the shop uses is merely the last to be chosen.
        self._idf = idf_of(terms.frequencies, counts.shape[0], "lucene")
        return self

    def _texts(self, items: ItemTable, rows: Sequence[int]) -> list[str]:
        if self.config.fields == "title":
            return [items.titles[r] or items.text(r) for r in rows]
        return [items.text(r) for r in rows]

    def _fitted(self) -> tuple[Terms, Backend]:
        if self._terms is None or self._backend is None:
            raise NotFittedError("BM25 is not fitted: call fit() or load() first")
        return self._terms, self._backend

    @property
    def n_items(self) -> int:
        """How many rows are indexed."""
        return int(self._fitted()[0].counts.shape[0])

    def queries(self, requests: Sequence[Request]) -> sparse.csr_array:
        """Return ``(b, n_terms)`` word weights, all above 0; an empty row for a request that gives no words."""
        terms, _ = self._fitted()
        spoken = terms.query([r.text or "" for r in requests])
        silent = [Request() if r.text is not None else r for r in requests]
        weights = profile(silent, terms.counts.shape[0], self.config.decay, self.config.limit)
        return sparse.csr_array(spoken + self._informative(sparse.csr_array(weights @ self._held)))

    def _informative(self, bags: sparse.csr_array) -> sparse.csr_array:
        value = bags.data * self._idf[bags.indices]
        owner = np.repeat(np.arange(bags.shape[0]), np.diff(bags.indptr))
        order = np.lexsort((bags.indices, -value, owner))
        place = np.arange(len(order)) - bags.indptr[owner]
        kept = order[(place < self.config.terms) & (value[order] > 0)]
        return sparse.csr_array((bags.data[kept], (owner[kept], bags.indices[kept])), shape=bags.shape)

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return the best ``n`` allowed items of each request that share a word with its query."""
        _, backend = self._fitted()
        parts = [
            backend.search(self.queries(part), n, allowed_matrix(part, self.n_items))
            for part in chunks(requests, self.n_items)
        ]
        return join(parts) if parts else Slates.of([])

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the score of each given item; NaN for unknown rows, items without text, requests without words."""
        terms, backend = self._fitted()
        queries = self.queries(requests)
        owner, items = slates.request_index, slates.items
        known = (items >= 0) & (items < self.n_items)
        at = items[known]
        known[known] = terms.counts.indptr[at + 1] > terms.counts.indptr[at]
        known &= np.diff(queries.indptr)[owner] > 0
        lengths = np.bincount(owner[known], minlength=len(requests))
        out = np.full(len(items), np.nan, dtype=np.float32)
        out[known] = backend.given(queries, Slates(items[known], out[known], np.append(0, np.cumsum(lengths))))
        return Slates(items, out, slates.offsets, slates.columns, slates.notes)

    def apply(self, delta: Delta) -> Self:
        """Return a generator that knows new and changed items, new words included: the same as after a refit."""
        changed = np.asarray(delta.changed, dtype=np.int64)
        if not len(changed):
            return self
        terms, backend = self._fitted()
        grown = terms.put(changed.tolist(), self._texts(delta.items, changed.tolist()), len(delta.items))
        # Rows between the old end and the new one exist now, described or not.
        touched = np.union1d(changed, np.arange(terms.counts.shape[0], grown.counts.shape[0]))
        return copy.copy(self)._hold(grown, backend.updated(grown, touched))

    def save(self, folder: Path) -> None:
        """Write words, counts and settings: every back end is built from them again in seconds."""
        terms, _ = self._fitted()
        write_json(folder / "config.json", self.config.model_dump())
        write_json(folder / "words.json", list(terms.names))
        write_sparse(folder, "counts", terms.counts)

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote. Raises `ShapeMismatch` if words and counts do not fit together."""
        names, counts = read_json(folder / "words.json"), read_sparse(folder, "counts")
        if counts.shape[1] != len(names):
            raise ShapeMismatch(f"{folder}: {len(names)} words, counts {counts.shape}")
        return cls(cls.Config.model_validate(read_json(folder / "config.json")))._index(Terms.restored(names, counts))
