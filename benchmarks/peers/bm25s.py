"""bm25s: texts indexed and searched as its documentation shows it."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
import Stemmer

from benchmarks.peers.handover import Rows, Values
from benchmarks.peers.handover_search import Finding, Search, main, searched


def finding(search: Search, values: Values) -> Finding:
    """Return a function from queries to lists; ``stem`` adds the English stemmer, all else is the index's own."""
    options = dict(values)
    stemmer = Stemmer.Stemmer("english") if options.pop("stem", False) else None
    index = bm25s.BM25(**options)
    index.index(tokens(search.texts, stemmer), show_progress=False)
    k = min(search.n, len(search.texts))  # more is an error there

    def found(queries: Sequence[str]) -> Rows:
        rows, scores = index.retrieve(tokens(queries, stemmer), k=k, show_progress=False)
        # Texts without any word of the query only fill up what was asked for.
        return np.where(scores > 0, rows, -1).astype(np.int32)

    return found


def tokens(texts: Sequence[str], stemmer: Stemmer.Stemmer | None) -> bm25s.tokenization.Tokenized:
    """Return texts as words, without the library's English stop words."""
    return bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False)


if __name__ == "__main__":
    main("bm25s", ("bm25s", "PyStemmer", "numpy"), lambda search: searched(search, "bm25", finding))
