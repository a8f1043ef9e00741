"""The reranker `personalised-lm`: how likely our own language model finds each title as this shopper's next choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.protocols import Deps
from recsys.rerank.base import Judgement, Reranker
from recsys.rerank.causal import Remembered
from recsys.rerank.prompted import check_clock, earliest
from recsys.runtime.models import ModelRef
from recsys.types import Notes, Request, Scores, Slates
from recsys_fine_tuned.personalised import PersonalisedLM
from recsys_fine_tuned.tasks import history_text, recent_rows, title_of


class PersonalisedReranker(Reranker):
    """Likelihood of titles under a `PersonalisedLM`: soft rows of the history's item vectors, text of its latest items.

    Soft prompts after PEPLER (Li et al. 2023, arXiv 2202.07371), Persona-Plug (Liu et al. 2024, arXiv 2409.11901) and
    the user embedding module (Doddapaneni et al. 2024, arXiv 2401.04858). What a title's likelihood without knowing
    the shopper says is subtracted, so that usual words are not rewarded; what is left is added, weighted, to the
    place in the incoming order.
    """

    class Config(Reranker.Config):
        """Settings.

        Attributes:
            model: the name of a model in ``[models]``, an artifact for "personalised".
            weight: of a nat of the model beside a halving of the incoming place; None takes what the artifact says.
            calibration: how much of the likelihood without the shopper is subtracted; None as above.
            titles: latest titles that the prompt spells out. chunk: requests that go through the model together.
        """

        model: str = ""
        weight: float | None = Field(None, ge=0)
        calibration: float | None = Field(None, ge=0, le=1)
        titles: int = Field(1, ge=0, le=20)
        chunk: int = Field(32, ge=1)

    def __init__(self, config: Any, items: ItemTable, lm: PersonalisedLM) -> None:
        self.lm = lm
        self._usual = Remembered()
        self.weight = _chosen(config.weight, lm.about.get("weight"), 0.1)
        self.calibration = _chosen(config.calibration, lm.about.get("calibration"), 1.0)
        super().__init__(config, items)

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings. Raises `ConfigError` without a catalogue, or for a model that is none of these."""
        if deps.items is None:
            raise ConfigError(f"the reranker {cls.__name__} needs the catalogue (deps.items)")
        if config.model not in deps.models:
            known = ", ".join(sorted(deps.models)) or "none"
            raise ConfigError(
                f"model: there is no [models.{config.model or 'NAME'}] in the settings (defined: {known})"
            )
        m = deps.models[config.model]
        if m.runtime != "onnx":
            raise ConfigError(f"[models.{config.model}] runtime: a personalised model runs on onnx, not {m.runtime}")
        folder = ModelRef.parse(m.ref).path()
        lm = PersonalisedLM.open(
            folder, m.sha256, provider=m.provider or "cpu", threads=m.threads, prefix_bytes=m.prefix_mb << 20,
            join_ms=m.join_ms,
        )  # fmt: skip
        return cls(config, deps.items, lm)

    def warm_up(self) -> None:
        """Let the model read a token, so that the first caller does not pay for what is set up then."""
        self.lm.model.warm_up()

    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        """Ask the model about every list; entries that are no items of the catalogue stay without a score."""
        scores = np.full(len(slates.items), np.nan, np.float32)
        notes: list[Notes] = []
        known = (slates.items >= 0) & (slates.items < len(self.items))
        for first in range(0, len(requests), self.config.chunk):
            part = range(first, min(first + self.config.chunk, len(requests)))
            deadline = earliest(requests[i].deadline for i in part)
            check_clock(deadline)
            places = [np.arange(slates.offsets[i], slates.offsets[i + 1]) for i in part]
            asked = [p[known[p]] for p in places]
            titles = [[title_of(self.items.titles[r]) for r in slates.items[p]] for p in asked]
            said, read = self.likelihoods([requests[i] for i in part], titles, deadline)
            for at, all_places, found in zip(asked, places, said, strict=True):
                scores[at] = _joined(at - all_places[:1].sum(), found, self.weight)
            notes += [Notes(counts={"tokens_in": n}) for n in read]
        return Judgement(scores, tuple(notes))

    def forget(self, user: str) -> int:
        """Drop the states of prompts that hold this shopper's history; return how many there were."""
        return self.lm.model.forget(user)

    def likelihoods(
        self, requests: Sequence[Request], titles: Sequence[Sequence[str]], deadline: float | None = None
    ) -> tuple[list[Scores], list[int]]:
        """Return log p of each title (n_i,) less the calibration, and rows read, for each request."""
        histories = [self._liked(r) for r in requests]
        most = self.config.titles
        sources = [
            history_text([title_of(self.items.titles[r]) for r in rows[len(rows) - min(most, len(rows)) :]], most)
            for rows in histories
        ]
        prompts = self.lm.prompts("next-item", sources, self._vectors(histories), tags=[r.user or "" for r in requests])
        found = self.lm.likelihoods(prompts, titles, deadline=deadline)
        if self.calibration:
            usual = self._usual_for([t for some in titles for t in some], deadline)
            factor = np.float32(self.calibration)
            found = [
                f - factor * np.array([usual[t] for t in some], np.float32)
                for f, some in zip(found, titles, strict=True)
            ]
        read = [len(p) + sum(len(self.lm.layout.target(t)) for t in some) for p, some in zip(prompts, titles)]
        return found, read

    def _liked(self, request: Request) -> NDArray[np.int32]:
        h = request.history
        rows = h.rows[(h.weights > 0) & (h.rows >= 0) & (h.rows < len(self.items))]
        return recent_rows(rows, self.lm.conditioner.spec.history)

    def _vectors(self, histories: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """Return the vectors of each history; items that came after the training have none, their titles speak."""
        flat = np.concatenate([*histories, np.empty(0, np.int32)]).astype(np.int32)
        found = self.lm.vectors_of(self.items.vocabulary.ids(flat))
        return np.split(found, np.cumsum([len(h) for h in histories])[:-1]) if histories else []

    def _usual_for(self, titles: Sequence[str], deadline: float | None) -> dict[str, float]:
        """Return the likelihood of each title for somebody of whom nothing is known."""
        known = self._usual.get(titles)
        missing = [t for t in dict.fromkeys(titles) if t not in known]
        if missing:
            nobody = self.lm.prompts("next-item", [""])
            fresh = self.lm.likelihoods(nobody, [missing], deadline=deadline)[0]
            known |= zip(missing, fresh.tolist(), strict=True)
            self._usual.put(known)
        return known


def _joined(places: NDArray[np.int64], said: Scores, weight: float) -> Scores:
    """Return the score of items at these places of the incoming order, counted from 0: half the place is worth 1."""
    out: Scores = (weight * said - np.log2(places + 1.0)).astype(np.float32)
    return out


def _chosen(*values: float | None) -> float:
    return next(float(v) for v in values if v is not None)
