"""What an experiment has come to: what the shoppers of each arm did after they had been shown its lists.

The unit is the shopper: assignment is by shopper, so acts of one are not independent. Arms are compared with the first
by Welch's interval of the difference of means and its p, corrected by Holm over all comparisons (Welch 1947; Holm
1979), and every arm's mean has its bootstrap interval. A check of the split (chi-square) tells a broken assignment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from recsys.eval.compare import holm
from recsys.paired import bootstrap_ci
from recsys.serving.experiments import Experiment

DAY = 86_400
METRICS = ("clicked", "clicks", "purchased", "purchases", "value")
SPLIT_ALPHA = 0.001  # a split that is this unlikely is reported as broken
MIN_SHOPPERS = 2


@dataclass(frozen=True, slots=True)
class Exposure:
    """A list that a shopper was shown, at an epoch second."""

    user: str
    arm: str
    time: int
    list_id: str


@dataclass(frozen=True, slots=True)
class Act:
    """What a shopper did; ``list_id`` is that of the attribution token that came with it, "" without one."""

    user: str
    kind: str
    value: float
    time: int
    list_id: str = ""


def report(name: str, experiment: Experiment, exposures: Iterable[Exposure], acts: Iterable[Act]) -> dict[str, Any]:
    """Return the body of a report, see `recsys.serving.shapes.models.ReportOut`.

    An act counts where it comes within the experiment's window after the first list that its shopper was shown, or
    names one of the experiment's lists. Shoppers who were shown lists of two arms, after a change of the settings, are
    left out and counted in the notes.
    """
    first, arms, lists, of_list = _exposed(exposures)
    mixed = {user for user, theirs in arms.items() if len(theirs) > 1}
    users = {arm: [u for u in first if u not in mixed and arm in arms[u]] for arm in experiment.arms}
    sums = {user: dict.fromkeys(METRICS, 0.0) for user in first}
    for act in acts:
        begin = first.get(act.user)
        if begin is None:
            continue
        within = 0 <= act.time - begin <= experiment.window_days * DAY
        if within or of_list.get(act.list_id) == act.user:
            _count(sums[act.user], act)
    values = {
        arm: {m: np.array([sums[u][m] for u in theirs], dtype=np.float64) for m in METRICS}
        for arm, theirs in users.items()
    }
    notes = [f"{len(mixed)} shoppers were shown lists of more than one arm and are left out."] if mixed else []
    notes += _split(experiment, {arm: len(theirs) for arm, theirs in users.items()})
    return {
        "name": name,
        "arms": [
            {
                "arm": arm, "variant": settings.variant, "shoppers": len(users[arm]), "lists": lists.get(arm, 0),
                "metrics": {m: _mean(v) for m, v in values[arm].items()},
            }
            for arm, settings in experiment.arms.items()
        ],
        "comparisons": _comparisons(values), "notes": notes,
    }  # fmt: skip


def _exposed(
    exposures: Iterable[Exposure],
) -> tuple[dict[str, int], dict[str, set[str]], dict[str, int], dict[str, str]]:
    """Return of each shopper the first time and the arms, how many lists each arm has, and whose each list is."""
    first: dict[str, int] = {}
    arms: dict[str, set[str]] = {}
    lists: dict[str, int] = {}
    of_list: dict[str, str] = {}
    for one in exposures:
        first[one.user] = min(one.time, first.get(one.user, one.time))
        arms.setdefault(one.user, set()).add(one.arm)
        lists[one.arm] = lists.get(one.arm, 0) + 1
        of_list[one.list_id] = one.user
    return first, arms, lists, of_list


def _count(sums: dict[str, float], act: Act) -> None:
    if act.kind in ("click", "view"):
        sums["clicks"] += 1
        sums["clicked"] = 1.0
    elif act.kind == "purchase":
        sums["purchases"] += 1
        sums["purchased"] = 1.0
        sums["value"] += act.value


def _mean(values: NDArray[np.float64]) -> dict[str, Any]:
    if not len(values):
        return {"mean": None, "ci95": None}
    return {"mean": float(values.mean()), "ci95": list(bootstrap_ci(values)) if len(values) >= MIN_SHOPPERS else None}


def _comparisons(values: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> list[dict[str, Any]]:
    control, *others = values
    out = [
        {"metric": metric, "control": control, "arm": arm, **_welch(values[arm][metric], values[control][metric])}
        for arm in others
        for metric in METRICS
        if min(len(values[arm][metric]), len(values[control][metric])) >= MIN_SHOPPERS
    ]
    corrected = holm({str(i): one["p"] for i, one in enumerate(out)})
    for i, one in enumerate(out):
        one["p_holm"] = corrected[str(i)]
    return out


def _welch(arm: NDArray[np.float64], control: NDArray[np.float64]) -> dict[str, Any]:
    difference, base = float(arm.mean() - control.mean()), float(control.mean())
    if not arm.std() and not control.std():  # no spread at all: nothing that a test could measure by
        low = high = difference
        p = 1.0 if not difference else 0.0
    else:
        test = stats.ttest_ind(arm, control, equal_var=False)
        low, high = (float(x) for x in test.confidence_interval(0.95))
        p = float(test.pvalue)
    relative = difference / base if base else None
    return {"difference": difference, "ci95": [low, high], "relative": relative, "p": p}


def _split(experiment: Experiment, counts: Mapping[str, int]) -> list[str]:
    """Return a note where the arms' sizes are not what their weights promise (sample ratio mismatch)."""
    n, weights = sum(counts.values()), [arm.weight for arm in experiment.arms.values()]
    if n < 10 * len(weights):
        return ["Too few shoppers so far to say much."]
    expected: Sequence[float] = [n * w / math.fsum(weights) for w in weights]
    p = float(stats.chisquare(list(counts.values()), expected).pvalue)
    if p >= SPLIT_ALPHA:
        return []
    return [f"The split is not as the weights say (chi-square p = {p:.1e}): look for lost lists before any difference."]
