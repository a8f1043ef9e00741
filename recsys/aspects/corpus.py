"""All reviews as flat arrays of word numbers: what the statistics of a lexicon are counted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.aspects.screen import trusted
from recsys.aspects.tokens import read, stems
from recsys.types import Review

Ints = NDArray[np.int32]


def distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different values, sorted: `numpy.unique` hashes instead, which is slower for millions of them."""
    out = np.sort(keys)
    return out[np.append(True, out[1:] != out[:-1])] if len(out) else out


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Words in the order of the reviews.

    Attributes:
        vocabulary: the words by number. stems: (n_words,) number of each word's stem; stem_names: the stems.
        words: (t,) word numbers. clauses, reviews: (t,) the clause and the review of each token.
        breaks: (t,) what stands before the token, as in `recsys.aspects.tokens.Text`.
        items: (n_reviews,) item numbers; item_ids: the items by number.
        ratings: (n_reviews,) NaN where there is none.
    """

    vocabulary: tuple[str, ...]
    stems: Ints
    stem_names: tuple[str, ...]
    words: Ints
    clauses: Ints
    reviews: Ints
    breaks: NDArray[np.int8]
    items: Ints
    item_ids: tuple[str, ...]
    ratings: NDArray[np.float32]

    @property
    def n_reviews(self) -> int:
        """How many reviews were read."""
        return len(self.items)

    @property
    def n_clauses(self) -> int:
        """How many clauses there are."""
        return int(self.clauses[-1]) + 1 if len(self.clauses) else 0

    @classmethod
    def of(cls, reviews: Sequence[Review]) -> Corpus:
        """Read all reviews that can be trusted; the others teach nothing."""
        known: dict[str, int] = {}
        items: dict[str, int] = {}
        words: list[int] = []
        breaks: list[int] = []
        lengths: list[int] = []  # of clauses
        clauses_of: list[int] = []  # of reviews
        kept = [r for r in reviews if trusted(r.text)]
        for review in kept:
            text = read(review.text)
            words += [known.setdefault(w, len(known)) for w in text.words]
            breaks += text.breaks
            lengths += [c.last - c.first for c in text.clauses]
            clauses_of.append(len(text.clauses))
        vocabulary = tuple(known)
        stemmed = stems(vocabulary)
        stem_of: dict[str, int] = {}
        clauses = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        owner = np.repeat(np.arange(len(kept), dtype=np.int32), clauses_of)
        return cls(
            vocabulary,
            np.array([stem_of.setdefault(s, len(stem_of)) for s in stemmed], dtype=np.int32),
            tuple(stem_of),
            np.array(words, dtype=np.int32),
            clauses,
            owner[clauses] if len(clauses) else owner[:0],
            np.array(breaks, dtype=np.int8),
            np.array([items.setdefault(r.item_id, len(items)) for r in kept], dtype=np.int32),
            tuple(items),
            np.array([np.nan if r.rating is None else r.rating for r in kept], dtype=np.float32),
        )
