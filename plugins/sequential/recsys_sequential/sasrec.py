"""The generator `sasrec`: a transformer over a shopper's choices says what comes next."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys.artifacts import read_array, read_json, read_tensors, write_array, write_json, write_tensors
from recsys.candidates.factors import Factors
from recsys.dataset import Dataset
from recsys.embed.vectors import unit
from recsys.history import profile
from recsys.protocols import Delta, Deps, FitOptions
from recsys.runtime.onnx import OnnxSession
from recsys.types import Request
from recsys_sequential.features import ItemFeatures
from recsys_sequential.graph import said_graph, state_graph
from recsys_sequential.states import States
from recsys_sequential.windows import windows

CHUNK = 256  # requests of one call of the model


class SASRec(Factors):
    """SASRec (Kang & McAuley 2018, arXiv 1808.09781) trained with sampled softmax, items known by choices and by text.

    An item's vector is what its text says (whitened vectors of ``embedders``, through a small network) plus one of
    its own where anybody chose it: new items are scored at once, from their text (SAID, Hu et al. 2024). The layers
    are SASRec's, or LiGR's where ``gated`` (eSASRec, RecSys 2025). A request is answered from its latest ``reach``
    liked events; without any of a known item, it is not answered.

    One request at a time, as in a shop, what was read of a history is kept for the next event of it: then only that
    event is read (`recsys_sequential.states`), within ``keep_mb``, and `forget` drops it.
    """

    class Config(BaseModel):
        """Sizes and training.

        ``embedders`` read the texts, ``options`` are theirs by name, ``projected`` directions of them are kept.
        ``negatives`` drawn for each batch of about ``events`` events; ``epochs`` at most, fewer when ``patience``
        validations (one an epoch, on ``held_out`` shoppers' latest choices) bring nothing, or when ``minutes`` are
        over. ``dislike``: how far what is wanted is turned away from what was disliked, as a share of its length.
        ``blank``: how often an item is known by its text alone while training. ``checkpoints`` is a folder in
        which a training that was cut goes on. ``keep_mb`` of states are kept, of histories longer than ``short``.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        width: int = Field(128, ge=4)
        layers: int = Field(2, ge=1)
        heads: int = Field(4, ge=1)
        reach: int = Field(50, ge=2)
        gated: bool = False
        dropout: float = Field(0.2, ge=0, lt=1)
        blank: float = Field(0.1, ge=0, lt=1)
        embedders: tuple[str, ...] = ("lsa",)
        options: dict[str, dict[str, Any]] = Field(default_factory=dict)
        projected: int = Field(256, ge=1)
        negatives: int = Field(2048, ge=1)
        events: int = Field(1500, ge=1)
        epochs: int = Field(14, ge=1)
        rate: float = Field(2e-3, gt=0)
        held_out: int = Field(1000, ge=0)
        patience: int = Field(4, ge=1)
        minutes: float = Field(20.0, gt=0)
        dislike: float = Field(0.3, ge=0)
        checkpoints: str | None = None
        keep_mb: float = Field(64.0, ge=0)
        short: int = Field(24, ge=0)

        @model_validator(mode="after")
        def _fits(self) -> Self:
            if self.width % self.heads:
                raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
            if unknown := sorted(set(self.options) - set(self.embedders)):
                raise ValueError(f"options of {', '.join(unknown)}, which is not among the embedders")
            return self

    SPACE: ClassVar[dict[str, list[Any]]] = {
        "width": [64, 128, 192], "gated": [False, True], "dropout": [0.1, 0.2, 0.35], "blank": [0.0, 0.1, 0.3],
    }  # fmt: skip

    def __init__(self, config: Any, features: ItemFeatures) -> None:
        super().__init__(config)
        self.features = features
        self.weights: Mapping[str, NDArray[Any]] = {}
        self.own: NDArray[np.float32] = np.zeros((0, config.width), np.float32)
        self.rare = 0.0
        self.report: dict[str, Any] = {}
        self._session: OnnxSession | None = None
        self._states = States(config.keep_mb, config.short)

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings; the embedders come from the registry of ``deps``."""
        return cls(config, ItemFeatures.from_config(config, deps))

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Learn on ``data.log``; torch is needed. Raises `DataError` where no shopper chose two items."""
        from recsys_sequential.training import trained

        features = self.features.fit(data, options)
        count = np.bincount(data.log.liked().events.rows, minlength=len(data.items))
        weights, self.report = trained(self.config, data.log, features, count > 0, options)
        self.own = weights.pop("own.weight") * (count > 0)[:, None]
        bias = weights.pop("bias")
        # To be drawn as what did not come next is all that happens to an item that nobody chose: it is as popular as
        # those that were chosen least.
        self.rare = float(bias[count == count[count > 0].min()].mean())
        self.weights = weights
        self._session = OnnxSession(state_graph(weights, heads=self.config.heads))
        self._states = States(self.config.keep_mb, self.config.short)
        bias = np.where(count > 0, bias, self.rare).astype(np.float32)
        self.item_factors = np.concatenate([self._codes(features, self.own), bias[:, None]], axis=1)
        self.known = (count > 0) | features.any(axis=1)
        return self

    def _codes(self, features: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float32]:
        if not features.shape[1]:
            return own
        said = OnnxSession(said_graph(self.weights)).run({"features": features})["said"]
        out: NDArray[np.float32] = said + own
        return out

    def user_factors(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return (b, width + 1): what comes next, and 1 for an item's popularity; zeros without a usable history."""
        factors, c = self.fitted(), self.config
        assert self._session is not None
        out = np.zeros((len(requests), c.width + 1), np.float32)
        for begin in range(0, len(requests), CHUNK):
            part = requests[begin : begin + CHUNK]
            read = [rows[np.asarray(self.known)[rows]] for rows in windows(part, c.reach, self.n_items)]
            some = [i for i, rows in enumerate(read) if len(rows)]
            if not some:
                continue
            wanted = self._states.wanted(
                self._session, factors[:, :-1], [read[i] for i in some], [part[i].user for i in some]
            )
            wanted = self._less_disliked([part[i] for i in some], wanted)
            out[[begin + i for i in some]] = np.concatenate([wanted, np.ones((len(some), 1), np.float32)], axis=1)
        return out

    def _less_disliked(self, requests: Sequence[Request], wanted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn what is wanted away from what was disliked: nothing of that is in the sequence."""
        signal = profile(requests, self.n_items, 1.0, self.config.reach).minimum(0)
        if not signal.nnz:
            return wanted
        codes = self.fitted()[:, :-1]
        against = unit(np.asarray(signal @ unit(codes), dtype=np.float32))
        length = np.linalg.norm(wanted, axis=1, keepdims=True)
        turned: NDArray[np.float32] = wanted + self.config.dislike * length * against
        return turned

    def apply(self, delta: Delta) -> Self:
        """Return a generator that knows new and changed items by their text; what it learned stays."""
        changed = np.asarray(delta.changed, dtype=np.int64)
        if not len(changed):
            return self
        before, n = self.fitted(), max(len(delta.items), self.n_items)
        twin = copy.copy(self)
        twin.own = np.zeros((n, self.config.width), np.float32)
        twin.own[: len(self.own)] = self.own
        features = self.features.of(delta.items, changed)
        factors = np.zeros((n, before.shape[1]), np.float32)
        factors[:, -1] = self.rare
        factors[: len(before)] = before
        factors[changed, :-1] = twin._codes(features, twin.own[changed])
        known = np.zeros(n, np.bool_)
        known[: len(before)] = np.asarray(self.known)
        known[changed] = features.any(axis=1) | twin.own[changed].any(axis=1)
        twin.item_factors, twin.known = factors, known
        # Codes of changed items are others now: what was read of them has to be read again.
        twin._states = States(self.config.keep_mb, self.config.short)
        return twin

    def forget(self, user: str) -> int:
        """Drop what was read of a shopper's history; return how many states that were."""
        return self._states.forget(user)

    def save(self, folder: Path) -> None:
        """Write item vectors, weights, what reads texts, and how the training went; nothing is about a person."""
        super().save(folder)
        write_tensors(folder / "model.safetensors", self.weights)
        write_array(folder / "own.npy", self.own)
        write_json(folder / "training.json", {"report": self.report, "rare": self.rare})
        self.features.save(folder)

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote; no torch is needed. Raises `ArtifactMissing` or `ArtifactDamaged`."""
        config = cls.Config.model_validate(read_json(folder / "config.json"))
        out = cls(config, ItemFeatures.load(folder, config, deps))
        out.weights = read_tensors(folder / "model.safetensors")
        out.own = read_array(folder / "own.npy")
        saved = read_json(folder / "training.json")
        out.report, out.rare = saved["report"], float(saved["rare"])
        out.item_factors = read_array(folder / "item_factors.npy")
        out.known = read_array(folder / "known.npy")
        out._session = OnnxSession(state_graph(out.weights, heads=config.heads))
        return out
