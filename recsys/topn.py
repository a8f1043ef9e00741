"""The best n of many scores: one pass with a heap, compiled by numba when first used.

The loops are plain Python functions that numba compiles together; the plain ones are the reference in tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def best(scores: NDArray[np.float32], n: int, floor: float = -np.inf) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return columns and scores, both ``(b, min(n, width))``, best first; -1 and -inf pad.

    Only scores above ``floor`` count, NaN never does. Equal scores are ordered by column.
    """
    b, width = scores.shape
    n = min(n, width)
    columns = np.full((b, n), -1, dtype=np.int64)
    picked = np.full((b, n), -np.inf, dtype=np.float32)
    if n and b:
        rest = np.arange(b)
        if n < width and _mostly_above(scores, floor):
            rest = _by_partition(scores, n, floor, columns, picked)
        if len(rest):
            some, least = np.ascontiguousarray(scores[rest], dtype=np.float32), np.float32(floor)
            found, values = np.full((len(rest), n), -1, np.int64), np.full((len(rest), n), -np.inf, np.float32)
            compiled(best_loop)(some, least, found, values)
            columns[rest], picked[rest] = found, values
    return columns, picked


def _mostly_above(scores: NDArray[np.float32], floor: float) -> bool:
    """Return whether many entries count: then numpy's partition is quicker than a heap, else (mostly 0) far slower."""
    sample = scores[:, :: max(1, scores.shape[1] // 64)]
    return bool(np.count_nonzero(sample > floor) > 0.2 * sample.size)


def _by_partition(
    scores: NDArray[np.float32], n: int, floor: float, columns: NDArray[np.int64], picked: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Fill the rows whose n-th best is no tie; return the others: a partition would choose among equals at will."""
    # NaN is above nothing, so this line drops it too.
    clean = np.where(scores > floor, scores, np.float32(-np.inf))
    place = np.argpartition(clean, clean.shape[1] - n, axis=1)[:, clean.shape[1] - n :]
    values = np.take_along_axis(clean, place, axis=1)
    last = values.min(axis=1, keepdims=True)
    uncut = (last == -np.inf).ravel() | ((clean == last).sum(axis=1) == (values == last).sum(axis=1))
    place, values = place[uncut], values[uncut]
    order = np.lexsort((place, -values), axis=1)
    values = np.take_along_axis(values, order, axis=1)
    columns[uncut] = np.where(values > -np.inf, np.take_along_axis(place, order, axis=1), -1)
    picked[uncut] = values
    return np.flatnonzero(~uncut)


@cache
def compiled(loop: Callable[..., None]) -> Callable[..., None]:
    """Return ``loop`` compiled; it may call the heap functions of this module, and runs without Python's lock."""
    import numba
    from numba.extending import register_jitable

    for helper in (worse, sink, push, finish):
        register_jitable(helper)
    try:
        made: Any = numba.njit(nogil=True, cache=True)(loop)
    except RuntimeError:
        # numba found no folder that it may write to: compile for this process alone.
        made = numba.njit(nogil=True)(loop)
    out: Callable[..., None] = made
    return out


def worse(a: float, i: int, b: float, j: int) -> bool:
    """Return whether score ``a`` of row ``i`` comes after score ``b`` of row ``j``."""
    return a < b or (a == b and i > j)


def sink(rows: NDArray[Any], values: NDArray[Any], size: int, at: int) -> None:
    """Let the entry at ``at`` of a heap of ``size``, worst on top, sink while a child is worse."""
    row, value = rows[at], values[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and worse(values[child + 1], rows[child + 1], values[child], rows[child]):
            child += 1
        if not worse(values[child], rows[child], value, row):
            break
        rows[at], values[at] = rows[child], values[child]
        at = child
    rows[at], values[at] = row, value


def push(rows: NDArray[Any], values: NDArray[Any], size: int, row: int, value: float) -> int:
    """Offer an entry to the best ``len(rows)`` so far, of which there are ``size``; return the new size.

    Entries are unordered until the arrays are full, and a heap with the worst on top from then on.
    """
    n = len(rows)
    if size < n:
        rows[size], values[size] = row, value
        size += 1
        if size == n:
            for at in range(n // 2 - 1, -1, -1):
                sink(rows, values, n, at)
    elif n > 0 and worse(values[0], rows[0], value, row):
        rows[0], values[0] = row, value
        sink(rows, values, n, 0)
    return size


def finish(rows: NDArray[Any], values: NDArray[Any], size: int) -> None:
    """Order the first ``size`` entries that `push` collected, best first."""
    if size < len(rows):
        for at in range(size // 2 - 1, -1, -1):
            sink(rows, values, size, at)
    # The root is the worst of the heap: moving it to the end again and again leaves best first.
    for end in range(size - 1, 0, -1):
        rows[0], rows[end] = rows[end], rows[0]
        values[0], values[end] = values[end], values[0]
        sink(rows, values, end, 0)


def best_loop(
    scores: NDArray[np.float32], floor: float, columns: NDArray[np.int64], picked: NDArray[np.float32]
) -> None:
    """Fill ``columns`` and ``picked`` (b, n), which come padded."""
    for i in range(scores.shape[0]):
        rows, values = columns[i], picked[i]
        size = 0
        for j in range(scores.shape[1]):
            value = scores[i, j]
            # A comparison with NaN is False, so NaN never gets past these lines. The second one spares most calls:
            # a heap costs far more than a look at its top.
            if value > floor and (size < len(rows) or value >= values[0]):
                size = push(rows, values, size, j, value)
        finish(rows, values, size)
