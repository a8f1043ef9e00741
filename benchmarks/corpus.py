"""Made-up product texts in any number: titles of the sample shop, words of other titles, rare words by Zipf's law."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.catalogue import make_catalogue
from recsys.embed.words import words

SHOP_WORDS = 6  # of other titles, in each text
ZIPF_WORDS = 10
# Mandelbrot's form, 1 / (rank + 5) ** 1.1: the commonest word is in a quarter of the texts, as in product texts.
ZIPF_EXPONENT, ZIPF_SHIFT = 1.1, 5
ZIPF_VOCABULARY = 100_000
QUERY_WORDS = (2, 5)


@cache
def shop_titles() -> tuple[tuple[str, ...], ...]:
    """Return the words of each title of the sample shop."""
    return tuple(tuple(words(title)) for title in make_catalogue(np.random.default_rng(0)).items.titles)


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Documents as word numbers: document i is ``names[tokens[offsets[i]:offsets[i + 1]]]``."""

    names: NDArray[np.object_]
    tokens: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def document(self, i: int) -> list[str]:
        """Return the words of one document."""
        return self.names[self.tokens[self.offsets[i] : self.offsets[i + 1]]].tolist()

    def documents(self) -> list[list[str]]:
        """Return the words of every document."""
        flat = self.names[self.tokens].tolist()
        ends = self.offsets.tolist()
        return [flat[lo:hi] for lo, hi in pairwise(ends)]

    def queries(self, n: int, seed: int) -> list[str]:
        """Return ``n`` queries: two to five different words of a random document each."""
        rng = np.random.default_rng(seed)
        out = []
        for i in rng.integers(len(self), size=n):
            unique = sorted(set(self.document(int(i))))
            size = min(int(rng.integers(QUERY_WORDS[0], QUERY_WORDS[1] + 1)), len(unique))
            out.append(" ".join(rng.choice(unique, size, replace=False).tolist()))
        return out


def make_corpus(n: int, seed: int = 0) -> Corpus:
    """Return ``n`` documents of about 24 words; the same words whatever ``n``."""
    rng = np.random.default_rng(seed)
    titles = shop_titles()
    known = sorted({word for title in titles for word in title})
    code = {word: i for i, word in enumerate(known)}
    names = np.array([*known, *(f"zipf{i}" for i in range(ZIPF_VOCABULARY))], dtype=object)
    flat = np.array([code[w] for title in titles for w in title], dtype=np.int64)
    lengths = np.array([len(title) for title in titles])
    starts = np.cumsum(lengths) - lengths
    pick = rng.integers(len(titles), size=n)
    size = lengths[pick] + SHOP_WORDS + ZIPF_WORDS
    offsets = np.append(0, np.cumsum(size))
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], size)
    owner = np.repeat(pick, size)
    in_title = place < lengths[owner]
    foreign = place >= lengths[owner] + SHOP_WORDS
    tokens = np.empty(len(place), dtype=np.int64)
    tokens[in_title] = flat[(starts[owner] + place)[in_title]]
    between = ~in_title & ~foreign
    tokens[between] = rng.choice(flat, int(between.sum()))
    tokens[foreign] = len(known) + zipf(rng, int(foreign.sum()))
    return Corpus(names, tokens, offsets)


def zipf(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Return ``n`` draws from a bounded Zipf-Mandelbrot law over the made-up words."""
    weights = (np.arange(1, ZIPF_VOCABULARY + 1) + ZIPF_SHIFT) ** -ZIPF_EXPONENT
    bounds = np.cumsum(weights) / weights.sum()
    return np.searchsorted(bounds, rng.random(n), side="right").clip(max=ZIPF_VOCABULARY - 1)
