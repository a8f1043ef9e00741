"""Items whose text means the same: nearest vectors of a text embedder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.candidates.scoring import WholeCatalogue
from recsys.dataset import Dataset, ItemTable
from recsys.embed.cache import Identified, embed_items
from recsys.embed.lsa import LSA
from recsys.embed.remember import Remembered
from recsys.embed.vectors import unit
from recsys.errors import ConfigError, NotFittedError, ShapeMismatch
from recsys.history import profile, stack
from recsys.protocols import Delta, Deps, Embedder, FitOptions, Trainable
from recsys.types import Request, Slates, Vectors

# Entries whose two vectors are gathered at a time: 100,000 x 384 floats are 150 MB a side.
GATHERED = 100_000


class Dense(WholeCatalogue):
    """Cosine of the item's vector and the shopper's: the decayed sum of the history's vectors, dislikes subtracted.

    With ``request.text`` the shopper's vector is the embedded query instead. Item vectors are centred: what all
    texts of a shop have in common tells no two items apart (Mu & Viswanath 2018, arXiv 1702.01417). Items without
    text, and requests without a vector, score NaN.
    """

    class Config(BaseModel):
        """``embedder`` and its ``options``; ``fields`` says what is read of an item; ``limit`` latest events count."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        embedder: str = "lsa"
        options: dict[str, Any] = Field(default_factory=dict)
        fields: Literal["all", "title"] = "all"
        decay: float = Field(0.5, gt=0, le=1)
        limit: int = Field(50, ge=1)
        centre: bool = True

    SPACE: ClassVar[dict[str, list[Any]]] = {"decay": [0.3, 0.5, 0.7, 0.85], "fields": ["all", "title"]}

    def __init__(self, embedder: Embedder, config: Config | None = None) -> None:
        self.embedder = embedder
        self.config = config or self.Config()
        self._vectors: Vectors | None = None
        self._silent: NDArray[np.int64] = np.empty(0, np.int64)
        self._centre: NDArray[np.float32] = np.empty(0, np.float32)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings; the embedder comes from the registry of ``deps``."""
        return cls(_embedder(config, deps), config)

    @property
    def vectors(self) -> Vectors:
        """(n_items, dim) item vectors, zeros where an item has no text. Raises `NotFittedError`."""
        if self._vectors is None:
            raise NotFittedError("Dense is not fitted: call fit() or load() first")
        return self._vectors

    def _hold(self, vectors: Vectors) -> Self:
        """Keep the vectors, and which rows have none."""
        self._vectors, self._silent = vectors, np.flatnonzero(~_filled(vectors))
        return self

    @property
    def n_items(self) -> int:
        """How many rows have a vector."""
        return len(self.vectors)

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Fit the embedder if it learns, then embed the catalogue; vectors of pretrained models are cached on disk."""
        if isinstance(self.embedder, Trainable):
            self.embedder.fit(data, options)
        raw = embed_items(self.embedder, self._texts(data.items, range(len(data.items))))
        spoken = _filled(raw)
        self._centre = np.zeros(raw.shape[1], dtype=np.float32)
        if self.config.centre and spoken.sum() > 1:
            self._centre = raw[spoken].mean(axis=0, dtype=np.float64).astype(np.float32)
        return self._hold(self._centred(raw))

    def _texts(self, items: ItemTable, rows: Sequence[int]) -> list[str]:
        if self.config.fields == "title":
            return [items.titles[r] or items.text(r) for r in rows]
        return [items.text(r) for r in rows]

    def _centred(self, raw: Vectors) -> Vectors:
        return unit(np.where(_filled(raw)[:, None], raw - self._centre, 0))

    def users(self, requests: Sequence[Request]) -> Vectors:
        """Return ``(b, dim)`` unit vectors of the requests: their query, else their history; zeros for neither."""
        return unit(self._sums(requests))

    def _sums(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        sums = profile(requests, self.n_items, self.config.decay, self.config.limit) @ self.vectors
        asked = [i for i, r in enumerate(requests) if r.text is not None]
        if asked:
            queries = self.embedder.embed([requests[i].text or "" for i in asked], "query")
            sums[asked] = self._centred(queries)
        return np.asarray(sums, dtype=np.float32)

    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)`` cosines; NaN where either side has no vector."""
        users = self.users(requests)
        scores = users @ self.vectors.T
        scores[~_filled(users)] = np.nan
        scores[:, self._silent] = np.nan
        return scores

    def texts_scores(self, requests: Sequence[Request], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(b, n)`` cosines of texts that are no items, in the space of the items; NaN as above."""
        users, others = self.users(requests), self._centred(self.embedder.embed(texts, "item"))
        scores = users @ others.T
        scores[~_filled(users)] = np.nan
        scores[:, ~_filled(others)] = np.nan
        return scores

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the cosine of each given item; a pass over the catalogue only where that is less work."""
        if len(slates.items) > self.n_items:
            return super().score(requests, slates)
        users, owner, items = self.users(requests), slates.request_index, slates.items
        out = np.full(len(items), np.nan, dtype=np.float32)
        known = np.flatnonzero((items >= 0) & (items < self.n_items))
        for begin in range(0, len(known), GATHERED):
            part = known[begin : begin + GATHERED]
            left, right = users[owner[part]], self.vectors[items[part]]
            both = _filled(left) & _filled(right)
            out[part] = np.where(both, np.einsum("ij,ij->i", left, right), np.nan)
        return Slates(items, out, slates.offsets, slates.columns, slates.notes)

    def contributions(self, requests: Sequence[Request], slates: Slates) -> sparse.csr_array:
        """Return ``(m, longest history)``: each event's exact share of each cosine.

        A request with text is answered from the text: its events have no share.
        """
        sums = self._sums(requests)
        length = np.sqrt(np.einsum("ij,ij->i", sums, sums))
        h = stack(requests, self.config.limit)
        width = max((len(r.history) for r in requests), default=0)
        rows, cols, values = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        finite = np.isfinite(self.score(requests, slates).scores)
        for i, request in enumerate(requests):
            entries = np.arange(slates.offsets[i], slates.offsets[i + 1])
            entries = entries[finite[entries]]
            if request.text is not None or not len(entries):
                continue
            part = slice(int(h.offsets[i]), int(h.offsets[i + 1]))
            known = h.rows[part] < self.n_items
            weight = h.weights[part][known] * np.float32(self.config.decay) ** h.age[part][known] / length[i]
            shares = self.vectors[slates.items[entries]] @ (self.vectors[h.rows[part][known]] * weight[:, None]).T
            place = h.place[part][known]
            rows.append(np.repeat(entries, len(place)))
            cols.append(np.tile(place, len(entries)))
            values.append(shares.ravel())
        index = (np.concatenate(rows), np.concatenate(cols))
        return sparse.csr_array((np.concatenate(values), index), shape=(len(slates.items), width), dtype=np.float32)

    def apply(self, delta: Delta) -> Self:
        """Return a generator that knows new and changed items; words and centre stay those of the fit."""
        changed = np.asarray(delta.changed, dtype=np.int64)
        if not len(changed):
            return self
        fresh = self.embedder.embed(self._texts(delta.items, changed.tolist()), "item")
        vectors = np.zeros((max(len(delta.items), self.n_items), self.vectors.shape[1]), dtype=np.float32)
        vectors[: self.n_items] = self.vectors
        vectors[changed] = self._centred(fresh)
        return copy.copy(self)._hold(vectors)

    def save(self, folder: Path) -> None:
        """Write vectors, centre, settings, and the embedder where it was fitted."""
        write_array(folder / "vectors.npy", self.vectors)
        write_array(folder / "centre.npy", self._centre)
        write_json(folder / "config.json", self.config.model_dump())
        if isinstance(self.embedder, Trainable):
            (folder / "embedder").mkdir()
            self.embedder.save(folder / "embedder")

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote. Raises `ShapeMismatch` if vectors, centre and embedder do not fit together."""
        config = cls.Config.model_validate(read_json(folder / "config.json"))
        embedder: Any = _embedder(config, deps)
        if isinstance(embedder, Trainable):
            embedder = type(embedder).load(folder / "embedder", deps)
        out = cls(embedder, config)
        vectors, out._centre = read_array(folder / "vectors.npy"), read_array(folder / "centre.npy")
        if vectors.ndim != 2 or out._centre.shape != vectors.shape[1:]:
            raise ShapeMismatch(f"{folder}: vectors {vectors.shape}, centre {out._centre.shape}")
        return out._hold(vectors)


def _filled(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) which rows are vectors at all."""
    out: NDArray[np.bool_] = (rows != 0).any(axis=1)
    return out


def _embedder(config: Dense.Config, deps: Deps) -> Embedder:
    if deps.build is not None:
        made: Embedder = deps.build("embedders", {**config.options, "use": config.embedder})
        # What is pretrained costs milliseconds a query, and one search asks for the same vector twice.
        return Remembered(made) if isinstance(made, Identified) and not isinstance(made, Trainable) else made
    if config.embedder != "lsa":
        raise ConfigError(f"embedder '{config.embedder}' needs a registry: only 'lsa' can be built without one")
    return LSA(LSA.Config.model_validate(config.options))
