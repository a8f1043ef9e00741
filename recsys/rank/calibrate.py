"""Lists as mixed as the shopper's history: calibrated recommendations (Steck, RecSys 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.filters.columns import Labels, columns_of
from recsys.history import stack
from recsys.rank.likeness import LocalLabels, chunks
from recsys.rank.places import Places, relevance
from recsys.rank.rearranger import Rearranger
from recsys.types import ItemRows, Request

SMOOTHING = 0.01  # the share of the history's own mix in the list's, so that an empty shelf costs much but not all


class Calibrated(Rearranger):
    """Picks one item after the other: ``(1 - strength) * relevance - strength * KL(history, list so far)``.

    The distributions are over categories: an item's weight is spread evenly over its categories, the history's
    liked events count by weight, the latest most. Without a history the list stays as it is. Relevance and scores
    are as in `recsys.rank.diversify.MMR`.
    """

    class Config(Rearranger.Config):
        """As the base has it; ``decay``: what a step back in history takes."""

        decay: float = Field(0.97, gt=0, le=1)

    def picks(self, requests: Sequence[Request], rows: ItemRows, n: int) -> Places:
        """Return the places of items that are good and as mixed as the history."""
        return calibrated(self.items, requests, rows, self.config.strength, n, self.config.decay)


def calibrated(
    items: ItemTable, requests: Sequence[Request], rows: ItemRows, strength: float, n: int, decay: float = 0.97
) -> Places:
    """Return (b, min(n, p)) places of the pool ``rows`` (b, p) in their new order; -1 where a pool has no more."""
    b, width = rows.shape
    picks = np.full((b, min(n, width)), -1, dtype=np.int64)
    labels = columns_of(items).categories
    for part in chunks(rows, [labels]):
        mix, shares = _distributions(labels, requests[part], rows[part], decay)
        picks[part] = _closest(mix, shares, rows[part] >= 0, strength, picks.shape[1])
    return picks


def _distributions(
    labels: Labels, requests: Sequence[Request], rows: ItemRows, decay: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the history's mix (b, l) and each pool item's (b, p, l), over the categories that a pool can offer."""
    local = LocalLabels.of(labels, rows)
    counts = np.diff(labels.offsets)
    items = rows[local.owner, local.place]
    shares = local.dense(rows.shape[1], (1 / counts[items]).astype(np.float32))

    past = stack(requests, n_items=len(labels))
    liked = (past.weights > 0) & (counts[past.rows] > 0)
    owner, seen = past.owner[liked], past.rows[liked]
    weight = past.weights[liked] * np.float32(decay) ** past.age[liked]
    total = np.bincount(owner, weights=weight, minlength=len(requests))
    lengths = counts[seen]
    begin = np.cumsum(lengths) - lengths
    flat = np.arange(lengths.sum()) - np.repeat(begin, lengths) + np.repeat(labels.offsets[seen], lengths)
    whose = np.repeat(owner, lengths)
    part = np.repeat(weight / total[owner] / lengths, lengths)

    mix = np.zeros(local.codes.shape, dtype=np.float32)
    # Keys rise: the codes of a request are sorted, so the place of a key tells the number of its label.
    real = local.codes >= 0
    keys = (np.arange(len(mix))[:, None] * len(labels.codes) + local.codes)[real]
    wanted = whose * len(labels.codes) + labels.flat[flat]
    at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    found = keys[at] == wanted if len(keys) else np.zeros(len(wanted), dtype=np.bool_)
    np.add.at(mix.ravel(), np.flatnonzero(real.ravel())[at[found]], part[found])
    # What the history lacks has no part in the divergence, and logarithms are all that this costs.
    liked_first = np.argsort(mix == 0, axis=1, kind="stable")[:, : int((mix > 0).sum(axis=1).max(initial=0))]
    return np.take_along_axis(mix, liked_first, axis=1), np.take_along_axis(shares, liked_first[:, None, :], axis=2)


def _closest(
    mix: NDArray[np.float32], shares: NDArray[np.float32], free: NDArray[np.bool_], strength: float, n: int
) -> Places:
    b, width = free.shape
    each, left = np.arange(b), free.copy()
    worth = (1 - np.float32(strength)) * relevance(width)
    listed = np.zeros(mix.shape, dtype=np.float32)
    picks = np.full((b, n), -1, dtype=np.int64)
    for turn in range(n):
        after = (listed[:, None, :] + shares) / np.float32(turn + 1)
        smooth = (1 - SMOOTHING) * after + SMOOTHING * mix[:, None, :]
        # KL up to what is the same for every candidate; a category that the history lacks has no part in it.
        gain = (mix[:, None, :] * np.log(np.where(smooth > 0, smooth, 1))).sum(axis=2)
        value = worth + np.float32(strength) * np.round(gain, 4)
        picked = np.argmax(np.where(left, value, -np.inf), axis=1)
        more = left[each, picked]
        if not more.any():
            break
        picks[more, turn] = picked[more]
        left[each, picked] = False
        listed += shares[each, picked]
    return picks
