"""Term-at-a-time search of a sparse index: the inner loops, compiled by numba when first used.

An index is a CSR matrix (n_terms, n_docs) of finished scores, queries are a CSR matrix (b, n_terms) of word weights;
a document's score is the weighted sum over the query's words, so only documents that hold one are ever touched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.topn import compiled, finish, push
from recsys.types import Slates, offsets_of

# indptr, indices, data
Arrays = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]


def search(index: sparse.csr_array, queries: sparse.csr_array, n: int, allowed: NDArray[np.bool_] | None) -> Slates:
    """Return the best ``n`` documents of each query, best first, equal scores by row; only scores above 0.

    ``allowed`` is ``(b, n_docs)`` or None.
    """
    b, n_docs = queries.shape[0], index.shape[1]
    n = min(n, n_docs)
    masks = np.empty((0, 0), np.bool_) if allowed is None else np.ascontiguousarray(allowed)
    rows, scores = np.empty((b, n), np.int32), np.empty((b, n), np.float32)
    lengths = np.zeros(b, np.int64)
    if n:  # the loop looks at the first place of each list
        compiled(search_loop)(*arrays(queries), *arrays(index), n_docs, masks, rows, scores, lengths)
    filled = np.arange(n) < lengths[:, None]
    return Slates(rows[filled], scores[filled], offsets_of(lengths))


def given(index: sparse.csr_array, queries: sparse.csr_array, slates: Slates) -> NDArray[np.float32]:
    """Return the score of each given document (m,); 0 where it holds no word of the query. Rows must exist."""
    out = np.zeros(len(slates.items), np.float32)
    offsets = slates.offsets.astype(np.int64)
    compiled(given_loop)(*arrays(queries), *arrays(index), index.shape[1], slates.items.copy(), offsets.copy(), out)
    return out


def arrays(matrix: sparse.csr_array) -> Arrays:
    """Return the three arrays of a CSR matrix in the dtypes that the loops are compiled for."""
    return (
        np.asarray(matrix.indptr, dtype=np.int64),
        np.asarray(matrix.indices, dtype=np.int32),
        np.asarray(matrix.data, dtype=np.float32),
    )


def search_loop(
    q_ptr: NDArray[np.int64],
    q_terms: NDArray[np.int32],
    q_weights: NDArray[np.float32],
    ptr: NDArray[np.int64],
    docs: NDArray[np.int32],
    values: NDArray[np.float32],
    n_docs: int,
    masks: NDArray[np.bool_],
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
    lengths: NDArray[np.int64],
) -> None:
    """Fill ``rows`` and ``scores`` (b, n) and ``lengths`` (b,); runs compiled, and in plain Python alike."""
    total = np.zeros(n_docs, np.float32)
    stamp = np.zeros(n_docs, np.int32)  # the last query that touched a document, counted from 1
    touched = np.empty(n_docs, np.int32)
    for q in range(len(lengths)):
        count = 0
        for p in range(q_ptr[q], q_ptr[q + 1]):
            term, weight = q_terms[p], q_weights[p]
            for e in range(ptr[term], ptr[term + 1]):
                doc = docs[e]
                if stamp[doc] != q + 1:
                    stamp[doc] = q + 1
                    total[doc] = 0
                    touched[count] = doc
                    count += 1
                total[doc] += weight * values[e]
        size = 0
        for i in range(count):
            doc = touched[i]
            if total[doc] <= 0 or (size == rows.shape[1] and total[doc] < scores[q, 0]):
                continue
            if masks.shape[0] == 0 or masks[q, doc]:
                size = push(rows[q], scores[q], size, doc, total[doc])
        finish(rows[q], scores[q], size)
        lengths[q] = size


def given_loop(
    q_ptr: NDArray[np.int64],
    q_terms: NDArray[np.int32],
    q_weights: NDArray[np.float32],
    ptr: NDArray[np.int64],
    docs: NDArray[np.int32],
    values: NDArray[np.float32],
    n_docs: int,
    items: NDArray[np.int32],
    offsets: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` (m,) with the scores of ``items``; runs compiled, and in plain Python alike."""
    total = np.zeros(n_docs, np.float32)
    stamp = np.zeros(n_docs, np.int32)
    for q in range(len(offsets) - 1):
        if offsets[q] == offsets[q + 1]:
            continue
        for p in range(q_ptr[q], q_ptr[q + 1]):
            term, weight = q_terms[p], q_weights[p]
            for e in range(ptr[term], ptr[term + 1]):
                doc = docs[e]
                if stamp[doc] != q + 1:
                    stamp[doc] = q + 1
                    total[doc] = 0
                total[doc] += weight * values[e]
        for i in range(offsets[q], offsets[q + 1]):
            if stamp[items[i]] == q + 1:
                out[i] = total[items[i]]
