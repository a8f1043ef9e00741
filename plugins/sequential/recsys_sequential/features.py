"""What the texts of items say, as a few numbers an item that the sequence model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.artifacts import read_array, write_array
from recsys.dataset import Dataset, ItemTable
from recsys.embed.cache import embed_items
from recsys.embed.lsa import LSA
from recsys.embed.whitening import whitening
from recsys.errors import ConfigError
from recsys.protocols import Deps, Embedder, FitOptions, Trainable

Rows = Sequence[int] | NDArray[np.int64]


class ItemFeatures:
    """Vectors of several embedders side by side, projected to their main directions."""

    def __init__(self, embedders: Mapping[str, Embedder], width: int) -> None:
        self.embedders, self.width = dict(embedders), width
        self.mean = np.zeros(0, np.float32)
        self.projection = np.zeros((0, 0), np.float32)

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build the embedders. Raises `ConfigError` for others than "lsa" where there is no registry."""
        made = {name: _built(name, config.options.get(name, {}), deps) for name in config.embedders}
        return cls(made, config.projected)

    def fit(self, data: Dataset, options: FitOptions) -> NDArray[np.float32]:
        """Learn what is learned, and return (n_items, f); f is 0 where no item says anything."""
        for embedder in self.embedders.values():
            if isinstance(embedder, Trainable):
                embedder.fit(data, options)
        raw = self._raw(data.items, range(len(data.items)))
        if not raw.any():
            self.mean, self.projection = np.zeros(raw.shape[1], np.float32), np.zeros((raw.shape[1], 0), np.float32)
        else:
            self.mean, self.projection = whitening(raw, self.width)
        return self._projected(raw)

    def of(self, items: ItemTable, rows: Rows) -> NDArray[np.float32]:
        """Return (len(rows), f), zeros for an item without a word."""
        return self._projected(self._raw(items, rows))

    def _raw(self, items: ItemTable, rows: Rows) -> NDArray[np.float32]:
        texts = [items.text(int(r)) for r in rows]
        parts = [embed_items(embedder, texts) for embedder in self.embedders.values()]
        return np.concatenate([np.zeros((len(texts), 0), np.float32), *parts], axis=1)

    def _projected(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        said = raw.any(axis=1, keepdims=True)
        out: NDArray[np.float32] = np.where(said, (raw - self.mean) @ self.projection, 0).astype(np.float32)
        return out

    def save(self, folder: Path) -> None:
        """Write the projection, and the embedders that were fitted."""
        write_array(folder / "mean.npy", self.mean)
        write_array(folder / "projection.npy", self.projection)
        for name, embedder in self.embedders.items():
            if isinstance(embedder, Trainable):
                (folder / f"embedder-{name}").mkdir()
                embedder.save(folder / f"embedder-{name}")

    @classmethod
    def load(cls, folder: Path, config: Any, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls.from_config(config, deps)
        for name, embedder in out.embedders.items():
            if isinstance(embedder, Trainable):
                kind: Any = type(embedder)
                out.embedders[name] = kind.load(folder / f"embedder-{name}", deps)
        out.mean, out.projection = read_array(folder / "mean.npy"), read_array(folder / "projection.npy")
        return out


def _built(name: str, options: Mapping[str, Any], deps: Deps) -> Embedder:
    if deps.build is not None:
        made: Embedder = deps.build("embedders", {**options, "use": name})
        return made
    if name != "lsa":
        raise ConfigError(f"embedder '{name}' needs a registry: only 'lsa' can be built without one")
    return LSA(LSA.Config.model_validate(dict(options)))
