"""Accuracy that popular items do not dominate: every target counts by the inverse of its propensity to be seen.

What a log holds of an item grows with how often people came across it, so that a mean over logged targets favours
whoever shows what is popular. Yang et al. 2018 (Unbiased offline recommender evaluation for missing-not-at-random
implicit feedback) weigh a target by 1 / propensity, propensity ~ popularity ** ((gamma + 1) / 2), and divide by the sum
of the weights, not by their number. They do so within each shopper; with one target a shopper nothing would be left of
the weights, so the sum here is over all targets. gamma = 1 makes it plain inverse popularity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError, ShapeMismatch
from recsys.ndcg import DEPTH, worth
from recsys.paired import Values, linearised
from recsys.targets import Targets

GAMMA = 1.0
PREFIX = "debiased_"


def inverse_propensity(targets: Targets, popularity: NDArray[Any], gamma: float = GAMMA) -> Values:
    """Return the weight of each target (t,): (1 + its events in ``popularity`` (n_items,)) ** -((gamma + 1) / 2).

    ``popularity`` counts the fitted log; the 1 is the target itself, without which a new item would weigh without end.
    gamma = -1 weighs all alike.

    Raises:
        ConfigError: gamma is below -1 or not finite.
    """
    if not (np.isfinite(gamma) and gamma >= -1):
        raise ConfigError(f"gamma must be at least -1, got {gamma}")
    known = (targets.rows >= 0) & (targets.rows < len(popularity))
    events = np.zeros(len(targets.rows))
    events[known] = popularity[targets.rows[known]]
    weights: Values = (1 + events) ** (-(gamma + 1) / 2)
    return weights


def debiased(ranks: Values, targets: Targets, weights: Values, k: int = DEPTH) -> dict[str, Values]:
    """Return, per metric, (b,) values whose mean is the self-normalised estimate; see `recsys.paired.linearised`.

    ``ranks`` (t,) are those of `recsys.eval.metrics.target_ranks`, inf for a miss. "debiased_hr@k" is the weighted
    share of targets with rank <= k, "debiased_ndcg@k" the weighted mean of their 1 / log2(1 + rank). With one target a
    request and equal weights they are the means of hr@k and ndcg@k.

    Raises:
        ShapeMismatch: ranks or weights that are not one a target.
    """
    if not len(ranks) == len(weights) == len(targets.rows):
        raise ShapeMismatch(f"{len(targets.rows)} targets, {len(ranks)} ranks, {len(weights)} weights")
    found = ranks <= k
    gains = {"hr": found.astype(np.float64), "ndcg": worth(ranks - 1, k)}
    whole = _sums(targets, weights)
    return {f"{PREFIX}{name}@{k}": linearised(_sums(targets, weights * g), whole) for name, g in gains.items()}


def effective_targets(weights: Values) -> float:
    """Return how many equally weighted targets would be as informative (Kish 1965): far fewer = a noisy estimate."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _sums(targets: Targets, values: Values) -> Values:
    return np.bincount(targets.owner, weights=values, minlength=len(targets)).astype(np.float64, copy=False)
