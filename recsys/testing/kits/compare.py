"""When two answers count as the same, and whether a call left its inputs alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np

from recsys.types import Request, Slates

RELATIVE = 1e-4
ABSOLUTE = 1e-6


def close(a: Any, b: Any) -> Any:
    """Return elementwise whether scores agree within float32 noise; NaN agrees with NaN."""
    return np.isclose(a, b, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


def assert_same(a: Any, b: Any, what: str = "the two answers") -> None:
    """Assert that two slates, arrays, or tuples of these are the same up to float noise and near-ties.

    A matrix product over another batch size rounds differently, so two items whose scores differ by less than that
    may change places, also across the cut at n. Nothing else may differ.
    """
    if isinstance(a, tuple | list):
        assert len(a) == len(b), f"{what}: {len(a)} parts against {len(b)}"
        for x, y in zip(a, b, strict=True):
            assert_same(x, y, what)
    elif isinstance(a, Slates):
        assert np.array_equal(a.offsets, b.offsets), f"{what}: lists of length {a.lengths} against {b.lengths}"
        for i in range(len(a)):
            _assert_same_list(a[i], b[i], f"{what}, request {i}")
    else:
        assert np.shape(a) == np.shape(b), f"{what}: shape {np.shape(a)} against {np.shape(b)}"
        agree = np.asarray(close(a, b))
        assert agree.all(), f"{what}: {np.asarray(a)[~agree][:5]} against {np.asarray(b)[~agree][:5]}"


def _assert_same_list(a: Slates, b: Slates, what: str) -> None:
    agree = close(a.scores, b.scores)
    assert agree.all(), f"{what}: scores {a.scores[~agree]} against {b.scores[~agree]} at {np.flatnonzero(~agree)}"
    place = {int(item): at for at, item in enumerate(b.items)}
    for at, item in enumerate(a.items.tolist()):
        # An item that is missing in b was cut there: then it has to tie with the last one that was not.
        other = b.scores[place.get(item, len(b.items) - 1)]
        assert close(a.scores[at], other), f"{what}: item {item} has {a.scores[at]} against {other}"


def frozen_copy(*values: Any) -> list[bytes]:
    """Return the bytes of every array in requests and slates, to be compared after a call."""
    out = []
    for value in values:
        for part in value if isinstance(value, list | tuple) else [value]:
            out += [array.tobytes() for array in _arrays(part)]
    return out


def _arrays(value: Any) -> list[Any]:
    if isinstance(value, Request):
        h = value.history
        masks = [] if value.allowed is None else [value.allowed]
        return [h.rows, h.times, h.kinds, h.values, h.weights, h.positions, value.context, *masks]
    if isinstance(value, Slates):
        return [value.items, value.scores, value.offsets, *value.columns.values()]
    return [value] if isinstance(value, np.ndarray) else []


def in_threads(calls: Sequence[Callable[[], Any]], rounds: int = 5) -> list[list[Any]]:
    """Run every call in a thread of its own, all starting at once, ``rounds`` times; return the answers of each round.

    An exception in a thread is raised here.
    """
    with ThreadPoolExecutor(len(calls)) as pool:

        def one_round() -> list[Any]:
            gate = Barrier(len(calls))

            def work(call: Callable[[], Any]) -> Any:
                gate.wait()
                return call()

            return list(pool.map(work, calls))

        return [one_round() for _ in range(rounds)]
