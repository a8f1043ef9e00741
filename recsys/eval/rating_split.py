"""Folds of ratings: every rating counts, the low ones too, which folds of choices leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError, DataError
from recsys.rate.ratings import Ratings

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class RatingSplit:
    """What is learned from, what chooses settings, and what is measured once; no rating is in two of them."""

    name: str
    train: Ratings
    valid: Ratings
    test: Ratings


def random(ratings: Ratings, seed: int) -> tuple[Mask, Mask]:
    """Return what is validation and what is test: each a tenth of the ratings, drawn at random."""
    place = np.random.default_rng(seed).permutation(len(ratings)) / len(ratings)
    return (place >= 0.8) & (place < 0.9), place >= 0.9


def global_time(ratings: Ratings, seed: int) -> tuple[Mask, Mask]:
    """Return what is validation and what is test: the last tenth before the last tenth in time, and the last."""
    valid, test = np.quantile(ratings.times, (0.8, 0.9), method="higher")
    return (ratings.times >= valid) & (ratings.times < test), ratings.times >= test


def leave_one_out(ratings: Ratings, seed: int) -> tuple[Mask, Mask]:
    """Return what is validation and what is test: everybody's second last and last rating, of who has three."""
    counts = np.bincount(ratings.users, minlength=ratings.n_users)
    order = np.lexsort((np.arange(len(ratings)), ratings.times, ratings.users))
    left = np.empty(len(ratings), dtype=np.int64)
    left[order] = np.cumsum(counts)[ratings.users[order]] - np.arange(len(ratings))
    enough = counts[ratings.users] >= 3
    return enough & (left == 2), enough & (left == 1)


SPLITS: Mapping[str, Callable[[Ratings, int], tuple[Mask, Mask]]] = {
    "random": random, "global-time": global_time, "leave-one-out": leave_one_out,
}  # fmt: skip


def split_ratings(ratings: Ratings, name: str, seed: int = 0) -> RatingSplit:
    """Return the folds of a protocol by name.

    Raises:
        ConfigError: an unknown name. DataError: a fold without ratings.
    """
    if name not in SPLITS:
        raise ConfigError(f"split of ratings must be one of {', '.join(SPLITS)}; got {name!r}")
    valid, test = SPLITS[name](ratings, seed)
    folds = [ratings.take(mask) for mask in (~valid & ~test, valid, test)]
    if not all(len(f) for f in folds):
        raise DataError(f"{len(ratings)} ratings are too few, or of too few moments, for the split {name}")
    return RatingSplit(name, *folds)
