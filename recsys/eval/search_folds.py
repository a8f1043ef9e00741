"""What is learned from judged queries, fold by fold: fusion weights and the ranker, chosen on training folds alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import Fusion, normalised
from recsys.data.search.judgements import Judgements
from recsys.eval.metrics import per_request
from recsys.eval.search_measure import grades
from recsys.eval.search_pool import Pool, rows_of
from recsys.eval.search_study import Finder, SearchStudy, Weights
from recsys.ndcg import discounts, worth
from recsys.protocols import FitOptions
from recsys.types import Slates

Mask = NDArray[np.bool_]
Build = Callable[[Finder], Any]  # the options of a ranker to an unfitted one
MAX_LABEL = 3  # of LightGBM's label gains 2 ** label - 1


def folds_of(judgements: Judgements, n: int, seed: int) -> NDArray[np.int64]:
    """Return (q,) the fold of each query, 0 to n - 1; all spellings of one question are in one fold."""
    _, group = np.unique(judgements.groups(), return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(int(group.max(initial=-1)) + 1) % n
    return np.asarray(dealt[group], dtype=np.int64)


def ndcg(ranked: Slates, judgements: Judgements) -> NDArray[np.float32]:
    """Return (q,) NDCG@10 over the whole collection, gain 2 ** grade - 1."""
    return per_request(ranked, judgements.targets, ("ndcg@10",), gain="exp")["ndcg@10"]


def weight_figures(pool: Pool, judgements: Judgements, choices: Sequence[Weights]) -> NDArray[np.float32]:
    """Return (choices, q) NDCG@10 of every query under every choice of fusion weights.

    The figures are those of `ndcg` of the fused lists (of equal scores, the less relevant come first); dozens of
    choices are sorted as one square of candidates a query.
    """
    slates = pool.slates
    gains = np.exp2(grades(slates, judgements)) - 1
    # Among equal scores a stable sort keeps the incoming order: the less relevant first.
    order = np.lexsort((gains, slates.request_index))
    place = slates.places
    shape = (len(slates), max(int(slates.lengths.max(initial=0)), 1))
    at = (slates.request_index, place)

    def square(values: NDArray[np.float32], fill: float) -> NDArray[np.float32]:
        out = np.full(shape, fill, dtype=np.float32)
        out[at] = values[order]
        return out

    names = {name for weights in choices for name in weights}
    shares = {name: square(normalised(slates.columns[f"{name}_score"], slates), 0.0) for name in names}
    gained, ideal = square(gains, 0.0), _ideal(judgements)
    nothing = square(np.zeros(len(order), dtype=np.float32), -np.inf)
    rows = []
    for weights in choices:
        total = nothing + sum(np.float32(w) * shares[name] for name, w in weights.items() if w)
        best = np.argsort(-total, axis=1, kind="stable")[:, :10]
        rows.append((np.take_along_axis(gained, best, axis=1) @ discounts(best.shape[1])) / ideal)
    return np.stack(rows).astype(np.float32)


def _ideal(judgements: Judgements) -> NDArray[np.float64]:
    targets = judgements.targets
    gains = np.exp2(np.asarray(targets.gains, dtype=np.float64)) - 1
    order = np.lexsort((-gains, targets.owner))
    place = np.arange(len(order)) - np.repeat(targets.offsets[:-1], targets.counts)
    total = np.bincount(targets.owner, weights=worth(place, gains=gains[order]), minlength=len(targets))
    return total.astype(np.float64)


def labels_for(slates: Slates, judgements: Judgements) -> NDArray[np.float32]:
    """Return (m,) whole labels 0 to 3 of grades on any scale; what nobody judged is 0, as in the measure."""
    found = grades(slates, judgements)
    top = float(found.max(initial=0.0))
    scale = MAX_LABEL / top if top > MAX_LABEL else 1.0
    labels: NDArray[np.float32] = np.ceil(found * scale).astype(np.float32)
    return labels


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """The ranker of one fold, the settings chosen for it, and the NDCG@10 of each choice on the queries that chose."""

    ranker: Any
    choice: Finder
    validation: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Fits rankers on parts of one pool, whose candidates are fused by ``weights``."""

    def __init__(
        self, pool: Pool, judgements: Judgements, weights: Weights, settings: SearchStudy, build: Build, seed: int
    ) -> None:
        self.pool, self.judgements, self.settings = pool, judgements, settings
        self.build, self.seed, self.weights = build, seed, weights
        self.slates = fuse(pool, weights, settings.candidates)

    def learn(self, train: Mask, fold: NDArray[np.int64]) -> Learned:
        """Return a ranker fitted on the queries of ``train`` (q,), its settings chosen inside them by fold."""
        s = self.settings
        inner = np.unique(fold[train])
        if len(self.judgements) >= s.inner_queries:
            inner = inner[:1]
        validation: dict[str, float] = {}
        reached = []
        held = train & np.isin(fold, inner)
        for choice in s.ranker_choices:
            figures = np.zeros(len(fold), dtype=np.float32)
            for k in inner:
                part = train & (fold == k)
                ranker = self.fit(train & (fold != k), choice, s.train_queries // 2)
                figures[part] = ndcg(self.ranked(ranker, part), self._take(part))
            reached.append(float(figures[held].mean()))
            validation[", ".join(f"{name} {value}" for name, value in choice.items())] = reached[-1]
        best = s.ranker_choices[int(np.argmax(reached))]
        return Learned(self.fit(train, best, s.train_queries), best, validation)

    def _take(self, mask: Mask) -> Judgements:
        return self.judgements.take(np.flatnonzero(mask))

    def fit(self, train: Mask, choice: Finder, limit: int) -> Any:
        """Return a ranker fitted on at most ``limit`` of the queries of ``train``."""
        rng = np.random.default_rng(self.seed)
        index = np.flatnonzero(train)
        if len(index) > limit:
            index = np.sort(rng.choice(index, limit, replace=False))
        mask = np.zeros(len(train), dtype=np.bool_)
        mask[index] = True
        slates = rows_of(self.slates, mask)
        requests = [self.pool.requests[i] for i in index.tolist()]
        labels = labels_for(slates, self.judgements.take(index))
        many = self.settings.many if len(self.judgements) >= self.settings.inner_queries else {}
        ranker = self.build({**self.settings.ranker, **many, **choice})
        return ranker.fit(requests, slates, labels, FitOptions(seed=self.seed))

    def ranked(self, ranker: Any, mask: Mask) -> Slates:
        """Return the lists of the queries of ``mask`` as ``ranker`` orders them."""
        requests = [r for r, m in zip(self.pool.requests, mask, strict=True) if m]
        lists: Slates = ranker.rank(requests, rows_of(self.slates, mask), self.settings.candidates)
        return lists


def fuse(pool: Pool, weights: Weights, n: int) -> Slates:
    """Return the candidates of a pool in fused order, the best ``n``."""
    return Fusion(weights, default=0.0).fuse(pool.slates, list(weights), n)
