"""Union of all generators' lists, then complete columns: every generator scores every candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.types import Notes, Request, Scores, Slates, offsets_of

FOUND = "found"  # uint64 bit mask: bit i = the i-th generator's own list held the item
FUSED = "fused_score"


def union(found: Mapping[str, Slates], n_requests: int) -> Slates:
    """Return every item that any list holds, once a request, with the column `FOUND`; scores are 0, order by row."""
    owners = [s.request_index for s in found.values()]
    items = [s.items for s in found.values()]
    if not items:
        return Slates.of([[] for _ in range(n_requests)])
    owner = np.concatenate(owners)
    rows = np.concatenate(items)
    width = np.int64(rows.max(initial=0)) + 1
    key, inverse = np.unique(owner * width + rows, return_inverse=True)
    mask = np.zeros(len(key), dtype=np.uint64)
    begin = 0
    for bit, part in enumerate(items):
        # An item occurs once in a list, so plain indexed assignment cannot lose a bit.
        mask[inverse[begin : begin + len(part)]] |= np.uint64(1) << np.uint64(bit)
        begin += len(part)
    offsets = offsets_of(np.bincount(key // width, minlength=n_requests))
    notes: tuple[Notes, ...] = ()
    if any(s.notes for s in found.values()):
        merged = [Notes()] * n_requests
        for s in found.values():
            merged = [a.plus(b) for a, b in zip(merged, s.notes, strict=True)] if s.notes else merged
        notes = tuple(merged)
    return Slates((key % width).astype(np.int32), np.zeros(len(key), np.float32), offsets, {FOUND: mask}, notes)


def score_all(requests: Sequence[Request], slates: Slates, scorers: Mapping[str, Any]) -> Slates:
    """Return the slates with the columns ``<name>_score`` and ``<name>_rank`` of every scorer.

    Scores are NaN where a scorer cannot score. Ranks count from 1 within a request's candidates; equal scores
    share the worst place, and unscored items come after all scored ones.
    """
    columns: dict[str, NDArray[Any]] = dict(slates.columns)
    owner = slates.request_index
    for name, scorer in scorers.items():
        scores = scorer.score(requests, slates).scores
        columns[f"{name}_score"] = scores.copy()
        columns[f"{name}_rank"] = places(scores, owner, slates)
    return Slates(slates.items, slates.scores, slates.offsets, columns, slates.notes)


def places(scores: Scores, owner: NDArray[np.int64], slates: Slates) -> NDArray[np.float32]:
    """Return ``(m,)`` places from 1 within each request, ties pessimistic, NaN last."""
    # One integer key a row sorts several times faster than a two-column sort: request above, score below, and the
    # bits of a float compare like an integer once the negative ones are flipped.
    clean = np.where(np.isnan(scores), -np.inf, scores).astype(np.float32) + np.float32(0)
    bits = clean.view(np.uint32)
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
    order = np.argsort((owner.astype(np.uint64) << np.uint64(32)) | (~rising).astype(np.uint64))
    k, o = clean[order], owner[order]
    place = slates.places + 1
    # The last of a run of equal scores gives its place to the whole run.
    ends = np.flatnonzero(np.append((k[1:] != k[:-1]) | (o[1:] != o[:-1]), True)) if len(k) else np.empty(0, np.int64)
    runs = np.diff(np.concatenate([[-1], ends]))
    out = np.empty(len(order), dtype=np.float32)
    out[order] = np.repeat(place[ends], runs)
    return out


def normalised(scores: Scores, slates: Slates) -> Scores:
    """Return scores divided by the best of their request, negative and NaN ones as 0, so that sources compare."""
    clean = np.where(np.isnan(scores), 0.0, np.maximum(scores, 0.0)).astype(np.float32)
    best = np.zeros(len(slates), dtype=np.float32)
    filled = slates.lengths > 0
    if filled.any():
        best[filled] = np.maximum.reduceat(clean, slates.offsets[:-1][filled])
    share: NDArray[np.float32] = clean / np.repeat(np.where(best > 0, best, np.float32(1)), slates.lengths)
    return share


class Fusion:
    """Weighted sum of max-normalised scores; what has no weight in the settings weighs ``default``."""

    def __init__(self, weights: Mapping[str, float] | None = None, default: float = 1.0) -> None:
        self.weights = dict(weights or {})
        self.default = default

    def fuse(self, slates: Slates, names: Sequence[str], n: int | None = None) -> Slates:
        """Return the slates ordered by the fused score, cut to ``n``, with the column `FUSED`."""
        total = np.zeros(len(slates.items), dtype=np.float32)
        for name in names:
            weight = self.weights.get(name, self.default)
            if weight:
                total += np.float32(weight) * normalised(slates.columns[f"{name}_score"], slates)
        return slates.ordered(total, n, **{FUSED: total})
