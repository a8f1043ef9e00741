"""Headlines out of reviews: the run of words of a review that is most like what reviewers put above their own.

Every run of up to eight words within a sentence is a candidate. A linear model foretells how many of its words the
reviewer's headline shares (F1 of words), from how often its words and pairs stand in headlines rather than in texts,
begin them and end them, where it begins and ends in its sentence and its review, and how long it is. Nothing is
written that the review does not say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.aspects.tokens import Text, read
from recsys.types import Review

MAX_WORDS = 8
FOLDS = 5  # a review's own headline is never among the words that it is judged by while the model learns
SPANS = 60  # of a review in training, drawn at random: long reviews would outweigh all others
PENALTY = 1.0
SENTENCE, PART = 2, 1  # `Text.breaks`
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Habits:
    """How often words and pairs of words stand in headlines and in texts, and begin or end a headline."""

    headlines: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    last: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    text_pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    prior: float = 0.0  # how much more words there are in headlines than in texts, a logarithm

    @classmethod
    def of(cls, reviews: Iterable[tuple[Text, tuple[str, ...]]]) -> Self:
        """Count texts and the words of their headlines."""
        out = cls()
        for text, headline in reviews:
            out.texts.update(text.words)
            out.text_pairs.update(pairwise(text.words))
            out.headlines.update(headline)
            out.pairs.update(pairwise(headline))
            out.first.update(headline[:1])
            out.last.update(headline[-1:])
        return replace(out, prior=float(np.log(out.headlines.total() + 1) - np.log(out.texts.total() + 10)))

    def columns(self, words: Sequence[str]) -> Floats:
        """Return (4, n): how much more likely a word is in a headline, begins one, ends one, follows the one before.

        All are logarithms of smoothed ratios.
        """
        h = np.array([self.headlines[w] for w in words], dtype=np.float64)
        t = np.array([self.texts[w] for w in words], dtype=np.float64)
        first = np.array([self.first[w] for w in words])
        last = np.array([self.last[w] for w in words])
        pair = np.array([0, *(self.pairs[p] for p in pairwise(words))])
        text_pair = np.array([0, *(self.text_pairs[p] for p in pairwise(words))])
        before_h, before_t = np.r_[0.0, h[:-1]], np.r_[0.0, t[:-1]]
        in_headline = np.log((h + 0.5) / (t + 5)) - self.prior
        follows = np.log((pair + 0.2) / (before_h + 5)) - np.log((text_pair + 1) / (before_t + 10))
        return np.array([in_headline, np.log((first + 0.1) / (h + 1)), np.log((last + 0.1) / (h + 1)), follows])


def spans(text: Text) -> tuple[Ints, Ints]:
    """Return the candidates of a text as places of words: (m,) where each begins, and where it has ended."""
    n = len(text.words)
    sentence = np.cumsum(np.array(text.breaks) == SENTENCE)
    first = np.repeat(np.arange(n), MAX_WORDS)
    end = first + np.tile(np.arange(1, MAX_WORDS + 1), n)
    inside = end <= n
    first, end = first[inside], end[inside]
    whole = sentence[end - 1] == sentence[first]
    return first[whole], end[whole]


def features(text: Text, first: Ints, end: Ints, habits: Habits) -> Floats:
    """Return (m, f) what is known of the candidates."""
    n, length = len(text.words), end - first
    likely, begins, ends, follows = habits.columns(text.words)
    breaks = np.array([*text.breaks, SENTENCE])
    sentence = np.cumsum(breaks[:-1] == SENTENCE)
    counts = Counter(text.words)
    often = np.array([counts[w] / n for w in text.words])

    def mean(values: Floats, skip: int = 0) -> Floats:
        total = np.r_[0.0, np.cumsum(values)]
        found: Floats = (total[end] - total[first + skip]) / np.maximum(1, length - skip)
        return found

    worst = likely[first].copy()
    for step in range(1, MAX_WORDS):
        longer = length > step
        worst[longer] = np.minimum(worst[longer], likely[first[longer] + step])
    columns = [
        begins[first], ends[end - 1], likely[first], likely[end - 1], mean(likely), mean(likely) * length, worst,
        mean(follows, 1), mean(follows, 1) * (length - 1), mean(often), breaks[first] == SENTENCE,
        breaks[first] >= PART, breaks[end] == SENTENCE, breaks[end] >= PART, sentence[first] == 1,
        sentence[first] == sentence[-1], sentence[first] / sentence[-1], 1 / (1 + first), length / n,
        np.full(len(first), np.log(n)), *(length == size for size in range(2, MAX_WORDS + 1)),
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float64)


def shared(text: Text, first: Ints, end: Ints, headline: Sequence[str]) -> Floats:
    """Return (m,) F1 of the words of candidates and of a headline, repeats counted."""
    wanted = Counter(headline)
    out = np.empty(len(first))
    found: Counter[str] = Counter()
    hits = 0
    for at, (begin, stop) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
        if stop == begin + 1:  # candidates of one beginning follow each other, the shortest first
            found.clear()
            hits = 0
        word = text.words[stop - 1]
        found[word] += 1
        hits += found[word] <= wanted[word]
        out[at] = 2 * hits / (stop - begin + len(headline))
    return out


class Headlines:
    """The extractive writer; fitted on reviews that have headlines.

    >>> said = [Review(user_id="u", item_id="i", text=f"I play a lot. Great {x}, I say.", summary=f"Great {x}")
    ...         for x in ("strings", "tuner", "strap", "pick", "stand")]
    >>> Headlines(said).write(["We tour the whole year. Great amp, I think."])
    ['Great amp']
    """

    def __init__(self, reviews: Sequence[Review], seed: int = 0) -> None:
        """Fit; ``seed`` draws folds and candidates. Raises `ValueError` without a review that has a headline."""
        read_all = [(read(r.text), read(r.summary).words) for r in reviews]
        known = [(text, headline) for text, headline in read_all if text.words and headline]
        if not known:
            raise ValueError("reviews: none of them has a text and a headline to learn from")
        luck = np.random.default_rng(seed)
        fold = luck.integers(0, FOLDS, len(known))
        rows, targets, weights = [], [], []
        for number in np.unique(fold):
            rest = [one for one, f in zip(known, fold, strict=True) if f != number] or known
            habits = Habits.of(rest)
            for text, headline in (one for one, f in zip(known, fold, strict=True) if f == number):
                first, end = spans(text)
                wanted = shared(text, first, end, headline)
                some = luck.permutation(len(first))[:SPANS]
                rows.append(features(text, first[some], end[some], habits))
                targets.append(wanted[some])
                weights.append(np.full(len(some), 1 / len(some)))
        self.habits = Habits.of(known)
        self._solve(np.concatenate(rows), np.concatenate(targets), np.concatenate(weights))

    def _solve(self, x: Floats, y: Floats, weight: Floats) -> None:
        """Fit ridge regression over standardised columns."""
        self._mean, self._scale = x.mean(axis=0), x.std(axis=0) + 1e-9
        z = np.c_[(x - self._mean) / self._scale, np.ones(len(x))]
        penalty = PENALTY * np.eye(z.shape[1])
        penalty[-1, -1] = 0
        self._weights: Floats = np.linalg.solve(z.T @ (z * weight[:, None]) + penalty, z.T @ (y * weight))

    def write(self, texts: Sequence[str]) -> list[str]:
        """Return a headline of each text (n,), letter for letter as it stands there; "" for a text without a word."""
        return [self._best(read(text)) for text in texts]

    def _best(self, text: Text) -> str:
        if not text.words:
            return ""
        first, end = spans(text)
        z = (features(text, first, end, self.habits) - self._mean) / self._scale
        place = int(np.argmax(z @ self._weights[:-1]))
        return cut(text, int(first[place]), int(end[place]))


def cut(text: Text, first: int, end: int) -> str:
    """Return words ``first`` to ``end`` of a text as they stand there."""
    return text.raw[text.starts[first] : text.ends[end - 1]]


def ceiling(texts: Sequence[str], headlines: Sequence[str]) -> list[str]:
    """Return the candidate of each text that shares most with its true headline: what no choice can exceed by much."""
    out = []
    for raw, headline in zip(texts, headlines, strict=True):
        text = read(raw)
        first, end = spans(text)
        place = int(np.argmax(shared(text, first, end, read(headline).words))) if len(first) else -1
        out.append(cut(text, int(first[place]), int(end[place])) if place >= 0 else "")
    return out
