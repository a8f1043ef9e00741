"""A/B tests with simulated shoppers: what was measured, and whether it is what is true.

Both arms meet the same shoppers with the same luck, so the test is paired. Beside every measured difference stands the
true one: what the same lists bring on average over all luck, which only a simulator can know. A lift alone would say
little: the report also tells whether what simulated shoppers choose is what they like, and how near the lists of both
arms are to their tastes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop import Shop
from recsys.errors import ConfigError
from recsys.eval.arms import Arm, Course, run
from recsys.eval.compare import Effect, effect, holm
from recsys.eval.simulate import Habits
from recsys.fitting import Progress, silent
from recsys.paired import Values, linearised, paired_randomisation

ALPHA = 0.05
SAME = 1e-12
NORMAL_975, NORMAL_80 = 1.96, 0.84  # quantiles
TOP = 10
# What is told of visits, as sums of `Visit.sums`: one over another, or (None) over the shoppers.
METRICS: Mapping[str, tuple[str, str | None]] = {
    "click_rate": ("clicks", "looks"),
    "purchases": ("purchases", None),
    "session_length": ("looks", None),
    "satisfaction": ("graded", "looks"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric of both arms: ``effect`` is that of b against a, ``p`` of the paired randomisation test.

    ``p_holm`` is corrected for the metrics of the report. ``true_a`` and ``true_b`` are means over all luck.
    """

    a: float
    b: float
    effect: Effect
    p: float
    p_holm: float
    true_a: float
    true_b: float

    @property
    def truth(self) -> float:
        """The true difference."""
        return self.true_b - self.true_a

    @property
    def detectable(self) -> float:
        """The smallest difference that a test of this size finds in four cases of five, at p < 0.05."""
        low, high = self.effect.ci95
        return (NORMAL_975 + NORMAL_80) * (high - low) / (2 * NORMAL_975)

    @property
    def covered(self) -> bool:
        """Whether the interval of the difference holds the true one."""
        low, high = self.effect.ci95
        return low - SAME <= self.truth <= high + SAME

    @property
    def verdict(self) -> str:
        """Return "found", "missed" or "wrong way" of a true difference; "none" or "false alarm" where there is none."""
        sure = self.p_holm < ALPHA
        if abs(self.truth) <= SAME:
            return "false alarm" if sure else "none"
        if not sure:
            return "missed"
        return "found" if self.truth * self.effect.difference > 0 else "wrong way"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "a": self.a, "b": self.b, **self.effect.to_dict(), "p": self.p, "p_holm": self.p_holm,
            "truth": {"a": self.true_a, "b": self.true_b, "difference": self.truth}, "covered": self.covered,
            "detectable": self.detectable, "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Whether choices of simulated shoppers follow their true tastes: shares of the catalogue that they like less.

    ``chosen`` of items that were clicked, ``passed`` of those that were looked at in vain; ``auc`` is the chance that a
    shopper likes one of the former more than one of the latter, 0.5 = clicks have nothing to do with taste. None
    without any such item.
    """

    chosen: float | None
    passed: float | None
    auc: float | None


def ab(
    shop: Shop, a: Arm, b: Arm, *, now: int, shoppers: int = 400, visits: int = 1, habits: Habits | None = None,
    feedback: bool = False, independent: bool = False, seed: int = 0, progress: Progress = silent,
) -> dict[str, Any]:  # fmt: skip
    """Return the A/B test of two arms over ``shoppers`` drawn by ``seed``, plain and ready for JSON.

    ``now`` is the epoch second of the first visit. ``feedback``: the engines learn of what happened before the next
    visit, each in a store of its own. ``independent``: each arm has its own luck, as in a real test of two groups;
    what two equal arms then seem to differ by is chance.

    Keys: "metrics" (see `Difference`), "grade@10" (the mean true grade, 0 to 3, of the first ten items of the first
    lists: no luck is in it), "alignment" of each arm, and the protocol.

    Raises:
        ConfigError: see `check`.
    """
    check(shoppers, visits, feedback)
    habits, log = habits or Habits(), shop.dataset.log
    rng = np.random.default_rng(seed)
    users = np.sort(rng.choice(log.n_users, min(shoppers, log.n_users), replace=False))
    courses = []
    for side, arm in enumerate((a, b)):
        luck = (seed, side if independent else 0)
        asked = arm.apart(shop.dataset) if feedback else arm
        courses.append(
            run(asked, shop, users, habits, now=now, visits=visits, feedback=feedback, seed=luck, progress=progress)
        )
    grades = [shop.truth.gains(users, c.first[:, :TOP]).mean(axis=1).astype(np.float64) for c in courses]
    return {
        "a": a.name, "b": b.name, "shoppers": len(users), "visits": visits, "seed": seed, "feedback": feedback,
        "independent": independent, "habits": habits.model_dump(),
        "metrics": {name: one.to_dict() for name, one in differences(courses[0], courses[1], seed=seed).items()},
        f"grade@{TOP}": _compared(grades[0], grades[1], seed),
        "alignment": {"a": asdict(alignment(courses[0])), "b": asdict(alignment(courses[1]))},
    }  # fmt: skip


def check(shoppers: int, visits: int, feedback: bool) -> None:
    """Raise `ConfigError` for fewer than two shoppers, no visit, or feedback without a second visit to show in."""
    if shoppers < 2 or visits < 1:
        raise ConfigError(f"an A/B test needs two shoppers and a visit, got {shoppers} and {visits}")
    if feedback and visits < 2:
        raise ConfigError("feedback shows from the second visit on: ask for --visits 2 or more")


def differences(a: Course, b: Course, seed: int = 0) -> dict[str, Difference]:
    """Return each of `METRICS` of two courses of the same shoppers."""
    pairs = {name: (_values(a.happened, name), _values(b.happened, name)) for name in METRICS}
    p = {name: paired_randomisation(right, left, seed=seed) for name, (left, right) in pairs.items()}
    adjusted = holm(p)
    return {
        name: Difference(
            a=float(left.mean()), b=float(right.mean()), effect=effect(right, left, seed=seed), p=p[name],
            p_holm=adjusted[name], true_a=float(_values(a.expected, name).mean()),
            true_b=float(_values(b.expected, name).mean()),
        )
        for name, (left, right) in pairs.items()
    }  # fmt: skip


def _values(sums: Mapping[str, Values], metric: str) -> Values:
    part, whole = METRICS[metric]
    return sums[part] if whole is None else linearised(sums[part], sums[whole])


def _compared(a: Values, b: Values, seed: int) -> dict[str, Any]:
    found = effect(b, a, seed=seed).to_dict()
    return {"a": float(a.mean()), "b": float(b.mean()), **found, "p": paired_randomisation(b, a, seed=seed)}


def alignment(course: Course) -> Alignment:
    """Return how the choices of a course agree with true tastes."""
    who, tastes, clicked = (np.concatenate(column) for column in zip(*course.looked, strict=True))
    chosen, passed = tastes[clicked], tastes[~clicked]
    return Alignment(
        chosen=float(chosen.mean()) if len(chosen) else None,
        passed=float(passed.mean()) if len(passed) else None,
        auc=_auc(who, tastes, clicked),
    )


def _auc(who: NDArray[np.int64], values: Values, positive: NDArray[np.bool_]) -> float | None:
    """Return the share of pairs (positive, other) of one shopper that ``values`` put in that order."""
    order = np.lexsort((values, who))
    who, positive = who[order], positive[order]
    n = int(who.max(initial=-1)) + 1
    ups, downs = (np.bincount(who[mask], minlength=n) for mask in (positive, ~positive))
    first = np.concatenate([[0], np.cumsum(ups + downs)])[:-1]
    rank = np.arange(len(who)) - first[who] + 1
    right = np.bincount(who[positive], weights=rank[positive], minlength=n) - ups * (ups + 1) / 2
    pairs = float((ups * downs).sum())
    return float(right.sum()) / pairs if pairs else None
