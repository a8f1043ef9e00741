"""What the list-wise model learns from: sequences for the text encoder, lists for the head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import EventLog
from recsys.history import stack
from recsys.training.sequences import sampled
from recsys.types import Request

Batch = Mapping[str, NDArray[Any]]
Arrays = Mapping[str, NDArray[Any]]


def sequences(parts: Iterable[NDArray[np.int32]], history: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and next rows (s, history), -1 pads at the end, of the latest events of each part."""
    kept = [np.asarray(p[-(history + 1) :], dtype=np.int64) for p in parts if len(p) > 1]
    rows = np.full((len(kept), history), -1, np.int64)
    following = rows.copy()
    for i, part in enumerate(kept):
        rows[i, : len(part) - 1], following[i, : len(part) - 1] = part[:-1], part[1:]
    return rows, following


def log_sequences(log: EventLog, history: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `sequences` of what each shopper of ``log`` liked, in order."""
    liked = log.liked()
    rows = liked.events.rows
    return sequences((rows[a:b] for a, b in zip(liked.offsets[:-1], liked.offsets[1:], strict=True)), history)


def sequence_batches(
    rows: NDArray[np.int64], following: NDArray[np.int64], n_items: int, size: int, negatives: int
) -> Callable[[np.random.Generator], Iterator[Batch]]:
    """Return one epoch of batches for `TextEncoder.losses`: all next items of the batch and others drawn at random."""
    chosen = following[following >= 0]
    share = np.bincount(chosen, minlength=n_items) / max(1, len(chosen))

    def epoch(rng: np.random.Generator) -> Iterator[Batch]:
        order = rng.permutation(len(rows))
        for begin in range(0, len(order), size):
            part = order[begin : begin + size]
            yield sampled(rows[part], following[part], share, negatives, rng)

    return epoch


def list_batches(lists: Arrays, size: int) -> Callable[[np.random.Generator], Iterator[Batch]]:
    """Return one epoch of batches of ``lists`` (arrays with a row a list) for `ListHead.losses`."""

    def epoch(rng: np.random.Generator) -> Iterator[Batch]:
        order = rng.permutation(len(lists["prior"]))
        for begin in range(0, len(order), size):
            part = order[begin : begin + size]
            yield {name: values[part] for name, values in lists.items()}

    return epoch


def histories(
    requests: Sequence[Request], length: int, n_items: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Return the latest ``length`` known liked rows of each request (b, length), mask, and 1 at the latest one."""
    every = stack(requests, n_items=n_items)
    liked = every.weights > 0
    owner, items = every.owner[liked], every.rows[liked]
    ends = np.cumsum(np.bincount(owner, minlength=len(requests)))
    back = ends[owner] - 1 - np.arange(len(items))  # 0 = the latest
    recent = back < length
    owner, items, back = owner[recent], items[recent], back[recent]
    count = np.bincount(owner, minlength=len(requests))
    rows = np.zeros((len(requests), length), np.int64)
    mask = np.zeros((len(requests), length), np.float32)
    last = mask.copy()
    place = count[owner] - 1 - back
    rows[owner, place], mask[owner, place] = items, 1
    last[owner[back == 0], place[back == 0]] = 1
    return rows, mask, last
