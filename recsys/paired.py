"""Paired tests and bootstrap intervals of per-request figures.

Sources: Efron 1979 (bootstrap, percentile interval); Smucker, Allan, Carterette 2007 (randomisation test for ranking
metrics); Phipson, Smyth 2010 (the + 1 rule).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import ConfigError, DataError

Values = NDArray[np.float64]

# One draw of random numbers holds at most this many: 32 MB of float64.
CHUNK_CELLS = 4_000_000
# Up to this many distinct values the draws are made per value, with their counts, not per request.
GROUPS = 256


def bootstrap_ci(
    values: ArrayLike, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of the mean of ``values`` (b,) over requests drawn with replacement.

    Raises:
        DataError: no values, or one that is not finite.
        ConfigError: ``level`` outside 0..1 or fewer than one resample.
    """
    flat = checked(values, "values")
    if not 0 < level < 1 or resamples < 1:
        raise ConfigError(f"level must lie between 0 and 1 and resamples be positive, got {level}, {resamples}")
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(flat, return_counts=True)
    if len(distinct) <= GROUPS:
        # Drawing requests is drawing how often each distinct value occurs: the same distribution, far fewer draws.
        means = rng.multinomial(len(flat), counts / len(flat), size=resamples) @ distinct / len(flat)
    else:
        means = np.empty(resamples)
        step = max(1, CHUNK_CELLS // len(flat))
        for at in range(0, resamples, step):
            size = (min(step, resamples - at), len(flat))
            means[at : at + size[0]] = flat[rng.integers(0, len(flat), size, dtype=np.int32)].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_randomisation(a: ArrayLike, b: ArrayLike, *, flips: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p of "a and b are exchangeable within each request", from the mean of a - b.

    Every sign pattern is tried when there are at most ``flips`` of them, and p is exact; else ``flips`` random ones,
    p = (1 + as extreme) / (1 + flips). Requests without a difference cannot matter. Equal systems have p = 1.

    Raises:
        DataError: shapes differ, no values, or one that is not finite.
        ConfigError: ``flips`` is not positive.
    """
    difference = differences(a, b)
    if flips < 1:
        raise ConfigError(f"flips must be positive, got {flips}")
    size = np.abs(difference[difference != 0])
    # Sums of the same numbers in another order differ in their last bits: those are ties, and count as extreme.
    extreme = abs(difference.sum()) - 1e-9 * size.sum()
    if len(size) < 63 and 2 ** len(size) <= flips:
        sums = np.zeros(1)
        for value in size:
            sums = np.concatenate([sums - value, sums + value])
        return float(np.mean(np.abs(sums) >= extreme))
    sums = _flipped_sums(size, flips, np.random.default_rng(seed))
    return float((1 + np.count_nonzero(np.abs(sums) >= extreme)) / (1 + flips))


def _flipped_sums(size: Values, flips: int, rng: np.random.Generator) -> Values:
    """Return (flips,) sums of ``size`` under independent random signs."""
    distinct, counts = np.unique(size, return_counts=True)
    if len(distinct) <= GROUPS:
        # Equal sizes: only how many of them are positive matters, and that is binomial.
        positive = rng.binomial(counts[:, None], 0.5, size=(len(counts), flips))
        grouped: Values = distinct @ (2 * positive - counts[:, None])
        return grouped
    sums = np.empty(flips)
    width = -(-len(size) // 8)
    step = max(1, CHUNK_CELLS // (8 * width))
    for at in range(0, flips, step):
        rows = min(step, flips - at)
        bits = rng.integers(0, 256, (rows, width), dtype=np.uint8)
        signs = np.unpackbits(bits, axis=1, count=len(size))
        sums[at : at + rows] = 2 * (signs.astype(np.float64) @ size) - size.sum()
    return sums


def linearised(parts: ArrayLike, wholes: ArrayLike) -> Values:
    """Return (b,) one value a request whose mean is ``parts.sum() / wholes.sum()``, from both as (b,).

    A ratio of sums is no mean over requests: these values, its first-order expansion (the delta method), are what
    `bootstrap_ci` and `paired_randomisation` may be given in its place.

    Raises:
        DataError: shapes differ, a value is not finite, or ``wholes`` do not sum to more than 0.
    """
    top, under = checked(parts, "parts"), checked(wholes, "wholes")
    if top.shape != under.shape:
        raise DataError(f"a ratio needs both for every request: {len(top)} parts, {len(under)} wholes")
    if not under.sum() > 0:
        raise DataError("a ratio needs wholes that sum to more than 0")
    ratio = top.sum() / under.sum()
    values: Values = ratio + (top - ratio * under) / under.mean()
    return values


def checked(values: ArrayLike, name: str) -> Values:
    """Return (b,) float64 values. Raises `DataError` for another shape, no values, or one that is not finite."""
    flat = np.asarray(values, dtype=np.float64)
    if flat.ndim != 1 or not len(flat):
        raise DataError(f"{name} must be one number a request, shape (b,) with b >= 1; got shape {flat.shape}")
    if not np.isfinite(flat).all():
        raise DataError(f"{name} must be finite, but request {int(np.argmin(np.isfinite(flat)))} is not")
    return flat


def differences(a: ArrayLike, b: ArrayLike) -> Values:
    """Return (b,) a - b. Raises `DataError` where the requests cannot be the same."""
    left, right = checked(a, "a"), checked(b, "b")
    if left.shape != right.shape:
        raise DataError(f"a paired comparison needs the same requests: {len(left)} against {len(right)}")
    return left - right
