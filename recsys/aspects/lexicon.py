"""What reviewers of a shop talk about, and the words that praise and blame it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recsys.artifacts import read_json, write_json
from recsys.aspects import opinions, terms
from recsys.aspects.corpus import Corpus, distinct
from recsys.aspects.screen import trusted
from recsys.aspects.tokens import Clause, Text, read
from recsys.aspects.words import ATTRIBUTES, FUNCTION, INTENSIFIERS
from recsys.dataset import ItemTable
from recsys.embed.words import words as words_of
from recsys.types import Review

NEUTRAL = 0.1  # a sentiment nearer to 0 takes no side
_JOINERS = frozenset(("and", "while", "plus"))


@dataclass(frozen=True, slots=True)
class Mention:
    """One place of a text that speaks about an aspect.

    Attributes:
        aspect: the number of the aspect in `Lexicon.aspects`. start, end: the place of its word.
        sentiment: in [-1, 1]; what is nearer to 0 than `NEUTRAL` takes no side.
        opinion: (start, end) of the word that says so most clearly, None without one.
        quote: (start, end) of the whole sentence or part of it around, None where there is none of fair length.
    """

    aspect: int
    start: int
    end: int
    sentiment: float
    opinion: tuple[int, int] | None
    quote: tuple[int, int] | None


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """A learned dictionary; it holds no review and no author.

    Attributes:
        aspects: the names, the most talked about first.
        forms: word -> number of the aspect that it speaks of, wherever it stands.
        predicates: the same for words that count only where no noun follows ("it is light", not "a light pan").
        weights: opinion weights of words, negated words ("not_") and pairs ("too_heavy"), see `opinions`.
    """

    aspects: tuple[str, ...] = ()
    forms: Mapping[str, int] = field(default_factory=dict)
    predicates: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def learn(
        cls, reviews: Sequence[Review], items: ItemTable | None = None, limits: terms.Limits | None = None
    ) -> Lexicon:
        """Learn from reviews; with the catalogue, names of things and brands are not taken for their properties."""
        limits = limits or terms.Limits()
        corpus = Corpus.of(reviews)
        weights = opinions.learn(
            corpus, set() if items is None else {w for b in set(items.brands) for w in words_of(b)}
        )
        if not len(corpus.words):
            return cls(weights=weights)
        stats = terms.measure(corpus, weights)
        named = {} if items is None else _named(corpus, items)
        picked = terms.chosen(corpus, stats, limits, named)
        return cls(*_grouped(corpus, stats, picked, limits), weights)

    def number(self, name: str) -> int:
        """Return the number of an aspect, -1 if there is none of that name."""
        return self.aspects.index(name) if name in self.aspects else -1

    def mentions(self, text: str, name: Set[str] = frozenset(), *, screened: bool = False) -> list[Mention]:
        """Return what a text says about aspects, in its order; nothing for a text that cannot be trusted.

        ``name`` holds the words of the item's own name: "the storage jars" says nothing about storage. ``screened``:
        the text was found to be trusted before.
        """
        if not screened and not trusted(text):
            return []
        seen = read(text)
        out: list[Mention] = []
        for clause in seen.clauses:
            found = self._found(seen, clause, name)
            for place, aspect in found:
                first, last = _segment(seen, clause, place, found)
                if (first, last) != (clause.first, clause.last) and not self._said(seen, first, last):
                    first, last = clause.first, clause.last
                sentiment = opinions.judge(self.weights, self._said(seen, first, last))
                start, end = seen.starts[place], seen.ends[place]
                opinion = self._opinion(seen, first, last, sentiment)
                out.append(Mention(aspect, start, end, round(sentiment, 4), opinion, seen.quote(start, end)))
        return out

    def _found(self, text: Text, clause: Clause, name: Set[str]) -> list[tuple[int, int]]:
        """Return (place, aspect) of the words of a clause that name aspects, or else of those that judge them."""
        words = text.words
        places = range(clause.first, clause.last)

        def of_name(at: int) -> bool:
            near = (words[i] for i in (at - 1, at + 1) if clause.first <= i < clause.last)
            return words[at] in name and any(w in name for w in near)

        named = [(at, self.forms[words[at]]) for at in places if words[at] in self.forms and not of_name(at)]
        if named or not self.predicates:
            return named

        def alone(at: int) -> bool:
            return at + 1 == clause.last or text.breaks[at + 1] > 0 or words[at + 1] in FUNCTION

        return [(at, self.predicates[words[at]]) for at in places if words[at] in self.predicates and alone(at)]

    def _said(self, text: Text, first: int, last: int) -> list[str]:
        found = opinions.features(text.words[first:last], text.breaks[first:last])
        return [f for f in found if f in self.weights]

    def _opinion(self, text: Text, first: int, last: int, sentiment: float) -> tuple[int, int] | None:
        """Return the place of the word that speaks most clearly for the sentiment."""
        if abs(sentiment) < NEUTRAL:
            return None
        best, place = 0.0, -1
        for at in range(first, last):
            word = text.words[at]
            plain, negated = self.weights.get(word, 0.0), self.weights.get(opinions.NEGATED + word, 0.0)
            weight = max(plain * sentiment, negated * sentiment)
            if word not in INTENSIFIERS and weight > best:
                best, place = weight, at
        return None if place < 0 else (text.starts[place], text.ends[place])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "aspects": list(self.aspects), "forms": dict(self.forms),
            "predicates": dict(self.predicates), "weights": dict(self.weights),
        }  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write ``lexicon.json``."""
        write_json(folder / "lexicon.json", self.to_dict())

    @classmethod
    def load(cls, folder: Path) -> Lexicon:
        """Read what `save` wrote."""
        raw = read_json(folder / "lexicon.json")
        return cls(tuple(raw["aspects"]), raw["forms"], raw["predicates"], raw["weights"])


def _segment(text: Text, clause: Clause, place: int, found: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the words around a mention that speak of it and of no other aspect: up to a comma or an "and"."""
    if len({aspect for _, aspect in found}) < 2:
        return clause.first, clause.last
    cuts = [clause.first]
    cuts += [i for i in range(clause.first + 1, clause.last) if text.breaks[i] or text.words[i] in _JOINERS]
    cuts.append(clause.last)
    at = int(np.searchsorted(cuts, place, side="right"))
    return cuts[at - 1], cuts[at]


def name_words(items: ItemTable, row: int) -> frozenset[str]:
    """Return the words of an item's name: title, brand, categories; and each noun in its other number."""
    parts = (items.titles[row], items.brands[row], *items.categories[row])
    found = {w for p in parts for w in words_of(p)}
    return frozenset(found | {w.removesuffix("s") for w in found if len(w) > 3} | {f"{w}s" for w in found})


def _named(corpus: Corpus, items: ItemTable) -> dict[str, float]:
    """Return word -> share of the reviews that say it whose item is named so, in title, brand or categories."""
    number = {word: i for i, word in enumerate(corpus.vocabulary)}
    width, n = np.int64(max(1, len(number))), len(number)
    rows = items.vocabulary.rows(corpus.item_ids).tolist()
    named = [
        item * width + number[word]
        for item, row in enumerate(rows)
        if row >= 0
        for word in name_words(items, row)
        if word in number
    ]
    pairs = distinct(corpus.reviews.astype(np.int64) * width + corpus.words)
    review, word = pairs // width, pairs % width
    known = (np.array(rows, dtype=np.int64) >= 0)[corpus.items[review]]
    said = np.bincount(word[known], minlength=n)
    own = np.bincount(word[np.isin(corpus.items[review] * width + word, named)], minlength=n)
    return {w: float(own[i] / said[i]) for w, i in number.items() if said[i]}


def _grouped(
    corpus: Corpus, stats: terms.TermStats, picked: terms.Mask, limits: terms.Limits
) -> tuple[tuple[str, ...], dict[str, int], dict[str, int]]:
    """Return the names, the forms and the predicates: words of one stem are one aspect, and so are its attributes."""
    vocabulary, known = corpus.vocabulary, {w: i for i, w in enumerate(corpus.vocabulary)}
    by_stem: dict[int, list[int]] = {}
    for word, stem in enumerate(corpus.stems.tolist()):
        by_stem.setdefault(stem, []).append(word)
    groups: dict[str, list[int]] = {}
    for stem in sorted({int(corpus.stems[w]) for w in np.flatnonzero(picked)}):
        # A word of the list names its stem, else the most frequent noun of it does.
        nouns = [w for w in by_stem[stem] if picked[w] or stats.noun[w] >= limits.min_noun]
        head = max(nouns, key=lambda w: (vocabulary[w] in ATTRIBUTES, stats.reviews[w], vocabulary[w]))
        groups[vocabulary[head]] = [w for w in by_stem[stem] if _kin(vocabulary[head], vocabulary[w])]
    claimed = {vocabulary[w] for group in groups.values() for w in group}
    least = max(limits.min_reviews, limits.min_share * corpus.n_reviews)
    for noun, others in ATTRIBUTES.items():
        said = [known[w] for w in others if w in known and (w in groups or w not in claimed)]
        if noun not in groups and stats.reviews[said].sum() < least:
            continue
        group = groups.setdefault(noun, [])
        for word in said:
            # A synonym that was found to be an aspect itself joins the noun that it is listed under.
            group += [w for w in groups.pop(vocabulary[word], [word]) if w not in group]
        claimed |= {vocabulary[w] for w in group}
    order = sorted(groups, key=lambda n: (-float(stats.reviews[groups[n]].sum()), n))[: limits.most]
    forms: dict[str, int] = {}
    predicates: dict[str, int] = {}
    for number, noun in enumerate(order):
        for word in groups[noun]:
            place = forms if vocabulary[word] == noun or stats.noun[word] >= limits.min_noun else predicates
            place[vocabulary[word]] = number
    return tuple(order), forms, predicates


def _kin(noun: str, other: str) -> bool:
    """Return whether two words of one stem mean one thing: number, or a long common beginning ("set", "settings")."""
    if noun.removesuffix("s") == other.removesuffix("s"):
        return True
    shorter = min(len(noun), len(other), 5)
    return len(other) >= 4 and shorter >= 4 and noun[:shorter] == other.removeprefix("un").removeprefix("in")[:shorter]
