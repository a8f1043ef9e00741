"""Several sample shops side by side: a larger catalogue, in which shoppers behave as in the small one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.products import tail
from recsys.data.shop import make_shop
from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.ids import Vocabulary
from recsys.types import Events, Review


def copied_shop(copies: int, shoppers: int, seed: int = 0) -> Dataset:
    """Return a shop of ``copies`` sample shops of successive seeds, about 2,300 items each, ``shoppers`` in all.

    Nobody shops in two of them, and each has brands of its own; categories and attribute values are theirs together.
    """
    parts = [make_shop(seed + c, max(1, shoppers // copies)).dataset for c in range(copies)]
    tables = [_renamed(part.items, c) for c, part in enumerate(parts)]
    listed: dict[str, Any] = {n: [v for t in tables for v in getattr(t, n)] for n in _LISTS}
    listed |= {n: np.concatenate([getattr(t, n) for t in tables]) for n in _ARRAYS}
    items = ItemTable(Vocabulary(name for table in tables for name in table.vocabulary), **listed)
    reviews = tuple(_review(one, c) for c, part in enumerate(parts) for one in part.reviews)
    log = _joined([part.log for part in parts], [len(table) for table in tables])
    return Dataset(items, log, reviews, name=f"shop-x{copies}", info=parts[0].info)


_LISTS = ("titles", "texts", "brands", "categories", "parents", "attributes")
_ARRAYS = ("prices", "stock", "created", "available")


def _renamed(items: ItemTable, copy: int) -> ItemTable:
    if not copy:
        return items
    known = sorted(set(items.brands))
    other = dict(zip(known, (w.capitalize() for w in tail()[copy * len(known) :]), strict=False))
    return replace(
        items,
        vocabulary=Vocabulary(f"{name}-{copy}" for name in items.vocabulary),
        titles=[t.replace(b, other[b]) for t, b in zip(items.titles, items.brands, strict=True)],
        texts=[t.replace(b, other[b]) for t, b in zip(items.texts, items.brands, strict=True)],
        brands=[other[b] for b in items.brands],
        parents=[f"{p}-{copy}" if p else "" for p in items.parents],
    )


def _review(review: Review, copy: int) -> Review:
    if not copy:
        return review
    return replace(
        review, user_id=f"{review.user_id}-{copy}", item_id=f"{review.item_id}-{copy}",
        review_id=None if review.review_id is None else f"{review.review_id}-{copy}",
    )  # fmt: skip


def _joined(logs: list[EventLog], sizes: list[int]) -> EventLog:
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    names = ("times", "kinds", "values", "weights", "positions")
    columns: dict[str, Any] = {n: np.concatenate([getattr(log.events, n) for log in logs]) for n in names}
    columns["rows"] = np.concatenate([log.events.rows + begin for log, begin in zip(logs, begins, strict=True)])
    columns["rows"] = columns["rows"].astype(np.int32)
    ids = tuple(f"{i}-{c}" if c else i for c, log in enumerate(logs) for i in log.events.ids)
    events = Events(ids=ids, **columns)
    lengths = np.concatenate([np.diff(log.offsets) for log in logs])
    users = tuple(f"{u}-{c}" if c else u for c, log in enumerate(logs) for u in log.users)
    return EventLog(events, np.append(0, np.cumsum(lengths)), users, logs[0].event_weights)
