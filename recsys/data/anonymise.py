"""Words replaced by opaque ones: how much of a figure is what a pretrained model knew of the names beforehand?

Language models have read about films, brands and games, perhaps in the very data that they are measured on. Here every
word becomes an opaque one, the same word the same one everywhere. Which words items share, and all that can be learned
from that and from the log, stays as it was: BM25, attributes and collaborative rows barely move. What a word means is
gone, names and plain language alike: the drop of a row that rests on a pretrained model is therefore the most that its
knowledge of the names can have brought, not exactly that.

Opaque words are four or more consonants, so that they are no words of a language by chance. Numbers are words, too: a
year or a model number tells a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from recsys.data.altered import altered
from recsys.dataset import Dataset, ItemTable

ANONYMISED = "anonymised"
CONSONANTS = "bcdfghjklmnpqrstvwxz"
MIN_LETTERS = 4
SPARE = 4  # that many times more opaque words exist than are needed
_WORD = re.compile(r"\w+")


def anonymised(data: Dataset, seed: int = 0) -> Dataset:
    """Return the data with all its words opaque: of titles, texts, brands, categories, attributes, reviews, searches.

    Punctuation, order and capital letters stay; ids, numeric attributes, prices, names of attributes and the log do
    too. Words that differ in capitals alone are one word.
    """
    words = {word.casefold() for text in _texts(data) for word in _WORD.findall(text)}
    code = _code(words, seed)
    reviews = [replace(r, text=_opaque(r.text, code), summary=_opaque(r.summary, code)) for r in data.reviews]
    searches = [replace(s, text=_opaque(s.text, code)) for s in data.searches]
    out = replace(data, items=_items(data.items, code), reviews=tuple(reviews), searches=tuple(searches))
    remark = (
        f"All {len(words):,} words of the catalogue, its reviews and searches are replaced by opaque ones (seed "
        f"{seed}), the same word by the same: which words items share is left, what words and names mean is not."
    )
    return altered(out, ANONYMISED, remark)


def _code(words: Iterable[str], seed: int) -> dict[str, str]:
    """Return a distinct opaque word for each; none of them is a word of the data."""
    known = sorted(words)
    letters = MIN_LETTERS
    while len(CONSONANTS) ** letters < SPARE * len(known):
        letters += 1
    drawn = np.random.default_rng(seed).permutation(len(CONSONANTS) ** letters)
    taken = set(known)
    free = (word for word in (_spelled(int(n), letters) for n in drawn) if word not in taken)
    return dict(zip(known, free, strict=False))


def _spelled(number: int, letters: int) -> str:
    out = ""
    for _ in range(letters):
        number, at = divmod(number, len(CONSONANTS))
        out += CONSONANTS[at]
    return out


def _opaque(text: str, code: Mapping[str, str]) -> str:
    def swapped(match: re.Match[str]) -> str:
        word = match[0]
        new = code[word.casefold()]
        if word[:1].isupper():
            return new.upper() if len(word) > 1 and word.isupper() else new.capitalize()
        return new

    return _WORD.sub(swapped, text)


def _items(items: ItemTable, code: Mapping[str, str]) -> ItemTable:
    def value(found: Any) -> Any:
        if isinstance(found, str):
            return _opaque(found, code)
        return tuple(value(part) for part in found) if isinstance(found, tuple) else found

    return replace(
        items,
        titles=[value(t) for t in items.titles],
        texts=[value(t) for t in items.texts],
        brands=[value(b) for b in items.brands],
        categories=[value(c) for c in items.categories],
        attributes=[{name: value(v) for name, v in one.items()} for one in items.attributes],
    )


def _texts(data: Dataset) -> Iterator[str]:
    items = data.items
    for column in (items.titles, items.texts, items.brands):
        yield from column
    for names in items.categories:
        yield from names
    for one in items.attributes:
        for found in one.values():
            yield from (found,) if isinstance(found, str) else found if isinstance(found, tuple) else ()
    for review in data.reviews:
        yield from (review.text, review.summary)
    yield from (search.text for search in data.searches)
