"""Items whose reviewers praise what the shopper's earlier items are talked about for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_json, write_json
from recsys.aspects.table import AspectTable
from recsys.candidates.scoring import WholeCatalogue, as_dense
from recsys.candidates.sparse_lists import sparse_generate, sparse_score
from recsys.dataset import Dataset
from recsys.errors import NotFittedError
from recsys.history import profile, stack
from recsys.protocols import Delta, Deps, FitOptions
from recsys.types import Request, Slates


class Aspects(WholeCatalogue):
    """Decayed mean of what the history is talked about for, times what each item is talked about for.

    Both sides are rows of `AspectTable.salience` of unit length. On the item's side each aspect is scaled by
    ``1 - praise_weight + praise_weight * sentiment``: with 0 only the subject counts, with 1 an aspect that is blamed
    speaks against the item. Items without reviews have no score above 0.
    """

    floor = 0.0

    class Config(BaseModel):
        """``decay`` per place in the history; ``table`` as `AspectTable.Config`."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        decay: float = Field(0.8, gt=0, le=1)
        limit: int = Field(50, ge=1)
        praise_weight: float = Field(0.3, ge=0, le=1)
        table: AspectTable.Config = AspectTable.Config()

    SPACE = {"decay": [0.5, 0.7, 0.8, 0.9, 1.0], "praise_weight": [0.0, 0.15, 0.3, 0.5, 1.0]}

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._table: AspectTable | None = None
        self._subjects = self._index = sparse.csr_array((0, 0), dtype=np.float32)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Learn the aspects from the reviews and build the vectors."""
        self._set(AspectTable(self.config.table).fit(data, options))
        return self

    def _set(self, table: AspectTable) -> None:
        self._table = table
        salience = table.salience
        norm = np.sqrt(np.asarray(salience.multiply(salience).sum(axis=1)).ravel())
        unit = sparse.csr_array(sparse.diags_array((1 / np.maximum(norm, 1e-9)).astype(np.float32)) @ salience)
        judged = unit.multiply(table.sentiment) * np.float32(self.config.praise_weight)
        items = unit * np.float32(1 - self.config.praise_weight) + judged
        self._subjects = sparse.csr_array(unit, dtype=np.float32)
        self._index = sparse.csr_array(items.T, dtype=np.float32)

    @property
    def table(self) -> AspectTable:
        """What the vectors were made of. Raises `NotFittedError`."""
        if self._table is None:
            raise NotFittedError("Aspects is not fitted: call fit() or load() first")
        return self._table

    @property
    def n_items(self) -> int:
        """How many items have a vector."""
        return self.table.n_items

    def _profiles(self, requests: Sequence[Request]) -> sparse.csr_array:
        history = profile(requests, self.n_items, self.config.decay, self.config.limit, normalise=True)
        return sparse.csr_array(history @ self._subjects, dtype=np.float32)

    def catalogue_scores(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return ``(b, n_items)``; 0 without history or reviews."""
        return as_dense(self._profiles(requests) @ self._index)

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return the best ``n`` allowed items of each request among those with a score above 0."""
        self.table.fitted()
        return sparse_generate(self._index, self._profiles, requests, n)

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the score of each given item, NaN for rows that have no vector yet."""
        self.table.fitted()
        return sparse_score(self._index, self._profiles(requests), slates)

    def contributions(self, requests: Sequence[Request], slates: Slates) -> sparse.csr_array:
        """Return ``(m, longest history)``: the share of each history event in each item's score, exactly."""
        n_items = self.n_items
        h = stack(requests, self.config.limit)
        width = max((len(r.history) for r in requests), default=0)
        known = h.rows < n_items
        weight = np.where(known, h.weights * np.float32(self.config.decay) ** h.age, 0.0)
        total = np.bincount(h.owner, weights=np.abs(weight), minlength=len(requests))
        weight = weight / np.maximum(total[h.owner], 1e-30)
        # One row per (candidate, event) pair of a request.
        lengths = np.diff(h.offsets)[slates.request_index]
        entry = np.repeat(np.arange(len(slates.items)), lengths)
        begin = np.cumsum(lengths) - lengths
        event = np.arange(len(entry)) - np.repeat(begin, lengths) + np.repeat(h.offsets[slates.request_index], lengths)
        usable = known[event] & (slates.items[entry] >= 0) & (slates.items[entry] < n_items)
        entry, event = entry[usable], event[usable]
        items = sparse.csr_array(self._index.T)
        dot = np.asarray(items[slates.items[entry]].multiply(self._subjects[h.rows[event]]).sum(axis=1)).ravel()
        shape = (len(slates.items), width)
        return sparse.csr_array(((dot * weight[event]).astype(np.float32), (entry, h.place[event])), shape=shape)

    def apply(self, delta: Delta) -> Self:
        """Return a copy with room for the new items: they are found once they have reviews and a new fit."""
        if len(delta.items) <= self.n_items:
            return self
        out = type(self)(self.config)
        out._set(self.table.grown(len(delta.items)))
        return out

    def save(self, folder: Path) -> None:
        """Write the table and the settings."""
        self.table.save(folder)
        write_json(folder / "generator.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls(cls.Config.model_validate(read_json(folder / "generator.json")))
        out._set(AspectTable.load(folder, deps))
        return out
