"""Which nouns of the reviews name something that is judged: their neighbours, their spread, the opinions beside them.

After the noun-frequency methods of Hu and Liu (2004, KDD) and the discriminators of Popescu and Etzioni (2005),
counted in the reviews themselves instead of on the web: one says "the battery" of a thing that was not named before
because a thing has one battery, but "a case", "this case" or "my case" of the thing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.aspects.corpus import Corpus, distinct
from recsys.aspects.words import (
    ATTRIBUTES,
    BAD,
    COPULAS,
    DETERMINERS,
    FUNCTION,
    GENERIC,
    GOOD,
    INTENSIFIERS,
    MODALS,
    PREPOSITIONS,
    PRONOUNS,
)

SUBJECT_OF = COPULAS | frozenset(("has", "had", "could", "can", "will", "would", "took", "takes"))
Counts = NDArray[np.float64]
Mask = NDArray[np.bool_]
BRIDGING = frozenset(("the", "its", "their", "no", "it's"))
INTRODUCING = frozenset(
    (
        "my",
        "your",
        "his",
        "her",
        "our",
        "a",
        "an",
        "this",
        "these",
        "another",
        "that",
        "those",
        "one",
        "two",
        "three",
        "any",
        "some",
        "every",
        "each",
        "other",
    )
)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a noun is an aspect.

    ``min_reviews`` absolutely and ``min_share`` of all reviews, ``min_items`` different items; ``min_noun`` share of
    places where it stands as a noun; ``min_part`` of its determiners are bridging; ``min_target`` of its places have
    an opinion on it; ``min_wordings`` different neighbourhoods (a sentence that is copied again and again names
    nothing); at most ``max_repeat`` of the other reviews of an item say it too, and at most ``max_named`` of its
    reviews are of items that are named so: that is the name of the thing.
    """

    min_reviews: int = 5
    min_share: float = 0.004
    min_items: int = 4
    min_noun: float = 0.5
    min_part: float = 0.5
    min_target: float = 0.1
    min_wordings: float = 1.8
    max_repeat: float = 0.45
    max_named: float = 0.3
    most: int = 100


@dataclass(frozen=True, slots=True, eq=False)
class TermStats:
    """What is counted of each word, (n_words,) each; the meaning of each is that of its limit."""

    reviews: Counts
    items: Counts
    noun: Counts
    part: Counts
    target: Counts
    wordings: Counts
    repeat: Counts


def measure(corpus: Corpus, weights: Mapping[str, float]) -> TermStats:
    """Return the statistics of every word of a corpus; ``weights`` are those of `recsys.aspects.opinions`."""
    n = len(corpus.vocabulary)
    width = max(1, corpus.n_reviews)
    pairs = distinct(corpus.words.astype(np.int64) * width + corpus.reviews)
    word, review = pairs // width, pairs % width
    near = _Neighbours.of(corpus, weights)
    return TermStats(
        np.bincount(word, minlength=n).astype(np.float64), _spread(corpus, word, review), near.noun_share(),
        near.part_share(), near.target_share(), near.wordings(), _repeat(corpus, word, review),
    )  # fmt: skip


def chosen(corpus: Corpus, stats: TermStats, limits: Limits, named: Mapping[str, float]) -> Mask:
    """Return (n_words,) True for aspect nouns; ``named`` is the share of a word's reviews whose item is named so.

    The nouns of `recsys.aspects.words.ATTRIBUTES` are known to be properties: they only have to be in use.
    """
    least = max(limits.min_reviews, limits.min_share * corpus.n_reviews)
    plain = np.array([_plain(w) and named.get(w, 0.0) <= limits.max_named for w in corpus.vocabulary], dtype=np.bool_)
    property_ = np.array([w in ATTRIBUTES for w in corpus.vocabulary], dtype=np.bool_)
    judged = (
        (stats.noun >= limits.min_noun)
        & (stats.part >= limits.min_part)
        & (stats.target >= limits.min_target)
        & (stats.wordings >= limits.min_wordings)
        & (stats.repeat <= limits.max_repeat)
    )
    together = np.bincount(corpus.stems, weights=stats.reviews)[corpus.stems] if len(plain) else stats.reviews
    used = (together >= np.where(property_, limits.min_reviews, least)) & (stats.items >= limits.min_items)
    return np.asarray(plain & used & (judged | property_))


def _plain(word: str) -> bool:
    return word.isalpha() and len(word) > 2 and word not in FUNCTION and word not in GENERIC


@dataclass(frozen=True, slots=True, eq=False)
class _Neighbours:
    """What stands around each token within its clause, and which words are of which kind."""

    n: int
    words: NDArray[np.int32]
    joined: Mask  # the word before belongs to the same clause, with no comma between
    opinion: Mask  # (n_words,)
    corpus: Corpus

    @classmethod
    def of(cls, corpus: Corpus, weights: Mapping[str, float]) -> _Neighbours:
        joined = (np.diff(corpus.clauses, prepend=-1) == 0) & (corpus.breaks == 0)
        made = cls(len(corpus.vocabulary), corpus.words, joined, np.empty(0, np.bool_), corpus)
        strong = np.array([abs(weights.get(w, 0.0)) >= 0.3 and w not in FUNCTION for w in corpus.vocabulary], np.bool_)
        seeds = made.kind(GOOD | BAD)
        # The ratings give weight to many nouns and verbs too: only what stands like an adjective can judge a noun.
        degree = made.kind(INTENSIFIERS | COPULAS)
        after_degree = made.count(made.joined & degree[made.before(1)] & made.ends())
        adjective = after_degree / np.maximum(np.bincount(made.words, minlength=made.n), 1) >= 0.1
        return cls(made.n, made.words, joined, strong & (seeds | adjective), corpus)

    def kind(self, words: frozenset[str]) -> Mask:
        return np.array([w in words for w in self.corpus.vocabulary], dtype=np.bool_)

    def before(self, k: int) -> NDArray[np.int32]:
        return np.roll(self.words, k)

    def after(self, k: int) -> NDArray[np.int32]:
        return np.roll(self.words, -k)

    def linked(self, k: int) -> Mask:
        """Return whether the next ``k`` words are in the same part of the clause."""
        out = np.roll(self.joined, -1)
        for step in range(2, k + 1):
            out = out & np.roll(self.joined, -step)
        return out

    def ends(self) -> Mask:
        """Return whether a phrase may end with each token."""
        return np.asarray(~self.linked(1) | self.kind(FUNCTION)[self.after(1)])

    def count(self, mask: Mask) -> Counts:
        return np.bincount(self.words[mask], minlength=self.n).astype(np.float64)

    def bare(self) -> Mask:
        """Return whether a token opens its clause and is its subject."""
        opens = np.diff(self.corpus.clauses, prepend=-1) != 0
        return np.asarray(opens & self.linked(1) & self.kind(SUBJECT_OF)[self.after(1)])

    def noun_share(self) -> Counts:
        """Return how often a word ends a noun phrase ("the sound is", "great sound."), of all its telling places."""
        first = self.before(1)
        opened = (self.joined & self.kind(DETERMINERS | PREPOSITIONS)[first]) | self.bare()
        described = self.joined & ~self.kind(FUNCTION)[first]
        verb = self.joined & self.kind(MODALS | PRONOUNS)[first]
        adjective = self.ends() & self.joined & self.kind(INTENSIFIERS | COPULAS)[first]
        # "described" is weak evidence, since verbs follow nouns as well: half a vote.
        votes = self.count(self.ends() & opened) + 0.5 * self.count(self.ends() & described)
        return np.asarray(votes / (votes + self.count(verb) + self.count(adjective) + 1.0))

    def part_share(self) -> Counts:
        """Return the share of bridging determiners among all that introduce the word, over one word between at most."""
        function, second = self.kind(FUNCTION), self.joined & np.roll(self.joined, 1)

        def introduced(kind: Mask) -> Counts:
            near = self.joined & kind[self.before(1)]
            far = second & kind[self.before(2)] & ~function[self.before(1)]
            return self.count((near | far) & self.ends())

        bridging, introducing = introduced(self.kind(BRIDGING)), introduced(self.kind(INTRODUCING))
        # "Accuracy was perfect": what needs no determiner in the singular is no single thing.
        singular = np.array([not w.endswith("s") for w in self.corpus.vocabulary], dtype=np.bool_)
        bridging += self.count(self.bare()) * singular
        # Without a determiner anywhere there is no telling; a tenth of the places has to speak.
        seen = np.bincount(self.words, minlength=self.n)
        return np.asarray(bridging / np.maximum(bridging + introducing + 1.0, 0.1 * seen))

    def target_share(self) -> Counts:
        """Return how often an opinion is said of the word: "great sound", "sound is great", "sound is really great"."""
        copula = self.kind(COPULAS)[self.after(1)]
        said = self.joined & self.opinion[self.before(1)]
        said |= self.linked(2) & copula & self.opinion[self.after(2)]
        said |= self.linked(3) & copula & self.opinion[self.after(3)]
        return self.count(said) / np.maximum(np.bincount(self.words, minlength=self.n), 1)

    def wordings(self) -> Counts:
        """Return the effective number of different (word before, word after): the exponential of their entropy."""
        wide = self.n + 1
        first = np.where(self.joined, self.before(1), self.n).astype(np.int64)
        last = np.where(self.linked(1), self.after(1), self.n)
        held, count = np.unique(self.words.astype(np.int64) * wide * wide + first * wide + last, return_counts=True)
        word = held // (wide * wide)
        share = count / np.bincount(self.words, minlength=self.n)[word]
        return np.exp(-np.bincount(word, weights=share * np.log(share), minlength=self.n))


def _spread(corpus: Corpus, word: NDArray[np.int64], review: NDArray[np.int64]) -> Counts:
    n_items = int(corpus.items.max(initial=0)) + 1
    pairs = distinct(word * n_items + corpus.items[review])
    return np.bincount(pairs // n_items, minlength=len(corpus.vocabulary)).astype(np.float64)


def _repeat(corpus: Corpus, word: NDArray[np.int64], review: NDArray[np.int64]) -> Counts:
    """Return, averaged over the reviews that say a word, the share of the item's other reviews that say it too."""
    n_items = int(corpus.items.max(initial=0)) + 1
    size = np.bincount(corpus.items, minlength=n_items)
    item = corpus.items[review]
    _, inverse, count = np.unique(word * n_items + item, return_inverse=True, return_counts=True)
    # Two more reviews that do not say it, so that an item with two reviews proves nothing.
    share = (count[inverse] - 1) / (size[item] + 1)
    n = len(corpus.vocabulary)
    return np.bincount(word, weights=share, minlength=n) / np.maximum(np.bincount(word, minlength=n), 1)
