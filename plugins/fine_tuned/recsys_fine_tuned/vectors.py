"""Item vectors of who chose what: the collaborative side of soft prompts, without any model to download."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from recsys.dataset import EventLog

WINDOW = 5


def collaborative_vectors(log: EventLog, n_items: int, width: int = 64, seed: int = 0) -> NDArray[np.float32]:
    """Return (n_items, width) vectors of unit length; zeros for items that nobody chose beside another.

    Positive pointwise mutual information of items chosen within `WINDOW` steps of each other by one shopper,
    factorised by a truncated singular value decomposition: what item2vec approximates (Levy and Goldberg 2014).
    Equal logs and seeds give equal vectors. Fewer columns than ``width`` may be used: the rest is 0. For a model that
    is to foresee choices ``log`` must end before them: see `recsys_fine_tuned.tasks.before`.
    """
    liked = log.liked()
    rows, owner = liked.events.rows.astype(np.int64), liked.owner
    pairs = sparse.csr_array((n_items, n_items), dtype=np.float64)
    for step in range(1, WINDOW + 1):
        same = (owner[step:] == owner[:-step]) & (rows[step:] != rows[:-step])
        a, b = rows[:-step][same], rows[step:][same]
        near = sparse.csr_array((np.full(len(a), 1.0 / step), (a, b)), shape=(n_items, n_items))
        pairs = pairs + near + near.T
    out = np.zeros((n_items, width), np.float32)
    rank = min(width, n_items - 1)
    if not pairs.nnz or rank < 1:
        return out
    information = _information(pairs)
    if not information.nnz:
        return out
    start = np.random.default_rng(seed).normal(size=n_items)
    left, values, right = svds(information, k=rank, v0=start, return_singular_vectors=True)
    # Largest first; the sign of a singular pair is free, and fixed here.
    order = np.argsort(-values, kind="stable")
    left, right = left[:, order], right[order]
    left *= np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    found = left * np.sqrt(values[order])
    length = np.linalg.norm(found, axis=1, keepdims=True)
    out[:, :rank] = np.where(length > 1e-6, found / np.maximum(length, 1e-6), 0.0)
    return out


def _information(pairs: sparse.csr_array) -> sparse.csr_array:
    """Return positive pointwise mutual information of a symmetric matrix of counts; usual items a little damped."""
    table = pairs.tocoo()
    totals = np.asarray(pairs.sum(axis=1)).ravel()
    damped = totals**0.75
    row, column = table.coords
    value = np.log(table.data * damped.sum() / (totals[row] * damped[column]))
    keep = value > 0
    made = sparse.csr_array((value[keep], (row[keep], column[keep])), shape=pairs.shape)
    return ((made + made.T) * 0.5).tocsr()
