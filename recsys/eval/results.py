"""What an evaluation found, in the shape that ``recsys evaluate --json`` writes: a stable contract."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from recsys.errors import ConfigError, DataError
from recsys.eval.compare import Comparison
from recsys.paired import bootstrap_ci
from recsys.registry import validation_text

# What the environment facts name; "recsys" is the distribution recsys-engine.
LIBRARIES = ("numpy", "scipy", "implicit", "lightgbm", "onnxruntime")
DIGITS = 6
LOWER_IS_BETTER = frozenset({"rmse", "mae"})
T = TypeVar("T", bound=BaseModel)


def _rounded(value: Any) -> Any:
    """Return six significant digits of any number, so that files of equal runs are equal; all else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return value
    return float(f"{float(value):.{DIGITS}g}")


Number = Annotated[float, BeforeValidator(_rounded), Field(allow_inf_nan=False)]
Interval = tuple[Number, Number]


class _Part(BaseModel):
    # Later keys travel through readers that do not know them yet.
    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="constants")


class EffectSize(_Part):
    """How much better than a baseline, on the main metric; see `recsys.eval.compare.Effect`."""

    difference: Number
    ci95: Interval
    relative: Number | None = None
    d_z: Number | None = None
    wins: int
    ties: int
    losses: int


class Row(_Part):
    """One system.

    ``metrics`` are means over all requests and ``ci95`` their bootstrap intervals. ``p_vs`` holds, per baseline, the
    p of the paired randomisation test on the main metric, Holm-corrected over the rows; ``effect`` its size.
    ``fit_s`` and the latencies are None or empty where nothing was run here, as for a foreign run file. ``slices``
    are means by group of requests, ``beyond`` the measures of `recsys.eval.beyond`, ``ceiling`` the candidate recall.
    """

    name: str = Field(min_length=1)
    metrics: dict[str, Number]
    ci95: dict[str, Interval] = Field(default_factory=dict)
    p_vs: dict[str, Number] = Field(default_factory=dict)
    fit_s: Number | None = None
    latency_ms: dict[str, Number] = Field(default_factory=dict)
    peak_rss_mb: Number | None = None
    size_mb: Number | None = None
    effect: dict[str, EffectSize] = Field(default_factory=dict)
    ceiling: dict[str, Number] = Field(default_factory=dict)
    beyond: dict[str, Number | None] = Field(default_factory=dict)
    slices: dict[str, dict[str, Number]] = Field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        values: Mapping[str, NDArray[np.floating[Any]]],
        *,
        versus: Mapping[str, Comparison] | None = None,
        resamples: int = 1000,
        seed: int = 0,
        **facts: Any,
    ) -> Self:
        """Build from metrics per request (b,): means and intervals are computed here.

        ``versus`` maps a baseline to this row's comparison with it; ``facts`` are the other fields.
        """
        against = dict(versus or {})
        found = {
            "name": name,
            "metrics": {m: float(np.mean(v, dtype=np.float64)) for m, v in values.items()},
            "ci95": {m: bootstrap_ci(v, resamples=resamples, seed=seed) for m, v in values.items()},
            "p_vs": {base: c.p_holm for base, c in against.items()},
            "effect": {base: c.effect.to_dict() for base, c in against.items()},
        }
        return _validated(cls, {**found, **facts}, f"rows.{name}")


class Results(_Part):
    """One evaluation: its protocol, its environment and its rows.

    ``metric`` is the main one, which chose the best row and which the tests are about; ``protocol`` holds further
    facts by name, ready to be shown; ``notes`` are sentences for the reader.
    """

    data: str
    split: str
    users: int
    items: int
    seed: int
    settings_hash: str
    versions: dict[str, str]
    best_by_validation: str | None
    rows: tuple[Row, ...]
    metric: str = "ndcg@10"
    protocol: dict[str, str | Number | bool] = Field(default_factory=dict)
    machine: dict[str, str | int] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Build; ``versions`` and ``machine`` are filled in.

        Raises:
            DataError: a field is missing, of a wrong type, NaN or infinite, or two rows have one name.
        """
        return cls.from_dict({"versions": versions(), "machine": machine(), **fields})

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave. Raises `DataError` naming the field."""
        found = _validated(cls, value, "results")
        names = [row.name for row in found.rows]
        if len(set(names)) < len(names):
            raise DataError(f"results.rows: two rows have one name among {', '.join(names)}")
        if found.best_by_validation is not None and found.best_by_validation not in names:
            raise DataError(f"results.best_by_validation: {found.best_by_validation!r} is no row ({', '.join(names)})")
        return found

    def row(self, name: str) -> Row:
        """Return the row of that name. Raises `ConfigError` with the names there are."""
        for row in self.rows:
            if row.name == name:
                return row
        raise ConfigError(f"no row {name!r}: choose one of {', '.join(r.name for r in self.rows)}")

    @property
    def best(self) -> Row | None:
        """The row that validation chose, if one was chosen."""
        return None if self.best_by_validation is None else self.row(self.best_by_validation)

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of all baselines that some row was compared with, in order of appearance."""
        return tuple(dict.fromkeys(base for row in self.rows for base in row.p_vs))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; keys in the order of the fields."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return JSON text with stable key order.

        Raises:
            DataError: an added field holds NaN or infinity, which JSON lacks.
        """
        try:
            return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        except ValueError as error:
            raise DataError(f"results cannot be written as JSON: {error}") from error


def versions() -> dict[str, str]:
    """Return the versions that a figure depends on; "" where a library is not installed."""
    return {
        "python": platform.python_version(),
        "recsys": _version("recsys-engine"),
        **{name: _version(name) for name in LIBRARIES},
    }


def machine() -> dict[str, str | int]:
    """Return what latencies and fit times depend on: operating system, architecture, number of CPUs."""
    return {"system": platform.system(), "arch": platform.machine(), "cpus": os.cpu_count() or 1}


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the first 16 hex digits of the sha256 of ``settings``, whatever the order of their keys.

    Raises:
        ConfigError: a value that JSON lacks.
    """
    try:
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"settings must be plain JSON values: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _validated(model: type[T], value: Mapping[str, Any], where: str) -> T:
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise DataError(validation_text(error, where)) from error
