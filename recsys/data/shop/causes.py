"""Why something happens in the sample shop: each cause as a distribution over the catalogue.

The simulation draws from these distributions and the oracle adds them up, so both are right about each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.catalogue import END, START, Catalogue
from recsys.data.shop.latent import Latent
from recsys.data.shop.shoppers import Shoppers
from recsys.data.shop.tastes import Floats, Tastes
from recsys.data.shop.vocabulary import departments

# A code is an index into it. "shown" is the cause of an impression: the shop's doing, not the shopper's.
CAUSES = ("shown", "taste", "complement", "aspect", "brand loyalty", "trend", "none")
SHOWN, TASTE, COMPLEMENT, ASPECT, BRAND, TREND, NONE = range(len(CAUSES))
# How often a shopper who is not looking at a list acts for each cause.
SHARES = np.array([0.0, 0.27, 0.30, 0.05, 0.05, 0.05, 0.28])
TASTE_SHARPNESS = 2.3
ASPECT_SHARPNESS = 3.0
N_RECENT = 5
# A purchase two back is remembered as a reason 0.45 times as often as the latest.
RECENT_FADE = 0.45
YEAR_SECONDS = END.timestamp() - START.timestamp()


class Causes:
    """The distributions of one world. ``recent`` is always (b, 5) rows bought, the latest first, -1 = none."""

    def __init__(self, catalogue: Catalogue, latent: Latent, shoppers: Shoppers) -> None:
        self.catalogue, self.latent, self.shoppers = catalogue, latent, shoppers
        self.tastes = Tastes(shoppers, catalogue, latent)
        self._created = catalogue.items.created
        applies = latent.applies.T[None] * (catalogue.department == np.arange(len(departments()))[:, None])[:, None]
        by_aspect = np.exp(ASPECT_SHARPNESS * latent.quality.T)[None] * applies
        self._aspect_cells = _distributions(by_aspect.reshape(-1, len(catalogue)))  # (departments x aspects, n)
        self._cell_exists = applies.any(axis=2).reshape(-1)
        own_brand = catalogue.brand[None, :] == np.arange(len(catalogue.brands))[:, None]
        self._brand_items = _distributions(own_brand * np.sqrt(latent.appeal))  # (brands, n)

    def open(self, time: int) -> Floats:
        """Return (n,) how much each item sells at that time: 0 before it exists, and its department's season."""
        year_share = (time - START.timestamp()) / YEAR_SECONDS
        month = (10 + 12 * year_share) % 12 + 1  # the year begins with November
        swing = np.array([1 + d.swing * np.cos(2 * np.pi * (month - 0.5 - d.peak) / 12) for d in departments()])
        out = (swing / 2)[self.catalogue.department] * (self._created <= time)
        return np.asarray(out, dtype=np.float32)

    def taste(self, users: NDArray[np.int64]) -> Floats:
        """Return (b, n) > 0, proportional to the choice of a shopper who follows taste alone."""
        return np.asarray(np.exp(np.float32(TASTE_SHARPNESS) * self.tastes.utility(users)))

    def sources(self, recent: NDArray[np.int32]) -> Floats:
        """Return (b, 5) the chance of each recent purchase to be the reason for a complement; all 0 without any."""
        weight = np.where(recent >= 0, RECENT_FADE ** np.arange(N_RECENT), 0.0)
        total = weight.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(weight, total, out=np.zeros_like(weight), where=total > 0), dtype=np.float32)

    def complement(self, recent: NDArray[np.int32]) -> Floats:
        """Return (b, n), each row a distribution over what goes with the recent purchases, or all 0."""
        b = len(recent)
        out = np.zeros((b, len(self.catalogue)), dtype=np.float32)
        weight = self.sources(recent)[:, :, None] * self.latent.affinity[recent]
        owner = np.broadcast_to(np.arange(b)[:, None, None], weight.shape)
        np.add.at(out, (owner, self.latent.complements[recent]), weight)
        return out

    def aspect_cells(self, users: NDArray[np.int64]) -> Floats:
        """Return (b, departments x aspects) the chance that each cell is what the shopper looks for."""
        interest, cares = self.shoppers.interest[users], self.shoppers.cares[users]
        cells = (interest[:, :, None] * cares[:, None, :]).reshape(len(users), -1) * self._cell_exists
        total = cells.sum(axis=1, keepdims=True)
        # A shopper may care only for aspects that the shop's departments do not have: then any cell will do.
        out = np.where(total > 0, cells / np.maximum(total, 1e-30), self._cell_exists / self._cell_exists.sum())
        return np.asarray(out, dtype=np.float32)

    def aspect(self, users: NDArray[np.int64]) -> Floats:
        """Return (b, n), each row the distribution of an event that one quality brought about."""
        return self.aspect_cells(users) @ self._aspect_cells

    def brand(self, users: NDArray[np.int64]) -> Floats:
        """Return (b, n), proportional to the choice of a shopper who returns to a brand."""
        return np.asarray(self._brand_items[self.shoppers.loyal[users]].sum(axis=1), dtype=np.float32)

    def trend(self, users: NDArray[np.int64], time: int) -> Floats:
        """Return (b, n), proportional to the choice of a shopper who follows the fashion of the day."""
        interest = self.shoppers.interest[users][:, self.catalogue.department]
        return np.asarray(interest * self.latent.surge(time), dtype=np.float32)

    def none(self) -> Floats:
        """Return (n,), proportional to a choice for no reason that has to do with the shopper."""
        return self.latent.appeal

    def weights(self, cause: int, users: NDArray[np.int64], recent: NDArray[np.int32], time: int) -> Floats:
        """Return (b, n), proportional to the choice for one cause, before season and novelty."""
        if cause == TASTE:
            return self.taste(users)
        if cause == COMPLEMENT:
            return self.complement(recent)
        if cause == ASPECT:
            return self.aspect(users)
        if cause == BRAND:
            return self.brand(users)
        if cause == TREND:
            return self.trend(users, time)
        return np.broadcast_to(self.none(), (len(users), len(self.catalogue)))

    def mixture(self, users: NDArray[np.int64], recent: NDArray[np.int32], time: int) -> Floats:
        """Return (b, n), each row the distribution of the next item that a shopper acts on outside of any list.

        A cause that offers nothing at the time (no purchase to complete, no trend) hands its share to taste.
        """
        out = np.zeros((len(users), len(self.catalogue)), dtype=np.float32)
        share = np.broadcast_to(SHARES, (len(users), len(SHARES))).copy()
        available = self.open(time)
        for cause in (COMPLEMENT, ASPECT, BRAND, TREND, NONE, TASTE):
            weights = self.weights(cause, users, recent, time) * available
            total = weights.sum(axis=1)
            idle = total <= 0
            share[idle, TASTE] += share[idle, cause]
            share[idle, cause] = 0
            out += weights * (share[:, cause] / np.where(idle, 1, total))[:, None].astype(np.float32)
        return out


def _distributions(weights: NDArray[np.floating[Any]]) -> Floats:
    """Return rows of (m, n) weights scaled to sum to 1; a row of zeros stays."""
    return np.asarray(weights / weights.sum(axis=1, keepdims=True).clip(1e-30), dtype=np.float32)
