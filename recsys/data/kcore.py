"""The k-core of a log: the part in which everyone has enough events and everything is chosen often enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def k_core(
    users: NDArray[np.integer[Any]],
    items: NDArray[np.integer[Any]],
    user_events: int,
    item_events: int,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Return the mask (n,) of the largest set of events in which every user and every item has enough of them.

    ``users`` and ``items`` are codes (n,) from 0; a repeated pair counts each time. A user needs ``user_events``
    and an item ``item_events``; 0 and 1 ask for nothing. Where ``counted`` is given, only its events count, and the
    others stay if their user and item do (impressions). Removing one user may leave an item with too few, so both
    sides are cut in turn until nothing changes.
    """
    kept = np.ones(len(users), dtype=np.bool_)
    if not len(users) or max(user_events, item_events) <= 1:
        return kept
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    while True:
        counts = kept if counted is None else kept & counted
        enough_user = np.bincount(users[counts], minlength=n_users) >= user_events
        enough_item = np.bincount(items[counts], minlength=n_items) >= item_events
        still = kept & enough_user[users] & enough_item[items]
        if still.sum() == kept.sum():
            return kept
        kept = still
