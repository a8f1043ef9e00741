"""The rows of a search evaluation: every query answered by every system, with and without a typo."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.search.judgements import Judgements
from recsys.eval.search_folds import Learned, Trainer, folds_of, fuse, ndcg, weight_figures
from recsys.eval.search_measure import Values, condensed, measured, ordered_by
from recsys.eval.search_pool import Pool, collect, rows_of
from recsys.eval.search_study import SearchStudy, Weights
from recsys.fitting import Progress
from recsys.requests import CHUNK
from recsys.types import Request, Slates

HYBRID, RANKED = "hybrid", "hybrid+ranker"
TYPO = "typo_ndcg@10"


@dataclass(frozen=True, slots=True, eq=False)
class FoldChoice:
    """What the training folds of one test fold chose, and the ranker that they taught.

    ``text`` is the place of the text index among `Systems.texts`; ``validation`` the NDCG@10 of rows where they were
    allowed to look.
    """

    text: int
    weights: Weights = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    learned: Learned | None = None


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
        self, systems: Systems, judgements: Judgements, mistyped: list[str] | None, settings: SearchStudy,
        build: Any, seed: int, progress: Progress,
    ) -> None:  # fmt: skip
        self.systems, self.judgements, self.mistyped = systems, judgements, mistyped
        self.settings, self.build, self.seed, self.progress = settings, build, seed, progress
        self.fold = folds_of(judgements, settings.folds, seed)
        self.choices: list[FoldChoice] = []
        self._pools: dict[tuple[int, bool], Pool] = {}
        self._tried: dict[int, NDArray[np.float32]] = {}

    def measure(self, wanted: Collection[str]) -> dict[str, Values]:
        """Return the metrics (q,) of the rows named in ``wanted``."""
        texts = self._texts()
        figures: dict[str, Values] = {}
        for name in [*self.systems.singles, *self.systems.finders]:
            if name in wanted:
                self.progress(f"measuring {name}")
                figures[name] = self._single(name, texts[0])
        learning = [row for row in ("text", HYBRID, RANKED) if row in wanted]
        for f in range(self.settings.folds if learning else 0):
            self.progress(f"fold {f + 1} of {self.settings.folds}")
            for row, values in self._fold(f, texts[f], learning).items():
                for metric, found in values.items():
                    whole = figures.setdefault(row, {}).setdefault(metric, np.zeros(len(self.fold), dtype=np.float32))
                    whole[self.fold == f] = found
        return figures

    def _texts(self) -> list[int]:
        """Return, for each fold, the text index that does best on the queries of the other folds."""
        if len(self.systems.texts) == 1:
            return [0] * self.settings.folds
        requests = [Request(text=q) for q in self.judgements.queries]
        rows = []
        for text in self.systems.texts:
            self.progress("trying a text index")
            rows.append(ndcg(text.generate(requests, 10), self.judgements))
        return [int(np.argmax([row[self.fold != f].mean() for row in rows])) for f in range(self.settings.folds)]

    def pool(self, text: int, typo: bool) -> Pool:
        """Return everything that is found for the queries, or for their mistyped copies; kept."""
        key = (text, typo)
        if key not in self._pools:
            queries = list(self.mistyped or ()) if typo else list(self.judgements.queries)
            self.progress(f"collecting candidates of {len(queries)} {'mistyped ' if typo else ''}queries")
            s, finders = self.settings, self.systems.united(text)
            self._pools[key] = collect(queries, finders, self.systems.singles, s.depth, s.candidates * 3 // 2)
        return self._pools[key]

    def _single(self, name: str, text: int) -> Values:
        system = {**self.systems.singles, **self.systems.finders}[name]
        values = measured(self.pool(text, False).lists[name], self._judged(system), self.judgements)
        if self.mistyped is not None:
            values[TYPO] = ndcg(self.pool(text, True).lists[name], self.judgements)
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

    def _fold(self, f: int, text: int, wanted: Collection[str]) -> dict[str, Values]:
        test = self.fold == f
        truth = self.judgements.take(np.flatnonzero(test))
        there = ndcg(self.pool(text, False).lists["text"], self.judgements)[~test]
        reached = {"text": float(there.mean())}
        choice = FoldChoice(text, validation=reached)
        if HYBRID in wanted or RANKED in wanted:
            tried = self.settings.weights()
            best = int(np.argmax(self._weight_figures(text)[:, ~test].mean(axis=1)))
            weights = tried[best]
            pool = self.pool(text, False)
            trainer = Trainer(pool, self.judgements, weights, self.settings, self.build, self.seed + f)
            reached[HYBRID] = float(self._weight_figures(text)[best, ~test].mean())
            choice = FoldChoice(text, weights, reached)
            if RANKED in wanted:
                learned = trainer.learn(~test, self.fold)
                reached[RANKED] = max(learned.validation.values())
                choice = replace(choice, learned=learned)
        self.choices.append(choice)
        lists = self._lists(choice, test, False, wanted)
        out = {row: measured(found, condensed(found, truth), truth) for row, found in lists.items()}
        if "text" in out:
            judged = self._judged(self.systems.texts[text], test)
            out["text"] = measured(lists["text"], judged, truth)
        if self.mistyped is not None:
            for row, found in self._lists(choice, test, True, wanted).items():
                out[row][TYPO] = ndcg(found, truth)
        return out

    def _lists(
        self, choice: FoldChoice, test: NDArray[np.bool_], typo: bool, wanted: Collection[str]
    ) -> dict[str, Slates]:
        """Return the lists of the rows that a fold decides, of the queries of ``test``."""
        pool = self.pool(choice.text, typo)
        out = {"text": rows_of(pool.lists["text"], test)} if "text" in wanted else {}
        if choice.weights:
            part = pool.part(test)
            fused = fuse(part, choice.weights, self.settings.candidates)
            if HYBRID in wanted:
                out[HYBRID] = Slates(fused.items, fused.scores, fused.offsets)
            if choice.learned is not None:
                ranked = choice.learned.ranker.rank(part.requests, fused, self.settings.candidates)
                out[RANKED] = Slates(ranked.items, ranked.scores, ranked.offsets)
        return out

    def _weight_figures(self, text: int) -> NDArray[np.float32]:
        if text not in self._tried:
            self.progress("trying fusion weights")
            self._tried[text] = weight_figures(self.pool(text, False), self.judgements, self.settings.weights())
        return self._tried[text]
