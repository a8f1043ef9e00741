"""Stopwatch arithmetic that all benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from recsys.eval.measure import peak_rss_mb

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what ``work`` returns, and its wall seconds."""
    begin = time.perf_counter()
    out = work()
    return out, time.perf_counter() - begin


def each(work: Callable[[Any], Any], things: Iterable[Any]) -> list[float]:
    """Return the wall seconds of ``work`` on each thing."""
    return [timed(lambda thing=thing: work(thing))[1] for thing in things]


def latency(seconds: Sequence[float]) -> dict[str, float]:
    """Return calls per second and percentiles in milliseconds of calls made one after another."""
    ms = 1000 * np.asarray(seconds)
    p50, p95 = np.percentile(ms, (50, 95))
    return {"qps": rounded(1000 / ms.mean()), "p50_ms": rounded(p50), "p95_ms": rounded(p95)}


def rounded(value: float) -> float:
    """Return four significant digits: no timing here has more."""
    return float(f"{float(value):.4g}")


def memory() -> dict[str, float]:
    """Return the peak resident memory of this process so far, in MiB."""
    return {"peak_rss_mb": rounded(peak_rss_mb())}
