"""What an item is, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.rank.features.facts import Facts
from recsys.types import Request, Slates

DAY = 86_400.0


class Items:
    """Popularity level, age, price, how many categories."""

    names = ("item_popularity", "item_age_days", "item_log_price", "item_n_categories")

    def compute(self, requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[Any]]:
        """Return one (m,) array a name; unknown ages and prices are NaN."""
        rows = slates.items
        now = np.array([r.now for r in requests], dtype=np.int64)[slates.request_index]
        created = facts.items.created[rows]
        age = np.where(created > 0, (now - created) / DAY, np.nan)
        return [
            facts.level(rows), age, facts.log_prices[rows], np.diff(facts.categories.indptr)[rows],
        ]  # fmt: skip
