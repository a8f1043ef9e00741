"""Lists and scores of methods whose scores are a sparse product: only items with evidence are ever touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse

from recsys.candidates.scoring import chunks, join
from recsys.candidates.sparse_search import given, search
from recsys.history import allowed_matrix
from recsys.types import Request, Slates


def sparse_generate(
    index: sparse.csr_array,
    weigh: Callable[[Sequence[Request]], sparse.csr_array],
    requests: Sequence[Request],
    n: int,
) -> Slates:
    """Return the best ``n`` allowed items with a score above 0 of ``weigh(requests) @ index``.

    ``index`` is CSR ``(n_features, n_items)``, ``weigh`` gives CSR ``(b, n_features)``.
    """
    n_items = index.shape[1]
    parts = [search(index, weigh(part), n, allowed_matrix(part, n_items)) for part in chunks(requests, n_items)]
    return join(parts) if parts else Slates.of([])


def sparse_score(index: sparse.csr_array, weights: sparse.csr_array, slates: Slates) -> Slates:
    """Return the slates with the scores of ``weights @ index`` at the given items, NaN for rows beyond the index."""
    out = np.full(len(slates.items), np.nan, dtype=np.float32)
    known = (slates.items >= 0) & (slates.items < index.shape[1])
    if known.all():
        out = given(index, weights, slates)
    elif known.any():
        # Rows that the index lacks are looked up as row 0 and thrown away: the kernel takes no gaps.
        inside = Slates(np.where(known, slates.items, 0).astype(np.int32), slates.scores, slates.offsets)
        out[known] = given(index, weights, inside)[known]
    return Slates(slates.items, out, slates.offsets, slates.columns, slates.notes)
