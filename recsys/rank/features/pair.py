"""How an item meets the history: brand, categories, price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.history import stack
from recsys.rank.features.facts import Facts
from recsys.types import Request, Slates

LIMIT = 20


class Pairs:
    """Shares of the latest liked events with the same brand or category, likeness to the last one, price step."""

    names = (
        "same_brand_as_last", "brand_share", "category_like_last", "category_like_history",
        "category_best", "price_step", "price_step_last",
    )  # fmt: skip

    def compute(self, requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[Any]]:
        """Return one (m,) array a name; NaN where there is no history to compare with."""
        h = stack(requests, LIMIT, len(facts.items))
        liked = h.weights > 0
        event_rows, event_owner = h.rows[liked], h.owner[liked]
        b, n = len(requests), len(facts.items)
        count = np.bincount(event_owner, minlength=b)
        ends = np.cumsum(count)
        starts = ends - count
        # One entry per (candidate, liked event) pair; b x candidates x LIMIT is small: few requests come together.
        owner = slates.request_index
        pairs = count[owner]
        entry = np.repeat(np.arange(len(owner)), pairs)
        begin = np.cumsum(pairs) - pairs
        event = event_rows[np.arange(len(entry)) - np.repeat(begin, pairs) + np.repeat(starts[owner], pairs)]
        item = slates.items[entry]
        same_brand = (facts.brands[item] == facts.brands[event]) & (facts.brands[item] >= 0)
        likeness = self._likeness(facts.categories, item, event, n)
        steps = facts.log_prices[item] - facts.log_prices[event]
        none = pairs == 0
        # Events are oldest first, so the last pair of an entry is the latest event.
        latest = np.maximum(begin + pairs - 1, 0)

        def total(values: NDArray[Any]) -> NDArray[Any]:
            return np.bincount(entry, weights=values, minlength=len(owner))

        def of_last(values: NDArray[Any]) -> NDArray[Any]:
            return np.where(none, np.nan, values[latest] if len(values) else np.nan)

        best = np.full(len(owner), np.nan, dtype=np.float32)
        if len(entry):
            best[~none] = np.maximum.reduceat(likeness, begin[~none])
        with np.errstate(invalid="ignore", divide="ignore"):
            priced = total(~np.isnan(steps))
            step = total(np.nan_to_num(steps)) / priced
            return [
                of_last(same_brand.astype(np.float32)), total(same_brand) / pairs, of_last(likeness),
                total(likeness) / pairs, best, step, of_last(steps),
            ]  # fmt: skip

    @staticmethod
    def _likeness(
        categories: sparse.csr_array, left: NDArray[np.int32], right: NDArray[np.int32], n: int
    ) -> NDArray[np.float32]:
        # Pairs repeat a lot within a batch (popular items): each distinct one is multiplied once.
        key, inverse = np.unique(left.astype(np.int64) * n + right, return_inverse=True)
        product = categories[key // n].multiply(categories[key % n]).sum(axis=1)
        return np.asarray(product, dtype=np.float32).ravel()[inverse]
