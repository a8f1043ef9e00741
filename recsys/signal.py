"""What an event says about taste: a signed weight, and what a later dislike takes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.types import KIND_CODES, KINDS

# Explicit statements count fully, intent partly, an impression says nothing on its own.
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "interaction": 1.0, "view": 0.3, "click": 0.3, "cart": 0.6, "purchase": 1.0, "like": 1.0,
    "dislike": -1.0, "return": -1.0, "not-interested": -1.0, "remove-from-cart": -0.3, "impression": 0.0,
    "forget": 0.0,
}  # fmt: skip
RATING = KIND_CODES["rating"]
FORGET = KIND_CODES["forget"]


def check_weights(weights: dict[str, float]) -> dict[str, float]:
    """Return ``weights`` if each is a finite number of a known kind: a misspelt kind would silently do nothing.

    Raises:
        ValueError: one is not.
    """
    for kind, weight in weights.items():
        if kind not in KIND_CODES or not math.isfinite(weight):
            raise ValueError(f"needs finite weights of {', '.join(KINDS)}; got {kind} = {weight!r}")
    return weights


def rating_weight(values: NDArray[np.floating[Any]], low: float, high: float) -> NDArray[np.float32]:
    """Return 1 for ratings of at least ``high``, -1 for those of at most ``low``, 0.3 between."""
    out = np.full(len(values), 0.3, dtype=np.float32)
    out[values >= high] = 1.0
    out[values <= low] = -1.0
    return out


def preference(
    kinds: NDArray[np.int8],
    values: NDArray[np.float32],
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    rating_low: float = 2.0,
    rating_high: float = 3.5,
) -> NDArray[np.float32]:
    """Return the signed weight of each event, shape ``(n,)``.

    Every kind has a fixed weight except "rating", whose weight follows its value on a scale of 1 to 5.
    """
    table = np.array([weights.get(k, DEFAULT_WEIGHTS.get(k, 0.0)) for k in KINDS], dtype=np.float32)
    out = table[kinds]
    rated = kinds == RATING
    if rated.any():
        out[rated] = rating_weight(values[rated], rating_low, rating_high)
    return out


def take_back(owner: NDArray[np.int64], rows: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return weights in which a dislike or return cancels the same owner's earlier likes of that item.

    A product that came back was no purchase: leaving its +1 beside the -1 would still teach every
    co-occurrence count that the pair goes together. Events are in time order within an owner.
    """
    disliked = np.flatnonzero(weights < 0)
    if not len(disliked):
        return weights
    span = np.int64(rows.max()) + 2
    key = owner * span + rows
    last: dict[int, int] = {}
    for place in disliked.tolist():
        last[int(key[place])] = place
    suspects = np.flatnonzero(np.isin(key, np.fromiter(last, dtype=np.int64, count=len(last))) & (weights > 0))
    out = weights.copy()
    for place in suspects.tolist():
        if place < last[int(key[place])]:
            out[place] = 0.0
    return out


def forget(
    owner: NDArray[np.int64], rows: NDArray[np.int32], kinds: NDArray[np.int8], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return weights in which a "forget" takes all earlier signals of its owner about its item out of the count.

    It says nothing about the item: the shopper only asks not to be judged by it. Events are in time order within an
    owner.
    """
    asked = np.flatnonzero(kinds == FORGET)
    if not len(asked):
        return weights
    key = owner * (np.int64(rows.max()) + 2) + rows
    last = dict(zip(key[asked].tolist(), asked.tolist(), strict=True))  # the last request of each pair wins
    concerned = np.flatnonzero(np.isin(key, key[asked]))
    out = weights.copy()
    out[[place for place in concerned.tolist() if place < last[int(key[place])]]] = 0.0
    return out
