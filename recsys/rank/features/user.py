"""Who asks: how much is known about them, and what kind of shopper they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.history import stack
from recsys.rank.features.facts import Facts
from recsys.types import Request, Slates

DAY = 86_400.0


class Users:
    """History length, share of dislikes, days since the latest event, popularity level of what they chose."""

    names = ("user_n_events", "user_dislikes", "user_days_idle", "user_popularity", "user_last_popularity")

    def compute(self, requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[Any]]:
        """Return one (m,) array a name; NaN where the history is empty."""
        h = stack(requests, n_items=len(facts.items))
        b = len(requests)
        count = np.bincount(h.owner, minlength=b).astype(np.float32)
        empty = count == 0
        level = facts.level(h.rows)
        last = np.maximum(h.offsets[1:] - 1, 0)
        now = np.array([r.now for r in requests], dtype=np.int64)

        def per_request(values: NDArray[Any]) -> NDArray[Any]:
            return np.where(empty, np.nan, values)[slates.request_index]

        mean = np.bincount(h.owner, weights=level, minlength=b) / np.maximum(count, 1)
        dislikes = np.bincount(h.owner, weights=h.weights < 0, minlength=b) / np.maximum(count, 1)
        # An empty batch of histories has no last event to look at.
        idle = (now - h.times[last]) / DAY if len(h.rows) else np.zeros(b)
        latest = level[last] if len(level) else np.zeros(b)
        return [
            count[slates.request_index], per_request(dislikes), per_request(idle),
            per_request(mean), per_request(latest),
        ]  # fmt: skip
