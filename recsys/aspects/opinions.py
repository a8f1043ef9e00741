"""Which words praise and which blame: a few seed words, and what the ratings teach about all others."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from recsys.aspects.corpus import Corpus
from recsys.aspects.words import BAD, FUNCTION, GOOD, NEGATION_REACH, NEGATORS

HIGH, LOW = 4.0, 2.0  # stars that praise, stars that blame; three say both
SEED_WEIGHT = 1.0
TRUST = 4.0  # strength of the prior: about so many clauses of evidence move a weight
MIN_ITEMS = 4  # of items that a word has to be said of
NEGATED = "not_"
PAIR = "_"


def features(words: Sequence[str], breaks: Sequence[int]) -> list[str]:
    """Return what a clause says: its words, marked where a negator rules them, and its neighbouring pairs."""
    out: list[str] = []
    reach = 0
    for place, word in enumerate(words):
        if breaks[place] and place:
            reach = 0
        if place and not breaks[place]:
            out.append(f"{words[place - 1]}{PAIR}{word}")
        if word in NEGATORS:
            reach = NEGATION_REACH
            continue
        if word not in FUNCTION or word in GOOD or word in BAD:
            out.append(NEGATED + word if reach else word)
        reach = max(0, reach - 1)
    return out


def prior(feature: str) -> float:
    """Return the weight of a feature before any rating is seen."""
    negated = feature.startswith(NEGATED)
    word = feature.removeprefix(NEGATED)
    sign = (word in GOOD) - (word in BAD)
    # "not great" is milder than "bad", and "no problems" milder than "great".
    return SEED_WEIGHT * sign * (-0.6 if negated else 1.0)


def learn(corpus: Corpus, names: Container[str] = ()) -> dict[str, float]:
    """Return the weight of each feature: above 0 praises, below 0 blames; sums are log odds of a good review.

    A ridge logistic regression of the stars of a review on each of its clauses, drawn to the seed words instead of
    to zero, without an intercept: a clause without opinion stays at 0. Both kinds of reviews weigh the same.
    ``names`` (brands, words of titles) never carry opinion: a maker's bad year is no bad word.
    Where the ratings are all alike, the seeds alone are returned.
    """
    found_names, matrix, labels = _clauses(corpus, names)
    start = np.array([prior(n) for n in found_names])
    seeds = {w: prior(w) for word in (*GOOD, *BAD) for w in (word, NEGATED + word)}
    if not len(labels) or not (labels > 0).any() or not (labels < 0).any():
        return seeds
    weights = np.where(labels > 0, 0.5 / (labels > 0).sum(), 0.5 / (labels < 0).sum()) * len(labels)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = labels * (matrix @ w)
        # log(1 + exp(-m)) without overflow
        value = np.logaddexp(0, -margin) @ weights + 0.5 * TRUST * ((w - start) ** 2).sum()
        slope = -labels * weights * _sigmoid(-margin)
        return float(value), matrix.T @ slope + TRUST * (w - start)

    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    learned = {n: round(float(w), 4) for n, w in zip(found_names, found.x, strict=True) if abs(w) >= 0.05}
    measured = set(found_names)
    return {**{n: w for n, w in seeds.items() if n not in measured}, **learned}


def judge(weights: Mapping[str, float], found: Sequence[str]) -> float:
    """Return the sentiment of a clause in [-1, 1] from its features: 0 where none is known."""
    return math.tanh(0.5 * sum(weights.get(f, 0.0) for f in found))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * x))
    return out


def _clauses(corpus: Corpus, names: Container[str]) -> tuple[list[str], sparse.csr_array, NDArray[np.float64]]:
    """Return the frequent features, (n, f) which clauses of rated reviews have them, and (n,) +1 or -1."""
    stars = corpus.ratings[corpus.reviews] if len(corpus.reviews) else corpus.ratings[:0]
    rated = (stars >= HIGH) | (stars <= LOW)
    starts = np.flatnonzero(np.diff(corpus.clauses, prepend=-1))
    ends = np.append(starts[1:], len(corpus.clauses))[: len(starts)]
    columns: dict[str, int] = {}
    seen_in: list[int] = []
    last: list[int] = []
    rows: list[int] = []
    entries: list[int] = []
    labels: list[float] = []
    vocabulary, words, breaks, reviews = (
        corpus.vocabulary,
        corpus.words.tolist(),
        corpus.breaks.tolist(),
        corpus.reviews,
    )
    items = corpus.items[reviews]
    for first, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if not rated[first]:
            continue
        item = int(items[first])
        said = [vocabulary[w] for w in words[first:end]]
        for name in {f for f in features(said, breaks[first:end]) if f.removeprefix(NEGATED) not in names}:
            column = columns.setdefault(name, len(columns))
            if column == len(seen_in):
                seen_in.append(0)
                last.append(-1)
            seen_in[column] += last[column] != item
            last[column] = item
            rows.append(len(labels))
            entries.append(column)
        labels.append(1.0 if stars[first] >= HIGH else -1.0)
    keep = np.array(seen_in, dtype=np.int64) >= MIN_ITEMS
    place = np.cumsum(keep) - 1
    column_of = np.array(entries, dtype=np.int64)
    use = keep[column_of]
    matrix = sparse.csr_array(
        (np.ones(int(use.sum())), (np.array(rows)[use], place[column_of[use]])), shape=(len(labels), int(keep.sum()))
    )
    # The order of a set of strings changes from run to run: by name it does not.
    names = np.array(list(columns), dtype=object)[keep]
    order = np.argsort(names)
    return names[order].tolist(), sparse.csr_array(matrix[:, order]), np.array(labels)
