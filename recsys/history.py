"""Histories of a batch of requests as one sparse profile: what every item-to-item method multiplies with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.types import ItemRows, Offsets, Request, RowMask, offsets_of


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """All events with a signal of a batch, flat.

    ``age`` counts the signals that came after, 0 = the latest; ``place`` is the position in the request's history.
    """

    rows: ItemRows
    weights: NDArray[np.float32]
    times: NDArray[np.int64]
    age: NDArray[np.int32]
    place: NDArray[np.int32]
    offsets: Offsets

    @property
    def owner(self) -> NDArray[np.int64]:
        """(n,) the request of each event."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), np.diff(self.offsets))


def stack(requests: Sequence[Request], limit: int | None = None, n_items: int | None = None) -> Histories:
    """Return the histories of all requests, flat; at most the latest ``limit`` signals of each.

    Rows from ``n_items`` on are left out: the caller was fitted before they existed. They still make others older.
    """
    if not requests:
        return _EMPTY
    lengths = np.array([len(r.history) for r in requests], dtype=np.int64)
    rows = np.concatenate([r.history.rows for r in requests])
    weights = np.concatenate([r.history.weights for r in requests])
    times = np.concatenate([r.history.times for r in requests])
    starts = offsets_of(lengths)
    place = (np.arange(len(rows)) - np.repeat(starts[:-1], lengths)).astype(np.int32)
    owner = np.repeat(np.arange(len(requests)), lengths)
    signal = (weights != 0) & (rows >= 0)
    rows, weights, times, place, owner = rows[signal], weights[signal], times[signal], place[signal], owner[signal]
    offsets = offsets_of(np.bincount(owner, minlength=len(requests)))
    age = (np.repeat(offsets[1:], np.diff(offsets)) - 1 - np.arange(len(rows))).astype(np.int32)
    if limit is not None or n_items is not None:
        keep = np.ones(len(rows), dtype=np.bool_) if limit is None else age < limit
        if n_items is not None:
            keep &= rows < n_items
        rows, weights, times, place, age = rows[keep], weights[keep], times[keep], place[keep], age[keep]
        offsets = offsets_of(np.bincount(owner[keep], minlength=len(requests)))
    return Histories(rows, weights, times, age, place, offsets)


_EMPTY = Histories(
    np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int64),
    np.empty(0, np.int32), np.empty(0, np.int32), np.zeros(1, np.int64),
)  # fmt: skip


def profile(
    requests: Sequence[Request], n_items: int, decay: float, limit: int | None = None, normalise: bool = False
) -> sparse.csr_array:
    """Return ``(b, n_items)`` float32: each history item's weight x ``decay ** age``, summed over repeats.

    Rows beyond ``n_items`` are left out: the component was fitted before they existed. With ``normalise`` the
    absolute weights of each request sum to 1.
    """
    h = stack(requests, limit, n_items)
    values = h.weights * np.float32(decay) ** h.age.astype(np.float32)
    if normalise:
        owner = h.owner
        total = np.bincount(owner, weights=np.abs(values), minlength=len(requests))
        values = values / total[owner]
    index = h.offsets.astype(np.int32)  # the type of the rows, as in `recsys.artifacts.read_sparse`
    out = sparse.csr_array((values.astype(np.float32), h.rows.copy(), index), shape=(len(requests), n_items))
    out.sum_duplicates()
    return out


def allowed_matrix(requests: Sequence[Request], n_items: int) -> NDArray[np.bool_] | None:
    """Return ``(b, n_items)``, True where a row may be shown, or None when nothing is masked.

    A mask may be longer (the catalogue grew since the fit) but never shorter than ``n_items``.
    """
    masks: list[RowMask | None] = [r.allowed for r in requests]
    if all(m is None for m in masks):
        return None
    full = np.ones(n_items, dtype=np.bool_)
    return np.stack([full if m is None else m[:n_items] for m in masks])
