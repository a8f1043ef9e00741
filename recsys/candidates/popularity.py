"""What everybody likes: time-decayed counts, and what has lately risen above its own level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.candidates.scoring import WholeCatalogue
from recsys.dataset import Dataset
from recsys.errors import NotFittedError
from recsys.protocols import Delta, Deps, FitOptions
from recsys.types import NO_EVENTS, Events, Request

DAY = 86_400.0


class DecayedCounts:
    """Sum of positive weights per item, each halved for every ``half_life_days`` before ``reference``."""

    def __init__(self, counts: NDArray[np.float32], reference: int, half_life_days: float) -> None:
        self.counts = counts
        self.reference = reference
        self.half_life_days = half_life_days

    @classmethod
    def of(cls, events: Events, n_items: int, half_life_days: float) -> DecayedCounts:
        """Count liked events."""
        empty = cls(np.zeros(n_items, dtype=np.float32), 0, half_life_days)
        return empty.plus(events, n_items)

    def plus(self, events: Events, n_items: int, taken: Events = NO_EVENTS) -> DecayedCounts:
        """Return counts with further events in them and without those ``taken`` back; the catalogue may have grown."""
        counts = np.zeros(n_items, dtype=np.float64)
        liked = events.weights > 0
        times = events.times[liked]
        reference = max(self.reference, int(times.max())) if len(times) else self.reference
        counts[: len(self.counts)] = self.counts * 0.5 ** ((reference - self.reference) / (DAY * self.half_life_days))
        for sign, some in ((1, events.take(liked)), (-1, taken)):
            weight = some.weights * 0.5 ** ((reference - some.times) / (DAY * self.half_life_days))
            counts += sign * np.bincount(some.rows, weights=weight, minlength=n_items)
        # What is left by rounding is nothing, and so are events that were put into the store past the engine.
        counts[taken.rows] = np.where(counts[taken.rows] < 1e-6, 0, counts[taken.rows])
        return DecayedCounts(counts.astype(np.float32), reference, self.half_life_days)


class _Impersonal(WholeCatalogue):
    """One score vector for everybody; items without any count are no candidates."""

    floor = 0.0
    uses_history = False

    def item_scores(self) -> NDArray[np.float32]:
        """Return ``(n_items,)``."""
        raise NotFittedError(f"{type(self).__name__} is not fitted: call fit() or load() first")

    @property
    def n_items(self) -> int:
        """How many rows there are counts for."""
        return len(self.item_scores())

    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)``: the same row for each request."""
        return np.tile(self.item_scores(), (len(requests), 1))


class Popularity(_Impersonal):
    """Time-decayed count of liked events."""

    class Config(BaseModel):
        """``half_life_days``: after so many days an event counts half."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        half_life_days: float = Field(90.0, gt=0)

    SPACE = {"half_life_days": [7.0, 14.0, 30.0, 90.0, 365.0, 3650.0]}

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._counts: DecayedCounts | None = None

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Count."""
        self._counts = DecayedCounts.of(data.log.events, len(data.items), self.config.half_life_days)
        return self

    def item_scores(self) -> NDArray[np.float32]:
        """Return the decayed counts."""
        return self._counts.counts if self._counts is not None else super().item_scores()

    def apply(self, delta: Delta) -> Self:
        """Return a copy that counts the new events."""
        self.item_scores()
        out = type(self)(self.config)
        out._counts = self._counts.plus(delta.events, len(delta.items), delta.taken) if self._counts else None
        return out

    def save(self, folder: Path) -> None:
        """Write the counts."""
        write_array(folder / "counts.npy", self.item_scores())
        reference = self._counts.reference if self._counts else 0
        write_json(folder / "config.json", {"config": self.config.model_dump(), "reference": reference})

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        saved = read_json(folder / "config.json")
        out = cls(cls.Config.model_validate(saved["config"]))
        counts = np.array(read_array(folder / "counts.npy"))
        out._counts = DecayedCounts(counts, int(saved["reference"]), out.config.half_life_days)
        return out


class Trending(_Impersonal):
    """Recent count over the count that the item's own longer past lets expect, smoothed."""

    class Config(BaseModel):
        """Half-lives of "lately" and of "usually"; ``prior`` events that damp rare items."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        recent_days: float = Field(7.0, gt=0)
        usual_days: float = Field(90.0, gt=0)
        prior: float = Field(3.0, gt=0)

    SPACE = {"recent_days": [2.0, 4.0, 7.0, 14.0, 30.0], "prior": [1.0, 3.0, 10.0, 30.0]}

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._recent: DecayedCounts | None = None
        self._usual: DecayedCounts | None = None

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Count with both half-lives."""
        c, n = self.config, len(data.items)
        self._recent = DecayedCounts.of(data.log.events, n, c.recent_days)
        self._usual = DecayedCounts.of(data.log.events, n, c.usual_days)
        return self

    def item_scores(self) -> NDArray[np.float32]:
        """Return the smoothed lift; 0 for items without a recent event."""
        if self._recent is None or self._usual is None:
            return super().item_scores()
        expected = self._usual.counts * (self.config.recent_days / self.config.usual_days)
        lift: NDArray[np.float32] = self._recent.counts / (expected + self.config.prior)
        return lift

    def apply(self, delta: Delta) -> Self:
        """Return a copy that counts the new events."""
        self.item_scores()
        out = type(self)(self.config)
        if self._recent is not None and self._usual is not None:
            out._recent = self._recent.plus(delta.events, len(delta.items), delta.taken)
            out._usual = self._usual.plus(delta.events, len(delta.items), delta.taken)
        return out

    def save(self, folder: Path) -> None:
        """Write both counts."""
        self.item_scores()
        if self._recent is not None and self._usual is not None:
            write_array(folder / "recent.npy", self._recent.counts)
            write_array(folder / "usual.npy", self._usual.counts)
            write_json(
                folder / "config.json", {"config": self.config.model_dump(), "reference": self._recent.reference}
            )

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        saved = read_json(folder / "config.json")
        out = cls(cls.Config.model_validate(saved["config"]))
        reference = int(saved["reference"])
        out._recent = DecayedCounts(np.array(read_array(folder / "recent.npy")), reference, out.config.recent_days)
        out._usual = DecayedCounts(np.array(read_array(folder / "usual.npy")), reference, out.config.usual_days)
        return out
