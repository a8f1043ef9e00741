"""How much each shopper would truly like each item."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.catalogue import Catalogue
from recsys.data.shop.latent import N_AXES, Latent
from recsys.data.shop.shoppers import N_LOYAL, Shoppers

Floats = NDArray[np.float32]

# How much each part counts; all but the last two are about standard normal over items and shoppers.
DEPARTMENT_PART, AXES_PART, ASPECT_PART, PRICE_PART, BRAND_PART = 1.0, 1.2, 0.4, 0.3, 0.5
CARE_SCALE = 6.0  # brings quality, weighted by a shopper's five cares, to about unit deviation


class Tastes:
    """Utilities of one world: department interest, hidden axes, cares, price and loyalty, added up.

    Every part is a product of something about the shopper and something about the item (the price part,
    ``-(level - wish) ** 2``, after multiplying it out), so that all utilities are one matrix product.
    """

    def __init__(self, shoppers: Shoppers, catalogue: Catalogue, latent: Latent) -> None:
        n_departments = shoppers.interest.shape[1]
        interest = DEPARTMENT_PART * np.log(n_departments * shoppers.interest + 0.12)
        sense, wish, level = PRICE_PART * shoppers.price_sense, shoppers.price_taste, catalogue.price_level
        loyal = np.zeros((len(shoppers), len(catalogue.brands)), dtype=np.float32)
        np.put_along_axis(loyal, shoppers.loyal, BRAND_PART, axis=1)
        self._shoppers = np.column_stack([
            interest, shoppers.axes * (AXES_PART / N_AXES**0.5), shoppers.cares * (ASPECT_PART * CARE_SCALE),
            loyal, -sense, 2 * sense * wish, -sense * wish**2,
        ]).astype(np.float32)  # fmt: skip
        self._items = np.column_stack([
            catalogue.department[:, None] == np.arange(n_departments), latent.axes, latent.quality,
            catalogue.brand[:, None] == np.arange(len(catalogue.brands)), level**2, level, np.ones(len(catalogue)),
        ]).astype(np.float32)  # fmt: skip
        self._loyal, self._brand = shoppers.loyal, catalogue.brand
        self._cares, self._quality = shoppers.cares, latent.quality

    def utility(self, users: NDArray[np.integer[Any]], items: NDArray[np.integer[Any]] | None = None) -> Floats:
        """Return how much users (b,) would truly like items: (b, n) for all of them, or (b, k) for (b, k) rows."""
        if items is None:
            return np.asarray(self._shoppers[users] @ self._items.T)
        return np.asarray(np.einsum("bf,bkf->bk", self._shoppers[users], self._items[items]))

    def care(self, users: NDArray[np.integer[Any]], items: NDArray[np.integer[Any]]) -> Floats:
        """Return (b, k) the quality of items (b, k), weighted by what users (b,) care for."""
        return np.asarray(np.einsum("ba,bka->bk", self._cares[users], self._quality[items]))

    def loyal(self, users: NDArray[np.integer[Any]], items: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Return (b, k) whether users (b,) are loyal to the brands of items (b, k)."""
        brand = self._brand[items]
        return np.asarray(np.logical_or.reduce([brand == self._loyal[users, p, None] for p in range(N_LOYAL)]))
