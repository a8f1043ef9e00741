"""Orders of a list of products; what is not known comes last."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.types import ItemRows, Slates

Order = Literal["relevance", "price-asc", "price-desc", "newest", "popularity"]
ORDERS: tuple[Order, ...] = get_args(Order)


def keys(
    items: ItemTable, rows: ItemRows, by: Order, popularity: NDArray[np.float32] | None = None
) -> NDArray[np.float64]:
    """Return (m,) what to sort ``rows`` by, higher first, NaN where it is not known; zeros for relevance.

    Raises:
        ConfigError: an unknown order, or popularity without the array (n_items,).
    """
    if by not in ORDERS:
        raise ConfigError(f"sort must be one of {', '.join(ORDERS)}; got {by!r}")
    if by == "relevance":
        return np.zeros(len(rows))
    if by == "newest":
        created = items.created[rows].astype(np.float64)
        return np.where(created == 0, np.nan, created)
    if by == "popularity":
        if popularity is None:
            raise ConfigError("sort 'popularity' needs the popularity of the products")
        out = np.full(len(rows), np.nan)
        known = rows < len(popularity)
        out[known] = popularity[rows[known]]
        return out
    prices = items.prices[rows].astype(np.float64)
    return -prices if by == "price-asc" else prices


def sort(slates: Slates, values: NDArray[np.float64]) -> Slates:
    """Return every list ordered by ``values`` (m,), highest first; NaN last; equal ones by score, then as they came."""
    missing = np.isnan(values)
    scores = np.where(np.isnan(slates.scores), -np.inf, slates.scores)
    order = np.lexsort((-scores, -np.where(missing, 0, values), missing, slates.request_index))
    return Slates(
        slates.items[order], slates.scores[order], slates.offsets,
        {name: column[order] for name, column in slates.columns.items()}, slates.notes,
    )  # fmt: skip
