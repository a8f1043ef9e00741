"""One step of learning what follows what: every next item against the others of its step and some drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sampled(
    rows: NDArray[np.int64], following: NDArray[np.int64], share: NDArray[np.float64], negatives: int,
    rng: np.random.Generator,
) -> Mapping[str, NDArray[Any]]:  # fmt: skip
    """Return a batch for a loss with sampled softmax.

    ``rows`` (b, h) item rows, oldest first, and ``following`` (b, h) what came next, -1 where nothing is to be
    learned; ``share`` (n_items,) of each item among all that come next. The batch: ``rows`` (u,) the items that
    occur, candidates first; ``inverse`` (b, h) places in them; ``mask`` (b, h), 1 where there is an event; ``learn``
    (b, h); ``next`` (p,) places of what came next; ``drawn`` (c,) float32 log of the chance of each candidate to be
    among them, which scores are corrected by (Jean et al. 2015, arXiv 1412.2007).
    """
    learn = following >= 0
    wanted, n = following[learn], len(share)
    candidates = np.unique(np.concatenate([wanted, rng.integers(0, n, negatives)]))
    others = np.setdiff1d(rows[rows >= 0], candidates)
    every = np.concatenate([candidates, others])
    place = np.zeros(n, np.int64)
    place[every] = np.arange(len(every))
    # How likely it is that a draw of this batch's size holds an item.
    chance = 1 - (1 - 1 / n) ** negatives + 1 - np.exp(-len(wanted) * share[candidates])
    return {
        "rows": every, "inverse": np.where(rows >= 0, place[np.maximum(rows, 0)], 0),
        "mask": (rows >= 0).astype(np.float32), "learn": learn, "next": place[wanted],
        "drawn": np.log(np.minimum(chance, 1.0)).astype(np.float32),
    }  # fmt: skip
