"""Content similarity on brand, categories, named attributes and words, with a decayed profile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_array, read_json, read_sparse, write_array, write_json, write_sparse
from recsys.candidates.scoring import WholeCatalogue, as_dense
from recsys.candidates.sparse_lists import sparse_generate, sparse_score
from recsys.dataset import Dataset, ItemTable
from recsys.errors import NotFittedError
from recsys.history import profile, stack
from recsys.protocols import Delta, Deps, FitOptions
from recsys.types import Request, Slates

WORD = re.compile(r"[^\W_]{2,}")


class Attributes(WholeCatalogue):
    """Cosine of an item with the decayed mean of the history, over idf-weighted features.

    Features are the brand, each category, each value of each attribute and, scaled by ``word_weight``, the words
    of title and text. Item vectors have unit length. New items get their vector from their own data at once.
    """

    floor = 0.0

    class Config(BaseModel):
        """``decay`` per place; ``brand_weight`` and ``word_weight`` relative to a category's 1."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        decay: float = Field(0.5, gt=0, le=1)
        limit: int = Field(50, ge=1)
        brand_weight: float = Field(1.0, ge=0)
        word_weight: float = Field(0.5, ge=0)
        idf_power: float = Field(1.0, ge=0)

    SPACE = {
        "decay": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        "word_weight": [0.0, 0.25, 0.5, 1.0],
        "brand_weight": [0.5, 1.0, 2.0],
        "idf_power": [0.5, 1.0, 1.5, 2.0],
    }

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._vectors: sparse.csr_array | None = None
        self._transposed: sparse.csr_array | None = None
        self._features: dict[str, int] = {}
        self._idf: NDArray[np.float32] = np.empty(0, dtype=np.float32)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Count in how many items each feature occurs, and build the item vectors."""
        named = [dict(self._named(data.items, row)) for row in range(len(data.items))]
        frequency = Counter(name for features in named for name in features)
        self._features = {name: i for i, name in enumerate(frequency)}
        counts = np.fromiter(frequency.values(), dtype=np.float64, count=len(frequency))
        idf = np.log((1.0 + len(named)) / counts) ** self.config.idf_power
        self._idf = idf.astype(np.float32)
        self._set(self._matrix(named))
        return self

    def _named(self, items: ItemTable, row: int) -> Iterator[tuple[str, float]]:
        c = self.config
        if c.word_weight:
            for word in WORD.findall(f"{items.titles[row]} {items.texts[row]}".lower()):
                yield f"word={word}", c.word_weight
        if items.brands[row] and c.brand_weight:
            yield f"brand={items.brands[row]}", c.brand_weight
        for category in items.categories[row]:
            yield f"category={category}", 1.0
        for key, value in items.attributes[row].items():
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, str | bool):
                    yield f"{key}={one}", 1.0

    def _matrix(self, named: Sequence[dict[str, float]]) -> sparse.csr_array:
        known = [[(self._features[n], w) for n, w in features.items() if n in self._features] for features in named]
        indptr = np.concatenate([[0], np.cumsum([len(k) for k in known])]).astype(np.int64)
        columns = np.fromiter((i for k in known for i, _ in k), dtype=np.int32, count=int(indptr[-1]))
        values = np.fromiter((w for k in known for _, w in k), dtype=np.float32, count=int(indptr[-1]))
        values *= self._idf[columns]
        owner = np.repeat(np.arange(len(known)), np.diff(indptr))
        norm = np.sqrt(np.bincount(owner, weights=values.astype(np.float64) ** 2, minlength=len(known)))
        values /= np.maximum(norm[owner], 1e-9).astype(np.float32)
        return sparse.csr_array((values, columns, indptr), shape=(len(known), len(self._features)))

    def _set(self, vectors: sparse.csr_array) -> None:
        self._vectors = vectors
        self._transposed = sparse.csr_array(vectors.T)

    def fitted(self) -> sparse.csr_array:
        """Return the item vectors ``(n_items, n_features)``. Raises `NotFittedError`."""
        if self._vectors is None:
            raise NotFittedError("Attributes is not fitted: call fit() or load() first")
        return self._vectors

    @property
    def n_items(self) -> int:
        """How many items have a vector."""
        return int(self.fitted().shape[0])

    def _profiles(self, requests: Sequence[Request]) -> sparse.csr_array:
        history = profile(requests, self.n_items, self.config.decay, self.config.limit, normalise=True)
        return history @ self.fitted()

    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)`` cosines with the un-normalised mean profile."""
        return as_dense(self._profiles(requests) @ self._transposed)

    def prepared(self, requests: Sequence[Request]) -> Any:
        """Return itself: what shares no feature with the history is never touched, which is quicker."""
        return self

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return the best ``n`` allowed items of each request among those that share a feature with the history."""
        self.fitted()
        return sparse_generate(self._transposed, self._profiles, requests, n)

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the score of each given item, NaN for rows that have no vector yet."""
        self.fitted()
        return sparse_score(self._transposed, self._profiles(requests), slates)

    def contributions(self, requests: Sequence[Request], slates: Slates) -> sparse.csr_array:
        """Return ``(m, longest history)``: the share of each history event in each item's score, exactly."""
        vectors = self.fitted()
        h = stack(requests, self.config.limit)
        width = max((len(r.history) for r in requests), default=0)
        known = h.rows < self.n_items
        weight = np.where(known, h.weights * np.float32(self.config.decay) ** h.age, 0.0)
        total = np.bincount(h.owner, weights=np.abs(weight), minlength=len(requests))
        weight = weight / np.maximum(total[h.owner], 1e-30)
        # One row per (candidate, event) pair of a request.
        lengths = np.diff(h.offsets)[slates.request_index]
        entry = np.repeat(np.arange(len(slates.items)), lengths)
        begin = np.cumsum(lengths) - lengths
        event = np.arange(len(entry)) - np.repeat(begin, lengths) + np.repeat(h.offsets[slates.request_index], lengths)
        usable = known[event] & (slates.items[entry] >= 0) & (slates.items[entry] < self.n_items)
        entry, event = entry[usable], event[usable]
        dot = vectors[slates.items[entry]].multiply(vectors[h.rows[event]]).sum(axis=1)
        values = np.asarray(dot).ravel() * weight[event]
        shape = (len(slates.items), width)
        return sparse.csr_array((values.astype(np.float32), (entry, h.place[event])), shape=shape)

    def apply(self, delta: Delta) -> Self:
        """Return a copy that knows the new and changed items; features that no old item has are left out."""
        changed = np.unique(np.concatenate([delta.changed, np.arange(self.n_items, len(delta.items), dtype=np.int32)]))
        if not len(changed):
            return self
        fresh = self._matrix([dict(self._named(delta.items, int(row))) for row in changed])
        grown = sparse.vstack([self.fitted(), sparse.csr_array((len(delta.items) - self.n_items, fresh.shape[1]))])
        keep = np.ones(len(delta.items), dtype=np.float32)
        keep[changed] = 0
        place = sparse.csr_array(
            (np.ones(len(changed), np.float32), (changed, np.arange(len(changed)))),
            shape=(len(delta.items), len(changed)),
        )
        out = type(self)(self.config)
        out._features, out._idf = self._features, self._idf
        out._set(sparse.csr_array(sparse.diags_array(keep) @ grown + place @ fresh, dtype=np.float32))
        return out

    def save(self, folder: Path) -> None:
        """Write vectors, feature names and idf."""
        write_sparse(folder, "vectors", self.fitted())
        write_json(folder / "features.json", list(self._features))
        write_array(folder / "idf.npy", self._idf)
        write_json(folder / "config.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls(cls.Config.model_validate(read_json(folder / "config.json")))
        out._features = {name: i for i, name in enumerate(read_json(folder / "features.json"))}
        out._idf = np.array(read_array(folder / "idf.npy"))
        out._set(read_sparse(folder, "vectors"))
        return out
