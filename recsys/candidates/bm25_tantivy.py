"""BM25 through tantivy: items are added and changed in place, in milliseconds, at any catalogue size."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.embed.words import Terms
from recsys.errors import ConfigError
from recsys.types import Slates

# Fixed inside tantivy.
K1, B = 1.2, 0.75
WRITER_BYTES = 64 << 20
# How many times more hits are asked for whenever the mask left too few of them.
FETCH_GROWTH = 4


class Tantivy:
    """A full-text index in memory; scores follow its own BM25 with item lengths rounded to one byte.

    Its scores equal those of the other back ends in neither scale nor last digits; near ties may change places.
    Every instance is a snapshot: `updated` writes into the shared index and returns the next snapshot, an older one
    keeps its answers. An update of a snapshot that is not the latest builds its own index.

    Raises:
        ConfigError: settings other than the "lucene" method with k1 1.2 and b 0.75.
    """

    def __init__(self, terms: Terms, method: str, k1: float, b: float) -> None:
        if (method, k1, b) != ("lucene", K1, B):
            raise ConfigError(f"bm25: backend 'tantivy' has method lucene, k1 {K1} and b {B} alone; leave them out")
        self._shared = _Index()
        self._start(terms, np.arange(terms.counts.shape[0]))

    def _start(self, terms: Terms, changed: NDArray[np.int64]) -> None:
        self._names = terms.names
        self._n_items = terms.counts.shape[0]
        self._version, self._searcher = self._shared.write(terms, changed)

    def updated(self, terms: Terms, changed: NDArray[np.int64]) -> Tantivy:
        """Return the next snapshot."""
        out = object.__new__(type(self))
        with self._shared.lock:
            latest = self._shared.version == self._version
            out._shared = self._shared if latest else _Index()
            out._start(terms, changed if latest else np.arange(terms.counts.shape[0]))
        return out

    def search(self, queries: sparse.csr_array, n: int, allowed: NDArray[np.bool_] | None) -> Slates:
        """Return the best rows of each query."""
        lists, scores = [], []
        for i in range(queries.shape[0]):
            rows, values = self._hits(self._query(queries, i), n, None if allowed is None else allowed[i])
            lists.append(rows)
            scores.append(values)
        return Slates.of(lists, scores)

    def given(self, queries: sparse.csr_array, slates: Slates) -> NDArray[np.float32]:
        """Return the score of each given row."""
        out = np.zeros(len(slates.items), np.float32)
        for i in range(queries.shape[0]):
            part = slice(int(slates.offsets[i]), int(slates.offsets[i + 1]))
            wanted = slates.items[part]
            query = self._query(queries, i)
            if query is None or not len(wanted):
                continue
            rows, values = self._ask(self._shared.among(query, np.unique(wanted).tolist()), len(wanted))
            order = np.argsort(rows)
            place = np.minimum(np.searchsorted(rows[order], wanted), max(len(rows) - 1, 0))
            if len(rows):
                hit = rows[order][place] == wanted
                out[part][hit] = values[order][place[hit]]
        return out

    def _query(self, queries: sparse.csr_array, i: int) -> Any:
        part = slice(queries.indptr[i], queries.indptr[i + 1])
        pairs = [
            (self._names[c], float(w)) for c, w in zip(queries.indices[part], queries.data[part], strict=True) if w > 0
        ]
        return self._shared.any_of(pairs) if pairs else None

    def _ask(self, query: Any, limit: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        hits = self._searcher.search(query, limit, count=False).hits
        rows = self._searcher.fast_field_values("row", [address for _, address in hits])
        return np.array(rows, dtype=np.int32), np.array([s for s, _ in hits], dtype=np.float32)

    def _hits(
        self, query: Any, n: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if query is None or n == 0 or not self._n_items:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        limit = n
        while True:
            limit = min(limit, self._n_items)
            rows, values = self._ask(query, limit)
            complete = len(rows) < limit or limit == self._n_items
            if allowed is not None:
                kept = allowed[rows]
                rows, values = rows[kept], values[kept]
            if complete or len(rows) >= n:
                order = np.lexsort((rows, -values))[:n]
                return rows[order], values[order]
            limit *= FETCH_GROWTH


class _Index:
    """The tantivy index that consecutive snapshots share."""

    def __init__(self) -> None:
        import tantivy

        self._tantivy = tantivy
        # Unsigned fields stop the writer when they are given a Python int: rows are integers.
        self._schema = (
            tantivy.SchemaBuilder()
            .add_integer_field("row", indexed=True, fast=True)
            .add_text_field("words", tokenizer_name="words", index_option="freq")
            .build()
        )
        self._index = tantivy.Index(self._schema)
        # Words were cut by `recsys.embed.words` already.
        analyser = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        self._index.register_tokenizer("words", analyser)
        self.lock = threading.RLock()
        self.version = 0

    def write(self, terms: Terms, rows: NDArray[np.int64]) -> tuple[int, Any]:
        """Put ``rows`` as ``terms`` has them; return the version and its searcher."""
        counts, names = terms.counts, terms.names
        with self.lock:
            writer = self._index.writer(WRITER_BYTES, 1)
            for row in rows.tolist():
                if self.version:
                    writer.delete_documents_by_term("row", row)
                part = slice(counts.indptr[row], counts.indptr[row + 1])
                repeats = zip(counts.indices[part].tolist(), counts.data[part].tolist(), strict=True)
                text = " ".join(" ".join([names[c]] * int(times)) for c, times in repeats)
                writer.add_document(self._tantivy.Document(row=row, words=text))
            writer.commit()
            writer.wait_merging_threads()
            self._index.reload()
            self.version += 1
            return self.version, self._index.searcher()

    def any_of(self, pairs: Sequence[tuple[str, float]]) -> Any:
        """Return a query for items with at least one of the weighted words."""
        query, should = self._tantivy.Query, self._tantivy.Occur.Should
        return query.boolean_query(
            [
                (should, query.boost_query(query.term_query(self._schema, "words", word, "freq"), weight))
                for word, weight in pairs
            ]
        )

    def among(self, query: Any, rows: list[int]) -> Any:
        """Return ``query`` restricted to ``rows``, with the same scores."""
        kind, must = self._tantivy.Query, self._tantivy.Occur.Must
        inside = kind.const_score_query(kind.term_set_query(self._schema, "row", rows), 0.0)
        return kind.boolean_query([(must, query), (must, inside)])
