"""A sum of generators, each scaled to the first one's best score: one list out of two kinds of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys.artifacts import read_json, write_json
from recsys.candidates.scoring import WholeCatalogue
from recsys.dataset import Dataset
from recsys.errors import ConfigError
from recsys.protocols import Delta, Deps, FitOptions, Live
from recsys.types import Request


class Blend(WholeCatalogue):
    """``first + sum of weight_i * max(first) * part_i``; where the first knows nothing, the parts speak alone.

    Multiplying by the best score of the first part keeps the weights meaningful however many events it sums over.
    """

    floor = 0.0

    class Config(BaseModel):
        """``parts``: name to options of a generator ("use" names the plug-in); ``weights``: of each but the first."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        parts: dict[str, dict[str, Any]] = Field(
            default_factory=lambda: {"transitions": {"use": "transitions"}, "attributes": {"use": "attributes"}},
            min_length=2,
        )
        weights: dict[str, float] = Field(default_factory=lambda: {"attributes": 0.2})

        @model_validator(mode="after")
        def _named(self) -> Self:
            rest = list(self.parts)[1:]
            if sorted(self.weights) != sorted(rest):
                raise ValueError(f"weights must name exactly {rest}, got {sorted(self.weights)}")
            return self

    SPACE: ClassVar[dict[str, list[Any]]] = {
        "weights": [{"attributes": w} for w in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)]
    }

    def __init__(self, config: Config, parts: Mapping[str, Any]) -> None:
        self.config = config
        self.parts = dict(parts)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build the parts, then this."""
        if deps.build is None:
            raise ConfigError("blend needs deps.build to make its parts")
        return cls(config, {n: deps.build("candidates", {"use": n, **options}) for n, options in config.parts.items()})

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Fit every part."""
        self.parts = {name: part.fit(data, options) for name, part in self.parts.items()}
        return self

    @property
    def n_items(self) -> int:
        """How many rows the widest part knows: a live part grows, a collaborative one does not."""
        return max(int(p.n_items) for p in self.parts.values())

    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)``."""
        (_, first), *rest = self.parts.items()
        total = self._scores(first, requests)
        best = total.max(axis=1, initial=0.0)
        scale = np.where(best > 0, best, 1.0)[:, None].astype(np.float32)
        for name, part in rest:
            total += self.config.weights[name] * scale * self._scores(part, requests)
        return total

    def _scores(self, part: Any, requests: Sequence[Request]) -> NDArray[np.float32]:
        out = np.zeros((len(requests), self.n_items), dtype=np.float32)
        out[:, : part.n_items] = np.nan_to_num(part.catalogue_scores(requests))
        return out

    def apply(self, delta: Delta) -> Self:
        """Return a copy whose live parts know the change."""
        return type(self)(self.config, {n: p.apply(delta) if isinstance(p, Live) else p for n, p in self.parts.items()})

    def save(self, folder: Path) -> None:
        """Write every part into a folder of its own."""
        for place, part in enumerate(self.parts.values()):
            (folder / f"part{place}").mkdir()
            part.save(folder / f"part{place}")
        write_json(folder / "config.json", {"config": self.config.model_dump(), "order": list(self.parts)})

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        saved = read_json(folder / "config.json")
        options = {name: saved["config"]["parts"][name] for name in saved["order"]}
        config = cls.Config.model_validate({**saved["config"], "parts": options})
        built = cls.from_config(config, deps)
        built.parts = {n: type(p).load(folder / f"part{i}", deps) for i, (n, p) in enumerate(built.parts.items())}
        return built
