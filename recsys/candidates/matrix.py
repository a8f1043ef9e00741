"""The user x item matrix that matrix methods are fitted on."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.dataset import Dataset


def user_items(data: Dataset, binary: bool = True) -> sparse.csr_array:
    """Return ``(n_users, n_items)`` float32 of liked events; weights of repeats add up, or count 1 if ``binary``."""
    liked = data.log.liked()
    shape = (liked.n_users, len(data.items))
    out = sparse.csr_array((liked.events.weights.astype(np.float32), (liked.owner, liked.events.rows)), shape=shape)
    out.sum_duplicates()
    if binary:
        out.data[:] = 1.0
    return out
