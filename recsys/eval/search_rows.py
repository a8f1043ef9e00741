"""The rows of a search evaluation: every query answered by every system, with and without a typo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.search.judgements import Judgements
from recsys.eval.search_folds import Learned, Trainer, folds_of, fuse, ndcg, ranked, weight_figures
from recsys.eval.search_measure import Values, condensed, measured, ordered_by
from recsys.eval.search_pool import Pool, collect, rows_of
from recsys.eval.search_settings import SearchSettings, Weights
from recsys.fitting import Progress
from recsys.requests import CHUNK
from recsys.types import Request, Slates

HYBRID, RANKED = "hybrid", "hybrid+ranker"
TYPO = "typo_ndcg@10"


@dataclass(frozen=True, slots=True, eq=False)
class FoldChoice:
    """What the training folds of one test fold chose, and the ranker that they taught."""

    text: int
    weights: Weights
    learned: Learned


@dataclass(slots=True, eq=False)
class Systems:
    """Everything fitted on the catalogue: ``texts`` one index a choice, ``finders`` the others, ``singles`` alone."""

    texts: list[Any]
    finders: Mapping[str, Any]
    singles: Mapping[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)

    def united(self, text: int) -> dict[str, Any]:
        """Return the finders with one choice of text index."""
        return {"text": self.texts[text], **self.finders}


class Rows:
    """Answers ``queries`` and their ``mistyped`` copies; what is learned comes from other folds of the same queries."""

    def __init__(
        self, systems: Systems, judgements: Judgements, mistyped: list[str] | None, settings: SearchSettings,
        build: Any, seed: int, progress: Progress,
    ) -> None:  # fmt: skip
        self.systems, self.judgements, self.mistyped = systems, judgements, mistyped
        self.settings, self.build, self.seed, self.progress = settings, build, seed, progress
        self.fold = folds_of(judgements, settings.folds, seed)
        self.choices: list[FoldChoice] = []
        self._pools: dict[tuple[int, bool], Pool] = {}
        self._tried: dict[int, NDArray[np.float32]] = {}

    def measure(self) -> dict[str, Values]:
        """Return the metrics (q,) of every row."""
        by_choice = self._texts()
        figures: dict[str, Values] = {}
        for name in [*self.systems.singles, *self.systems.finders]:
            self.progress(f"measuring {name}")
            figures[name] = self._single(name)
        figures["text"], figures[HYBRID], figures[RANKED] = {}, {}, {}
        for f in range(self.settings.folds):
            test = self.fold == f
            choice = int(np.argmax(by_choice[:, ~test].mean(axis=1)))
            self.progress(f"fold {f + 1} of {self.settings.folds}")
            for row, values in self._fold(f, choice).items():
                for metric, found in values.items():
                    figures[row].setdefault(metric, np.zeros(len(self.fold), dtype=np.float32))[test] = found
        return figures

    def _texts(self) -> NDArray[np.float32]:
        """Return (choices, q) NDCG@10 of every text index on every query."""
        requests = [Request(text=q) for q in self.judgements.queries]
        if len(self.systems.texts) == 1:
            return np.zeros((1, len(requests)), dtype=np.float32)
        rows = []
        for text in self.systems.texts:
            self.progress("trying a text index")
            rows.append(ndcg(text.generate(requests, 10), self.judgements))
        return np.stack(rows)

    def pool(self, text: int, typo: bool) -> Pool:
        """Return everything that is found for the queries, or for their mistyped copies; kept."""
        key = (text, typo)
        if key not in self._pools:
            queries = list(self.mistyped or ()) if typo else list(self.judgements.queries)
            self.progress(f"collecting candidates of {len(queries)} {'mistyped ' if typo else ''}queries")
            # Single rows do not depend on the choice of the text index: one pool answers for them.
            singles = self.systems.singles if not any(t == typo for _, t in self._pools) else {}
            n = self.settings.candidates * 3 // 2
            self._pools[key] = collect(queries, self.systems.united(text), singles, self.settings.depth, n)
        return self._pools[key]

    def _lists(self, name: str, typo: bool) -> Slates:
        for (_, t), pool in self._pools.items():
            if t == typo and name in pool.lists:
                return pool.lists[name]
        return self.pool(0, typo).lists[name]

    def _single(self, name: str) -> Values:
        system = {**self.systems.singles, **self.systems.finders}[name]
        values = measured(self._lists(name, False), self._judged(system), self.judgements)
        if self.mistyped is not None:
            values[TYPO] = ndcg(self._lists(name, True), self.judgements)
        return values

    def _judged(self, system: Any, mask: NDArray[np.bool_] | None = None) -> Slates:
        """Return the judged items of each query as a system orders them; what it cannot score comes last."""
        whole = self.judgements if mask is None else self.judgements.take(np.flatnonzero(mask))
        targets = whole.targets
        given = Slates(targets.rows.copy(), np.zeros(len(targets.rows), np.float32), targets.offsets.copy())
        scores = np.empty(len(targets.rows), dtype=np.float32)
        for begin in range(0, len(whole), CHUNK):
            part = np.zeros(len(whole), dtype=np.bool_)
            part[begin : begin + CHUNK] = True
            requests = [Request(text=q) for q in whole.queries[begin : begin + CHUNK]]
            scores[part[targets.owner]] = system.score(requests, rows_of(given, part)).scores
        return ordered_by(given, scores)

    def _fold(self, f: int, text: int) -> dict[str, Values]:
        test = self.fold == f
        clean = self.pool(text, False)
        tried = self.settings.weights()
        figures = self._weight_figures(text)
        weights = tried[int(np.argmax(figures[:, ~test].mean(axis=1)))]
        trainer = Trainer(clean, self.judgements, weights, self.settings, self.build, self.seed + f)
        learned = trainer.learn(~test, self.fold)
        self.choices.append(FoldChoice(text, weights, learned))
        truth = self.judgements.take(np.flatnonzero(test))
        lists = self._answers(clean, trainer.slates, learned.ranker, test)
        out = {row: measured(found, condensed(found, truth), truth) for row, found in lists.items()}
        alone = rows_of(clean.lists["text"], test)
        out["text"] = measured(alone, self._judged(self.systems.texts[text], test), truth)
        if self.mistyped is not None:
            pool = self.pool(text, True)
            slates = fuse(pool, weights, self.settings.candidates)
            for row, found in self._answers(pool, slates, learned.ranker, test).items():
                out[row][TYPO] = ndcg(found, truth)
            out["text"][TYPO] = ndcg(rows_of(pool.lists["text"], test), truth)
        return out

    def _weight_figures(self, text: int) -> NDArray[np.float32]:
        if text not in self._tried:
            self.progress("trying fusion weights")
            self._tried[text] = weight_figures(self.pool(text, False), self.judgements, self.settings.weights())
        return self._tried[text]

    def _answers(self, pool: Pool, slates: Slates, ranker: Any, test: NDArray[np.bool_]) -> dict[str, Slates]:
        part = rows_of(slates, test)
        return {HYBRID: ordered_by(part, part.scores), RANKED: ranked(pool, slates, ranker, test)}
