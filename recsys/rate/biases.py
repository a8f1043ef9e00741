"""Global mean, and damped biases of shoppers and items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from recsys.rate.ratings import Asked, Floats, Ints, Ratings

ROUNDS = 10  # alternations: the biases of ratings at hand change by less than 0.001 after five


def damped_means(values: Floats, owner: Ints, n: int, damping: float) -> Floats:
    """Return (n,) sums of ``values`` by ``owner`` over counts + ``damping``; 0 for who owns nothing."""
    total = np.bincount(owner, values, n)
    count = np.bincount(owner, minlength=n) + damping
    out: Floats = np.divide(total, count, out=np.zeros(n), where=count > 0)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Biases:
    """Rating = ``mean`` + bias of the shopper + bias of the item (Koren 2010, section 2.1, each pulled towards 0).

    ``items`` (n_items,) is all that is kept: a shopper's bias follows from the ratings that they show.
    """

    mean: float
    items: Floats
    damping: float

    @classmethod
    def fit(cls, ratings: Ratings, user_damping: float, item_damping: float) -> Self:
        """Alternate between both; the dampings count as so many ratings at the mean."""
        mean = float(ratings.values.mean())
        off = ratings.values - mean
        items = np.zeros(ratings.n_items)
        for _ in range(ROUNDS):
            users = damped_means(off - items[ratings.items], ratings.users, ratings.n_users, user_damping)
            items = damped_means(off - users[ratings.users], ratings.items, ratings.n_items, item_damping)
        return cls(mean, items, user_damping)

    def users(self, shown: Ratings) -> Floats:
        """Return (n_users,) biases that follow from the ratings ``shown``."""
        off = shown.values - self.mean - self.items[shown.items]
        return damped_means(off, shown.users, shown.n_users, self.damping)

    def predict(self, shown: Ratings, asked: Asked) -> Floats:
        """Return (m,) ratings, unclipped, from the ratings ``shown``."""
        return self.mean + self.users(shown)[asked.users] + self.items[asked.items]
