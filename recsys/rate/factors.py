"""Biased matrix factorisation of ratings by alternating least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.rate.biases import damped_means
from recsys.rate.ratings import Asked, Floats, Groups, Ints, Ratings
from recsys.topn import compiled


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Rating = mean + biases + inner product of factors (Koren, Bell, Volinsky 2009), each side solved in turn.

    ``items`` (n_items, 1 + factors): an item's bias, then its factors. A shopper's row is solved from the ratings
    that they show, so nothing about a person is kept.
    """

    class Config(BaseModel):
        """``regularisation`` of the factors grows with the number of ratings to the power ``growth``.

        0 is plain ridge regression, 1 the weighted form of Zhou et al. 2008. Biases are damped as those of `Biases`.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        factors: int = Field(20, ge=1)
        regularisation: float = Field(1.0, gt=0)
        growth: float = Field(0.5, ge=0, le=1)
        user_damping: float = Field(5.0, gt=0)
        item_damping: float = Field(5.0, gt=0)
        epochs: int = Field(10, ge=1)

    config: Config
    mean: float
    items: Floats

    @classmethod
    def fit(cls, ratings: Ratings, config: Config, seed: int = 0) -> Self:
        """Alternate ``config.epochs`` times from small random item factors."""
        mean = float(ratings.values.mean())
        off = ratings.values - mean
        items = np.random.default_rng(seed).normal(0, 0.1, (ratings.n_items, 1 + config.factors))
        items[:, 0] = damped_means(off, ratings.items, ratings.n_items, config.item_damping)
        by_user, by_item = (Groups.of(o, n) for o, n in _sides(ratings))
        for _ in range(config.epochs):
            users = _solved(by_user, ratings.items, off, items, config, config.user_damping)
            items = _solved(by_item, ratings.users, off, users, config, config.item_damping)
        return cls(config, mean, items)

    def users(self, shown: Ratings) -> Floats:
        """Return (n_users, 1 + factors) that follow from the ratings ``shown``; zeros for who shows none."""
        groups = Groups.of(shown.users, shown.n_users)
        return _solved(groups, shown.items, shown.values - self.mean, self.items, self.config, self.config.user_damping)

    def predict(self, shown: Ratings, asked: Asked) -> Floats:
        """Return (m,) ratings, unclipped, from the ratings ``shown``."""
        return self.of_rows(self.users(shown), asked)

    def of_rows(self, folded: Floats, asked: Asked) -> Floats:
        """Return what `predict` does, given what `users` returned."""
        p, q = folded[asked.users], self.items[asked.items]
        out: Floats = self.mean + p[:, 0] + q[:, 0] + np.einsum("mf,mf->m", p[:, 1:], q[:, 1:])
        return out


def _sides(ratings: Ratings) -> tuple[tuple[Ints, int], tuple[Ints, int]]:
    return (ratings.users, ratings.n_users), (ratings.items, ratings.n_items)


def _solved(groups: Groups, other: Ints, off: Floats, rows: Floats, config: Factors.Config, damping: float) -> Floats:
    """Return one side, solved for the other's ``rows``: ratings ``off`` the mean, ``other`` (n,) whom they meet."""
    out = np.zeros((len(groups.offsets) - 1, rows.shape[1]))
    met = other[groups.order]
    left = off[groups.order] - rows[met, 0]
    compiled(_ridges)(groups.offsets, met, left, rows, config.regularisation, config.growth, damping, out)
    return out


def _ridges(
    offsets: Ints, met: Ints, left: Floats, rows: Floats, regularisation: float, growth: float, damping: float,
    out: NDArray[Any],
) -> None:  # fmt: skip
    """Fill ``out`` with a ridge regression a group, on 1 and the factors of whom it meets."""
    width = rows.shape[1]
    for a in range(len(offsets) - 1):
        first, last = offsets[a], offsets[a + 1]
        n = last - first
        if n == 0:
            continue
        x = rows[met[first:last]]
        x[:, 0] = 1.0
        penalty = np.full(width, regularisation * n**growth)
        penalty[0] = damping
        if n < width:  # few ratings: the same solution from a system of n instead of ``width`` equations
            shrunk = x / penalty
            out[a] = shrunk.T @ np.linalg.solve(shrunk @ x.T + np.eye(n), left[first:last])
        else:
            out[a] = np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ left[first:last])
