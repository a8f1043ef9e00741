"""Items that rules bring into a list: pins, and new items to explore."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import FOUND
from recsys.dataset import ItemTable
from recsys.rules.model import Explore, Rules
from recsys.types import ItemRows, Notes, Request, Slates, offsets_of

DAY = 86_400
MAX_FRESH = 2_000  # new items that one day draws from; of more, a part is drawn first


def extra(rules: Rules, slates: Slates, requests: Sequence[Request], items: ItemTable, k: int) -> Slates:
    """Return the items that the rules want and the lists lack: pins, and new items to explore; scores are NaN.

    Only what a request allows and the shop offers. They were no candidates, so nothing has scored them; `apply` brings
    them in with `widened`, and they score what the last scored item above them does.
    """
    owners, rows = _pins(rules, requests, items, k)
    if rules.explore is not None:
        more, fresh = _fresh(rules.explore, rules.seed, slates, requests, items, k)
        owners, rows = np.concatenate([owners, more]), np.concatenate([rows, fresh])
    n = max(len(items), int(slates.items.max(initial=0)) + 1)
    key = owners * n + rows
    key = np.unique(key[~np.isin(key, slates.request_index * n + slates.items)])
    owners, rows = np.divmod(key, n)
    return Slates(
        rows.astype(np.int32), np.full(len(rows), np.nan, dtype=np.float32),
        offsets_of(np.bincount(owners, minlength=len(requests))), {FOUND: np.zeros(len(rows), dtype=np.uint64)},
    )  # fmt: skip


def widened(slates: Slates, more: Slates) -> Slates:
    """Return every list with the items of ``more`` behind its own; a column that one of them lacks is unknown there.

    An unknown number is NaN, an unknown count 0.
    """
    if not len(more.items):
        return slates
    owner = np.concatenate([slates.request_index, more.request_index])
    order = np.argsort(owner, kind="stable")
    names = dict.fromkeys([*slates.columns, *more.columns])
    notes: tuple[Notes, ...] = slates.notes
    if more.notes:
        notes = tuple(a.plus(b) for a, b in zip(notes or (Notes(),) * len(slates), more.notes, strict=True))
    return Slates(
        np.concatenate([slates.items, more.items])[order],
        np.concatenate([slates.scores, more.scores])[order],
        offsets_of(slates.lengths + more.lengths),
        {n: np.concatenate([_column(slates, n, more), _column(more, n, slates)])[order] for n in names},
        notes,
    )  # fmt: skip


def _column(slates: Slates, name: str, other: Slates) -> NDArray[Any]:
    if name in slates.columns:
        return slates.columns[name]
    kind = other.columns[name].dtype
    return np.full(len(slates.items), np.nan if kind.kind == "f" else 0, dtype=kind)


def allowed(requests: Sequence[Request], rows: ItemRows) -> NDArray[np.bool_]:
    """Return (b, len(rows)), True where a request allows a row; a mask that is too short allows nothing beyond it."""
    out = np.ones((len(requests), len(rows)), dtype=np.bool_)
    for i, request in enumerate(requests):
        if request.allowed is not None:
            inside = rows < len(request.allowed)
            out[i] = inside & request.allowed[np.where(inside, rows, 0)] if len(request.allowed) else False
    return out


def allowed_entries(requests: Sequence[Request], slates: Slates, items: ItemTable) -> NDArray[np.bool_]:
    """Return (m,), True where a list's request allows its item and the shop offers it."""
    out = (slates.items >= 0) & (slates.items < len(items))
    out[out] = items.available[slates.items[out]]
    for i, request in enumerate(requests):
        if request.allowed is not None:
            part = slice(int(slates.offsets[i]), int(slates.offsets[i + 1]))
            rows = slates.items[part]
            inside = (rows >= 0) & (rows < len(request.allowed))
            out[part][~inside] = False
            out[part][inside] &= request.allowed[rows[inside]]
    return out


def _pins(
    rules: Rules, requests: Sequence[Request], items: ItemTable, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    pins = [pin for pin in rules.pin if pin.position <= k and items.vocabulary.row(pin.item_id) >= 0]
    if not pins or not requests:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rows = items.vocabulary.rows([pin.item_id for pin in pins])
    held = np.stack([pin.applies(requests) for pin in pins], axis=1)
    owner, which = np.nonzero(held & allowed(requests, rows) & items.available[rows])
    return owner, rows[which].astype(np.int64)


def _fresh(
    rule: Explore, seed: int, slates: Slates, requests: Sequence[Request], items: ItemTable, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return owners and rows of new items that a list lacks, twice as many as it has places for them."""
    owners, found = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    wanted = 2 * len(rule.slots(k))
    held = rule.applies(requests)
    moments = np.array([r.now for r in requests], dtype=np.int64)
    # Requests of one call share their moment, those of an evaluation do not.
    for now in np.unique(moments[held]).tolist():
        rows = _new(rule, seed, items, now)
        each = np.flatnonzero(held & (moments == now))
        step = max(1, 2_000_000 // max(1, len(rows)))
        for begin in range(0, len(each), step):
            some = each[begin : begin + step]
            asked = [requests[i] for i in some.tolist()]
            key = draw(seed, asked, np.broadcast_to(rows, (len(some), len(rows))))
            key[~allowed(asked, rows)] = np.inf
            for i, own in zip(some.tolist(), key, strict=True):
                own[np.isin(rows, slates[i].items)] = np.inf
            best = np.argsort(key, axis=1, kind="stable")[:, :wanted]
            real = np.isfinite(np.take_along_axis(key, best, axis=1))
            owners.append(np.repeat(some, real.sum(axis=1)))
            found.append(rows[best[real]].astype(np.int64))
    return np.concatenate(owners), np.concatenate(found)


def _new(rule: Explore, seed: int, items: ItemTable, now: int) -> ItemRows:
    rows = np.flatnonzero(is_new(rule, items, now) & items.available).astype(np.int32)
    if len(rows) > MAX_FRESH:
        today = _mixed(rows.astype(np.uint64), np.uint64(seed & 0xFFFFFFFF) ^ np.uint64(max(0, now // DAY)))
        rows = np.sort(rows[np.argpartition(today, MAX_FRESH)[:MAX_FRESH]])
    return rows


def is_new(rule: Explore, items: ItemTable, now: int | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n_items,), True for items that came within the last days before ``now``."""
    out: NDArray[np.bool_] = (items.created != 0) & (items.created <= now) & (now - items.created <= rule.days * DAY)
    return out


def draw(seed: int, requests: Sequence[Request], rows: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each of ``rows`` (b, f): the same for one shopper on one day, and no pattern else.

    A shopper without a name is told apart by the latest event of the history.
    """
    who = [
        zlib.crc32(r.user.encode("utf-8", "surrogatepass")) if r.user is not None
        else int(r.history.rows[-1]) + 1 if len(r.history) else 0
        for r in requests
    ]  # fmt: skip
    days = [r.now // DAY for r in requests]
    salt = np.array([(w << 20) ^ d ^ (seed << 52) for w, d in zip(who, days, strict=True)], dtype=object)
    mixed = np.array([int(s) & 0xFFFFFFFFFFFFFFFF for s in salt], dtype=np.uint64)
    return (_mixed(rows.astype(np.uint64), mixed[:, None]) >> np.uint64(11)).astype(np.float64) / 2**53


def _mixed(key: NDArray[np.uint64], salt: Any) -> NDArray[np.uint64]:
    """Return numbers without a pattern: splitmix64's finaliser, twice, as in the shuffling control."""
    with np.errstate(over="ignore"):
        out: NDArray[np.uint64] = (key + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) ^ salt
        for _ in range(2):
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                out = (out ^ (out >> np.uint64(shift))) * np.uint64(factor)
            out ^= out >> np.uint64(31)
    return out
