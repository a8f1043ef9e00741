"""What may stand behind `BM25`: one small interface, and the back ends that score in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.candidates import sparse_search
from recsys.candidates.scoring import top
from recsys.embed.words import Terms
from recsys.errors import ConfigError
from recsys.types import Slates

Method = Literal["lucene", "okapi", "bm25+"]
# What rank-bm25 puts in place of a negative idf, as a share of the average one.
NEGATIVE_IDF_SHARE = 0.25


class Backend(Protocol):
    """A searchable catalogue. A score is what an item gets ABOVE an item with none of the query's words.

    That is BM25 itself, except for BM25+, which gives every item of the catalogue the same constant on top.
    """

    def search(self, queries: sparse.csr_array, n: int, allowed: NDArray[np.bool_] | None) -> Slates:
        """Return at most ``n`` rows a query with scores above 0; ``queries`` (b, n_terms), ``allowed`` (b, n_items)."""
        ...

    def given(self, queries: sparse.csr_array, slates: Slates) -> NDArray[np.float32]:
        """Return the score of each given row (m,), all of which the backend knows; 0 without a common word."""
        ...

    def updated(self, terms: Terms, changed: NDArray[np.int64]) -> Backend:
        """Return a backend of the catalogue as it is now; this one stays as it is."""
        ...


class Eager:
    """Scores of every (word, item) pair computed once; a query adds up the rows of its words.

    The scores are those of rank-bm25 for "okapi", its floor for negative idf included, and for "bm25+"; "lucene" is
    the variant whose idf cannot be negative, without the constant factor k1 + 1 (Kamphuis et al. 2020). They are
    float32: equal to about 1e-6. An update computes everything anew, vectorised, so it equals a refit.
    """

    def __init__(self, terms: Terms, method: Method, k1: float, b: float, delta: float) -> None:
        self._settings = (method, k1, b, delta)
        self.index = self._scored(terms)

    def _scored(self, terms: Terms) -> sparse.csr_array:
        method, k1, b, _ = self._settings
        out = sparse.csr_array(terms.counts.T, dtype=np.float64)
        lengths = terms.counts.sum(axis=1)
        norm = k1 * (1 - b + b * lengths / max(lengths.mean() if len(lengths) else 0.0, 1e-9))
        idf = idf_of(terms.frequencies, terms.counts.shape[0], method)
        factor = 1.0 if method == "lucene" else k1 + 1
        out.data = out.data * factor / (out.data + norm[out.indices]) * np.repeat(idf, np.diff(out.indptr))
        return sparse.csr_array(out, dtype=np.float32)

    def search(self, queries: sparse.csr_array, n: int, allowed: NDArray[np.bool_] | None) -> Slates:
        """Return the best rows of each query."""
        return sparse_search.search(self.index, queries, n, allowed)

    def given(self, queries: sparse.csr_array, slates: Slates) -> NDArray[np.float32]:
        """Return the score of each given row."""
        return sparse_search.given(self.index, queries, slates)

    def updated(self, terms: Terms, changed: NDArray[np.int64]) -> Backend:
        """Return a new index of all items."""
        return type(self)(terms, *self._settings)


def idf_of(frequencies: NDArray[np.int64], n_items: int, method: Method) -> NDArray[np.float64]:
    """Return the idf of words that occur in ``frequencies`` (n_terms,) of ``n_items`` items; 0 for words of no item."""
    used = frequencies > 0
    df = np.where(used, frequencies, 1).astype(np.float64)
    if method == "lucene":
        idf = np.log1p((n_items - df + 0.5) / (df + 0.5))
    elif method == "bm25+":
        idf = np.log((n_items + 1) / df)
    else:
        idf = np.log(n_items - df + 0.5) - np.log(df + 0.5)
        average = idf[used].mean() if used.any() else 0.0
        idf = np.where(idf < 0, NEGATIVE_IDF_SHARE * average, idf)
    return np.where(used, idf, 0.0)


class Bm25s(Eager):
    """The same search over the arrays that the bm25s library computes.

    Equal to rank-bm25 for "bm25+", and for "okapi" except for words in more than half of the items, which count 0
    here. Building is slower than `Eager`: it is here to be compared with (Lù 2024, arXiv 2407.03618).
    """

    def _scored(self, terms: Terms) -> sparse.csr_array:
        import bm25s

        method, k1, b, delta = self._settings
        shape = (len(terms.names), terms.counts.shape[0])
        if not terms.counts.nnz:
            return sparse.csr_array(shape, dtype=np.float32)
        name = {"okapi": "robertson"}.get(method, method)
        library = bm25s.BM25(method=name, k1=k1, b=b, delta=delta, dtype="float64")
        ids = _documents(terms, np.arange(shape[0]))
        built = library.build_index_from_ids(list(range(shape[0])), ids, show_progress=False)
        # Robertson's form leaves out the constant k1 + 1 that rank-bm25 has. The library's BM25+ values are already
        # those above an item without the word.
        factor = k1 + 1 if method == "okapi" else 1.0
        parts = (built["data"] * factor, built["indices"], built["indptr"])
        return sparse.csr_array(parts, shape=shape, dtype=np.float32)


class RankBM25:
    """The rank-bm25 library itself, word by word: the slow reference.

    Raises:
        ConfigError: the "lucene" method, which the library does not have.
    """

    def __init__(self, terms: Terms, method: Method, k1: float, b: float, delta: float) -> None:
        import rank_bm25

        if method == "lucene":
            raise ConfigError("bm25: backend 'rank-bm25' has the methods okapi and bm25+, not lucene")
        self._settings = (method, k1, b, delta)
        self._names = terms.names
        self._n_items = terms.counts.shape[0]
        corpus = _documents(terms, np.array(terms.names, dtype=object))
        self._base = delta if method == "bm25+" else 0.0
        self._library: Any = None
        if terms.counts.nnz:
            made = rank_bm25.BM25Plus if method == "bm25+" else rank_bm25.BM25Okapi
            options = {"delta": delta} if method == "bm25+" else {"epsilon": NEGATIVE_IDF_SHARE}
            self._library = made(corpus, k1=k1, b=b, **options)

    def _scores(self, queries: sparse.csr_array) -> NDArray[np.float32]:
        out = np.zeros((queries.shape[0], self._n_items))
        for i in range(queries.shape[0] if self._library is not None else 0):
            part = slice(queries.indptr[i], queries.indptr[i + 1])
            for column, weight in zip(queries.indices[part], queries.data[part], strict=True):
                word = self._names[column]
                constant = self._base * (self._library.idf.get(word) or 0.0)
                # With b = 1 the library divides 0 by 0 for an item without words.
                with np.errstate(invalid="ignore"):
                    out[i] += weight * np.nan_to_num(self._library.get_scores([word]) - constant)
        return out.astype(np.float32)

    def search(self, queries: sparse.csr_array, n: int, allowed: NDArray[np.bool_] | None) -> Slates:
        """Return the best rows of each query."""
        scores = self._scores(queries)
        return top(scores if allowed is None else np.where(allowed, scores, -np.inf), n, 0.0)

    def given(self, queries: sparse.csr_array, slates: Slates) -> NDArray[np.float32]:
        """Return the score of each given row."""
        return self._scores(queries)[slates.request_index, slates.items]

    def updated(self, terms: Terms, changed: NDArray[np.int64]) -> Backend:
        """Return a new index of all items."""
        return type(self)(terms, *self._settings)


def _documents(terms: Terms, tokens: NDArray[Any]) -> list[list[Any]]:
    """Return each item as the list of its words, each as often as it occurs, taken from ``tokens`` (n_terms,)."""
    counts = terms.counts
    repeated = tokens[np.repeat(counts.indices, counts.data.astype(np.int64))].tolist()
    ends = np.concatenate([[0], np.cumsum(counts.data, dtype=np.int64)])[counts.indptr]
    return [repeated[lo:hi] for lo, hi in pairwise(ends.tolist())]


def _tantivy(terms: Terms, method: Method, k1: float, b: float, delta: float) -> Backend:
    from recsys.candidates.bm25_tantivy import Tantivy

    return Tantivy(terms, method, k1, b)


BACKENDS: Mapping[str, Callable[[Terms, Method, float, float, float], Backend]] = {
    "eager": Eager, "bm25s": Bm25s, "rank-bm25": RankBM25, "tantivy": _tantivy,
}  # fmt: skip
