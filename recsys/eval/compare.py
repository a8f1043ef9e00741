"""Is the difference real, and is it large: bootstrap intervals, paired randomisation tests, Holm, effect sizes.

Sources: Efron 1979 (bootstrap, percentile interval); Smucker, Allan, Carterette 2007 (randomisation test for ranking
metrics); Phipson, Smyth 2010 (the + 1 rule); Holm 1979; Cohen 1988 (d for paired differences).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import ConfigError, DataError
from recsys.paired import bootstrap_ci, differences, paired_randomisation

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Effect:
    """How much better a system is than a baseline, over the same requests.

    ``difference`` is the mean of system - baseline and ``ci95`` its bootstrap interval; ``relative`` that mean over
    the baseline's (None if that is 0); ``d_z`` the mean over the standard deviation of the differences (None if they
    are all equal); ``wins``, ``ties``, ``losses`` count requests.
    """

    difference: float
    ci95: tuple[float, float]
    relative: float | None
    d_z: float | None
    wins: int
    ties: int
    losses: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "ci95": list(self.ci95)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One system against the baseline: ``p`` of the test alone, ``p_holm`` corrected for the whole family."""

    p: float
    p_holm: float
    effect: Effect


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's step-down adjusted p of a family of tests, in the given order; each at most 1.

    Raises:
        DataError: a p outside 0..1.
    """
    for name, value in p.items():
        if not 0 <= value <= 1:
            raise DataError(f"p of {name!r} must lie in 0..1, got {value!r}")
    ordered = sorted(p, key=lambda name: p[name])
    adjusted, worst = {}, 0.0
    for place, name in enumerate(ordered):
        worst = max(worst, min(1.0, (len(ordered) - place) * p[name]))
        adjusted[name] = worst
    return {name: adjusted[name] for name in p}


def effect(system: ArrayLike, baseline: ArrayLike, *, resamples: int = 1000, seed: int = 0) -> Effect:
    """Return the size of the difference; arguments (b,) are one metric of the same requests.

    Raises:
        DataError: shapes differ, no values, or one that is not finite.
    """
    d = differences(system, baseline)
    base = float(np.mean(np.asarray(baseline, dtype=np.float64)))
    spread = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    mean = float(d.mean())
    return Effect(
        difference=mean,
        ci95=bootstrap_ci(d, resamples=resamples, seed=seed),
        relative=mean / base if base else None,
        d_z=mean / spread if spread else None,
        wins=int((d > 0).sum()),
        ties=int((d == 0).sum()),
        losses=int((d < 0).sum()),
    )


def compare(
    values: Mapping[str, ArrayLike], baseline: str, *, flips: int = 10_000, resamples: int = 1000, seed: int = 0
) -> dict[str, Comparison]:
    """Return every other system against ``baseline`` on one metric; together they are one family for Holm.

    Raises:
        ConfigError: the baseline is not among the systems.
    """
    if baseline not in values:
        raise ConfigError(f"baseline {baseline!r} was not measured: choose one of {', '.join(values)}")
    base = values[baseline]
    others = {name: v for name, v in values.items() if name != baseline}
    p = {name: paired_randomisation(v, base, flips=flips, seed=seed) for name, v in others.items()}
    adjusted = holm(p)
    return {
        name: Comparison(p[name], adjusted[name], effect(v, base, resamples=resamples, seed=seed))
        for name, v in others.items()
    }


def versus(
    values: Mapping[str, ArrayLike], families: Mapping[str, Iterable[str]], *, seed: int = 0
) -> dict[str, dict[str, Comparison]]:
    """Return each system's comparisons with each baseline of ``families`` that was measured.

    ``families`` names, by baseline, what is held against it: one family for Holm.
    """
    out: dict[str, dict[str, Comparison]] = {name: {} for name in values}
    for baseline, among in families.items():
        if baseline in values:
            family = {name: values[name] for name in (baseline, *among)}
            for name, found in compare(family, baseline, seed=seed).items():
                out[name][baseline] = found
    return out
