"""Evaluations set side by side: are they of one protocol, and is the difference between their rows real?

Sources: Zou, Donner 2008 (interval of a difference from two intervals); see `recsys.eval.compare` for paired tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError, DataError
from recsys.eval.compare import Effect, effect, holm
from recsys.eval.letters import ALPHA
from recsys.eval.results import Results, Row
from recsys.paired import paired_randomisation

# What makes two figures incomparable when it differs, of the results and of their protocol facts.
PROTOCOL = ("data", "split", "users", "items")
PROTOCOL_FACTS = ("repeats", "ranking", "ties", "events", "gain", "unjudged", "queries", "judgements")
SETTINGS = ("seed", "settings_hash", "metric")  # what may be the very thing compared
Values = Mapping[str, Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One evaluation by a name; ``users`` and ``values`` are its per-user table, see `read_per_user`, if it has one."""

    name: str
    results: Results
    users: tuple[str, ...] = ()
    values: Values = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that table and results are of one evaluation."""
        for row in self.results.rows if self.users else ():
            for metric, mean in row.metrics.items():
                values = self.values.get(row.name, {}).get(metric)
                if values is None or abs(float(values.mean(dtype=np.float64)) - mean) > 1e-4 * max(abs(mean), 0.01):
                    found = "nothing" if values is None else f"{float(values.mean(dtype=np.float64)):.6g}"
                    raise DataError(
                        f"the per-user table is not of {self.name}: {metric} of row {row.name!r} is {mean:.6g} in the "
                        f"results, {found} in the table"
                    )


@dataclass(frozen=True, slots=True)
class Difference:
    """One row in two evaluations; what cannot be told is None.

    ``gain`` is b - a and ``ci95`` its interval: of the paired differences where both have per-user tables, then with
    ``effect`` and the Holm-corrected ``p``; otherwise as if of independent requests, which is wider than it would be
    paired.
    """

    name: str
    a: Row | None
    b: Row | None
    gain: float | None = None
    relative: float | None = None
    ci95: tuple[float, float] | None = None
    p: float | None = None
    effect: Effect | None = None

    @property
    def clear(self) -> bool | None:
        """Whether there is a difference: by p if paired, else by an interval without 0; None if nobody can tell."""
        if self.p is not None:
            return self.p < ALPHA
        return None if self.ci95 is None else not self.ci95[0] <= 0 <= self.ci95[1]

    def to_dict(self, metric: str) -> dict[str, Any]:
        """Return plain values for JSON."""
        sides = {side: _figure(row, metric) for side, row in (("a", self.a), ("b", self.b))}
        paired = {} if self.effect is None else {k: v for k, v in asdict(self.effect).items() if k in PAIRED}
        return {
            "name": self.name, **sides, "difference": self.gain, "relative": self.relative,
            "ci95": None if self.ci95 is None else list(self.ci95), "p_holm": self.p, **paired,
        }  # fmt: skip


PAIRED = ("d_z", "wins", "ties", "losses")


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two evaluations row by row. ``protocol`` and ``others`` hold what differs, by name, as (a, b)."""

    a: Run
    b: Run
    metric: str
    paired: bool
    protocol: Mapping[str, tuple[Any, Any]]
    others: Mapping[str, tuple[Any, Any]]
    rows: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "a": self.a.name, "b": self.b.name, "paired": self.paired,
            "protocol_differs": {name: list(both) for name, both in self.protocol.items()},
            "also_differs": {name: list(both) for name, both in self.others.items()},
            "rows": [row.to_dict(self.metric) for row in self.rows],
        }  # fmt: skip


def side_by_side(runs: Sequence[Run], metric: str | None = None, *, anyway: bool = False, seed: int = 0) -> list[Pair]:
    """Return every other run against the first, on ``metric`` (None: the first one's main metric).

    Rows are matched by name, in order of appearance. Where every run has a per-user table the tests are paired.

    Raises:
        ConfigError: fewer than two runs, a metric that no row has, or two protocols and not ``anyway``.
        DataError: per-user tables of different users.
    """
    if len(runs) < 2:
        raise ConfigError(f"a comparison needs two evaluations or more, got {len(runs)}")
    first, *others = runs
    metric = metric or first.results.metric
    known = sorted({m for run in runs for row in run.results.rows for m in row.metrics})
    if metric not in known:
        raise ConfigError(f"no row has the metric {metric!r}: choose one of {', '.join(known)}")
    pairs = [_pair(first, other, metric, seed) for other in others]
    for pair in pairs:
        if pair.protocol and not anyway:
            what = "; ".join(f"{name} {a} and {b}" for name, (a, b) in pair.protocol.items())
            raise ConfigError(
                f"{pair.a.name} and {pair.b.name} are two protocols: {what}. Figures compare only within one; "
                "with --anyway they are set side by side all the same"
            )
    return pairs


def _pair(a: Run, b: Run, metric: str, seed: int) -> Pair:
    paired = bool(a.users and b.users)
    if paired and a.users != b.users:
        only = (len(set(a.users) - set(b.users)), len(set(b.users) - set(a.users)))
        raise DataError(
            f"a paired comparison needs the same users: {only[0]} of {a.name} are not in {b.name}, {only[1]} of "
            f"{b.name} not in {a.name}"
        )
    sides = [{r.name: r for r in run.results.rows if metric in r.metrics} for run in (a, b)]
    rows = [_difference(n, sides[0].get(n), sides[1].get(n), metric) for n in dict.fromkeys([*sides[0], *sides[1]])]
    protocol, others = differing(a.results, b.results)
    return Pair(a, b, metric, paired, protocol, others, tuple(_tested(rows, a, b, metric, seed) if paired else rows))


def differing(a: Results, b: Results) -> tuple[dict[str, tuple[Any, Any]], dict[str, tuple[Any, Any]]]:
    """Return what of the protocol differs, and what else: settings, versions, machine; each by name as (a, b)."""
    strict = {n: (getattr(a, n), getattr(b, n)) for n in PROTOCOL}
    strict |= {n: (a.protocol.get(n), b.protocol.get(n)) for n in PROTOCOL_FACTS}
    loose: dict[str, tuple[Any, Any]] = {n: (getattr(a, n), getattr(b, n)) for n in SETTINGS}
    for kind in ("versions", "machine"):
        left, right = getattr(a, kind), getattr(b, kind)
        loose |= {f"{kind}.{n}": (left.get(n), right.get(n)) for n in dict.fromkeys([*left, *right])}
    apart = [{n: both for n, both in found.items() if both[0] != both[1]} for found in (strict, loose)]
    return apart[0], apart[1]


def _difference(name: str, a: Row | None, b: Row | None, metric: str) -> Difference:
    if a is None or b is None:
        return Difference(name, a, b)
    left, right = a.metrics[metric], b.metrics[metric]
    gain = right - left
    interval = None
    if metric in a.ci95 and metric in b.ci95:
        (low_a, high_a), (low_b, high_b) = a.ci95[metric], b.ci95[metric]
        interval = gain - hypot(right - low_b, high_a - left), gain + hypot(high_b - right, left - low_a)
    return Difference(name, a, b, gain, gain / left if left else None, interval)


def _tested(rows: Sequence[Difference], a: Run, b: Run, metric: str, seed: int) -> list[Difference]:
    """Return the differences with paired tests: the rows that both have are one family for Holm."""
    both = {row.name: (b.values[row.name][metric], a.values[row.name][metric]) for row in rows if row.gain is not None}
    p = holm({name: paired_randomisation(*values, seed=seed) for name, values in both.items()})
    out = []
    for row in rows:
        if row.name in both:
            found = effect(*both[row.name], seed=seed)
            out.append(
                Difference(
                    row.name, row.a, row.b, found.difference, found.relative, found.ci95, p[row.name], found
                )
            )  # fmt: skip
        else:
            out.append(row)
    return out


def _figure(row: Row | None, metric: str) -> dict[str, Any] | None:
    if row is None:
        return None
    return {"mean": row.metrics[metric], "ci95": list(row.ci95[metric]) if metric in row.ci95 else None}
