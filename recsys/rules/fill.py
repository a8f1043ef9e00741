"""From pools to lists, place by place: pins, places for new items, and what the caps leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.filters.columns import Labels, columns_of
from recsys.filters.fields import ATTRIBUTES
from recsys.rank.likeness import LocalLabels, chunks
from recsys.rules.model import Cap
from recsys.types import ItemRows

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Wishes:
    """What each list is made of; all (b, p) beside ``rows``, the pools in their order, -1 pads at the end.

    Attributes:
        pinned: the 0-based place at which an item is wanted, -1 = none. turn: which of the pins is first.
        lot: the number by which new items are drawn, smallest first; NaN = not to be explored.
        spare: items that only serve exploration, and fill no other place.
        slots: (b, k) True where a place is kept for a new item.
        held: (b, c) True where a cap holds for a request.
    """

    rows: ItemRows
    pinned: Ints
    turn: Ints
    lot: NDArray[np.float64]
    spare: Bools
    slots: Bools
    held: Bools

    def part(self, which: slice) -> Wishes:
        """Return some of the requests."""
        return Wishes(*(getattr(self, name)[which] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """Lists as made.

    Attributes:
        picks: (b, k) places in the pool, -1 = the list has ended.
        explored: (b, k) True where a new item was drawn.
        capped: (b, p, c) True for items that would have had a place if it were not for a cap.
    """

    picks: Ints
    explored: Bools
    capped: Bools


def fill(wishes: Wishes, caps: Sequence[Cap], items: ItemTable) -> Filled:
    """Return lists of at most k. A place is for the pin that is due, else a new item if it is kept for one, else
    the first that no cap forbids. When none is left, new items come that were to stand further down, then pins."""
    b, k = wishes.slots.shape
    width = wishes.rows.shape[1]
    out = Filled(
        np.full((b, k), -1, dtype=np.int64), np.zeros((b, k), dtype=np.bool_),
        np.zeros((b, width, len(caps)), dtype=np.bool_),
    )  # fmt: skip
    labels = [labels_of(items, cap.field) for cap in caps]
    for part in chunks(wishes.rows, labels, 1):
        counters = [
            _Counter(cap, one, wishes.rows[part], wishes.held[part, c])
            for c, (cap, one) in enumerate(zip(caps, labels, strict=True))
        ]
        _fill(wishes.part(part), counters, Filled(out.picks[part], out.explored[part], out.capped[part]))
    return out


def labels_of(items: ItemTable, field: str) -> Labels:
    """Return the texts that items carry in a field of a cap."""
    columns = columns_of(items)
    if field.startswith(ATTRIBUTES):
        return columns.attribute(field[len(ATTRIBUTES) :]).words
    return {"category": columns.categories, "brand": columns.brands, "parent_id": columns.parents}[field]


class _Counter:
    """Counts the labels of a part of the requests' lists against one cap."""

    def __init__(self, cap: Cap, labels: Labels, rows: ItemRows, held: Bools) -> None:
        local = LocalLabels.of(labels, rows)
        # (b, p, l): whether an item carries a label that counts.
        self.carries = local.dense(rows.shape[1]) > 0
        self.carries &= held[:, None, None]
        if cap.value is not None:
            self.carries &= (local.codes == labels.codes.get(cap.value, -2))[:, None, :]
        self.at_most = cap.at_most
        self.counts = np.zeros(local.codes.shape, dtype=np.int64)

    def reserve(self, pinned: Bools) -> None:
        """Count the pins from the start, wherever they will stand."""
        self.counts += (self.carries & pinned[:, :, None]).sum(axis=1)

    def add(self, picked: Ints, which: Bools) -> None:
        """Count one more item in some of the lists."""
        each = np.flatnonzero(which)
        self.counts[each] += self.carries[each, picked[each]]

    def over(self) -> Bools:
        """Return (b, p), True where one more item would be over the cap."""
        full = self.counts >= self.at_most
        return np.asarray((self.carries & full[:, None, :]).any(axis=2), dtype=np.bool_)


def _fill(wishes: Wishes, counters: Sequence[_Counter], out: Filled) -> None:
    b, width = wishes.rows.shape
    if not b or not width:
        return
    each = np.arange(b)
    free = wishes.rows >= 0
    for counter in counters:
        counter.reserve(free & (wishes.pinned >= 0))
    for place in range(out.picks.shape[1]):
        over = [counter.over() for counter in counters]
        barred = np.zeros_like(free)
        for one in over:
            barred |= one
        unused = out.explored.sum(axis=1) < wishes.slots.sum(axis=1)
        picked, alive, explored, passed = _next(wishes, free, barred, place, unused)
        for c, one in enumerate(over):
            out.capped[:, :, c] |= passed & one
        if not alive.any():
            break
        out.picks[alive, place] = picked[alive]
        out.explored[:, place] = explored & alive
        free[each[alive], picked[alive]] = False
        for counter in counters:
            counter.add(picked, alive & (wishes.pinned[each, picked] < 0))


def _next(
    wishes: Wishes, free: Bools, barred: Bools, place: int, unused: Bools
) -> tuple[Ints, Bools, Bools, Bools]:  # fmt: skip
    """Return (b,) the next items, whether there is one, whether it is explored; (b, p) whom only a cap holds back.

    ``unused`` (b,): fewer new items were drawn than there are places for them; when the list would end, they come.
    """
    each, width = np.arange(len(free)), free.shape[1]
    last = np.iinfo(np.int64).max
    pin = np.argmin(np.where(free, wishes.turn, last), axis=1)
    pins_left = free[each, pin] & (wishes.pinned[each, pin] >= 0)
    due = pins_left & (wishes.pinned[each, pin] <= place)

    eligible = free & ~barred & (wishes.pinned < 0)
    usual = eligible & ~wishes.spare
    first = np.argmax(usual, axis=1)
    found = usual[each, first]

    lots = np.where(eligible & ~np.isnan(wishes.lot), wishes.lot, np.inf)
    new = np.argmin(lots, axis=1)
    explored = ~due & (wishes.slots[:, place] | ~found) & unused & np.isfinite(lots[each, new])
    picked = np.where(due, pin, np.where(explored, new, np.where(found, first, pin)))

    ahead = np.arange(width) < np.where(found, first, width)[:, None]
    passed = free & ahead & (wishes.pinned < 0) & ~wishes.spare & (~due & ~explored)[:, None]
    return picked, due | explored | found | pins_left, explored, passed
