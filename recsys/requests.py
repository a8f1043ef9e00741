"""From histories to requests: which items a shopper may be shown, and the requests of a fold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys.data.splits import Fold, explicit
from recsys.dataset import ItemTable
from recsys.filters import compile_where, where_of
from recsys.filters.where import Where
from recsys.types import Events, ItemRows, Request, RowMask

# Requests that go through the funnel together: masks and dense score rows of a chunk stay below 100 MB.
CHUNK = 512


def seen(history: Events) -> ItemRows:
    """Return the rows of items that were bought, rated, returned or disliked: looks and carts do not hide an item."""
    rows: ItemRows = history.rows[explicit(history)]
    return rows


def compile_filter(items: ItemTable, where: Where = None) -> RowMask:
    """Return ``(n_items,)``, True where an item is available and meets every condition; None asks for stock alone.

    Raises:
        DataError: a filter that cannot be read (`FilterError`, with the place), or bounds that make no sense.
    """
    return compile_where(items, where_of(where))


def without(mask: RowMask, rows: ItemRows) -> RowMask:
    """Return a copy of ``mask`` with ``rows`` not allowed; rows that it does not have are ignored."""
    out = mask.copy()
    # An item may have been added, and chosen, since the mask was made: it has no place in this mask.
    out[rows[(rows >= 0) & (rows < len(mask))]] = False
    return out


def fold_requests(
    fold: Fold, n_items: int, hide_seen: bool, k: int = 10, chunk: int = CHUNK
) -> Iterator[tuple[slice, list[Request]]]:
    """Yield ``(which of the fold's requests, requests)`` in chunks: masks of all at once would not fit.

    Offline, stock and price are those of another day: only seen items are masked.
    """
    everything = np.ones(n_items, dtype=np.bool_)
    for begin in range(0, len(fold), chunk):
        part = slice(begin, min(begin + chunk, len(fold)))
        yield part, [_request(fold, i, everything, hide_seen, k) for i in range(part.start, part.stop)]


def _request(fold: Fold, i: int, everything: RowMask, hide_seen: bool, k: int) -> Request:
    history = fold.history.history(int(fold.users[i]))
    allowed = without(everything, seen(history)) if hide_seen else None
    return Request(history=history, allowed=allowed, now=int(fold.now[i]), k=k)


def labels_of(items: ItemRows, owner: NDArray[np.int64], fold: Fold, part: slice) -> NDArray[np.float32]:
    """Return (m,) 1 where an entry is one of its request's targets; ``owner`` counts from the chunk's first request."""
    targets = fold.targets.take(np.arange(part.start, part.stop))
    width = np.int64(max(items.max(initial=0), targets.rows.max(initial=0))) + 1
    wanted = targets.owner * width + targets.rows
    return np.isin(owner * width + items, wanted[targets.rows >= 0]).astype(np.float32)
