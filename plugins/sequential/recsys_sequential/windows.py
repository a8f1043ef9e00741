"""What a sequence model reads of a history: its latest events, cut so that a kept state can be gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import EventLog
from recsys.history import stack
from recsys.types import Request

Rows = NDArray[np.int64]


def start_of(length: int, reach: int) -> int:
    """Return where the window of a history of ``length`` events begins; it holds at most ``reach`` of them.

    It moves in strides of half a window: between two of them a longer history begins as the shorter one did.
    """
    stride = max(1, reach // 2)
    return 0 if length <= reach else -(-(length - reach) // stride) * stride


def windows(requests: Sequence[Request], reach: int, n_items: int) -> list[Rows]:
    """Return the rows that each request's window holds, oldest first: liked events of known items alone."""
    every = stack(requests, n_items=n_items)
    liked = every.weights > 0
    rows = every.rows[liked].astype(np.int64)
    ends = np.cumsum(np.bincount(every.owner[liked], minlength=len(requests)))
    return [part[start_of(len(part), reach) :] for part in np.split(rows, ends[:-1])] if len(requests) else []


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of one shopper, oldest first; those from place ``first`` on are to be foreseen from what precedes them."""

    rows: Rows
    first: int


def training_windows(log: EventLog, reach: int) -> list[Window]:
    """Return windows of at most ``reach`` + 1 liked rows; every event but a shopper's first is foreseen once.

    A later window of a long history begins with some that an earlier one foresaw: what it foresees has a past.
    """
    liked = log.liked()
    rows = liked.events.rows.astype(np.int64)
    out: list[Window] = []
    for begin, end in zip(liked.offsets[:-1].tolist(), liked.offsets[1:].tolist(), strict=True):
        out += _cut(rows[begin:end], reach)
    return out


def _cut(rows: Rows, reach: int) -> Iterator[Window]:
    end, past = len(rows), max(1, reach // 4)
    while end > 1:
        begin = max(0, end - reach - 1)
        yield Window(rows[begin:end], past if begin else 1)
        end = begin + past if begin else 0
