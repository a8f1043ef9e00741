"""Words of the shop that a misspelt word may have meant, and words that a beginning may become.

A signature per word, two bits for each letter (there at all, there twice), rules out nearly every word by one exclusive
or: an edit changes at most two bits, and a transposition none. What is left is compared letter by letter by rapidfuzz.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.search.analysis import fold_accents

SHORTEST, LONGEST = 3, 24  # letters of a word that is proposed
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Guess:
    """A word of the shop, how many edits it is away, and how often the shop says it."""

    word: str
    distance: int
    said: int


@dataclass(frozen=True, slots=True, eq=False)
class Speller:
    """The alphabetic words of a catalogue, without accents, by length.

    Attributes:
        words: sorted by length. said: how often each occurs. signatures: see the module.
        by_length: words of length n are ``[by_length[n]:by_length[n + 1]]``.
        sorted: the words in the order of the alphabet. places: where each of them is in ``words``.
    """

    words: list[str]
    said: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    by_length: NDArray[np.int64]
    sorted: list[str]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, raws: Sequence[str], said: Iterable[int]) -> Self:
        """Build from raw words and their counts; of a compound the pieces count, and the whole written as one."""
        counts: dict[str, int] = {}
        for raw, times in zip(raws, said):
            if not times:
                continue
            pieces = [raw] if raw.isalpha() else _LETTERS.findall(raw)
            whole = "".join(pieces)
            if len(pieces) > 1 and not any(c.isdecimal() for c in raw):
                pieces = [*pieces, whole]
            for piece in pieces:
                if SHORTEST <= len(piece) <= LONGEST:
                    folded = fold_accents(piece)
                    counts[folded] = counts.get(folded, 0) + times
        words = sorted((w for w in counts if len(w) <= LONGEST), key=len)
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        order = sorted(range(len(words)), key=words.__getitem__)
        return cls(
            words, np.array([counts[w] for w in words], np.int64), signatures(words),
            np.searchsorted(lengths, np.arange(LONGEST + 3)), [words[i] for i in order], np.array(order, np.int64),
        )  # fmt: skip

    def near(self, word: str, distance: int) -> list[Guess]:
        """Return the words within ``distance`` edits, transpositions counted as one, in no order."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        if not SHORTEST <= len(word) <= LONGEST + distance:
            return []
        lo = int(self.by_length[min(max(len(word) - distance, 0), LONGEST + 2)])
        hi = int(self.by_length[min(len(word) + distance + 1, LONGEST + 2)])
        differing = np.bitwise_count(self.signatures[lo:hi] ^ signatures([word])[0])
        kept = lo + np.flatnonzero(differing <= 2 * distance)
        names = [self.words[i] for i in kept.tolist()]
        if not names:
            return []
        edits = process.cdist([word], names, scorer=OSA.distance, score_cutoff=distance, dtype=np.uint8)[0]
        hits = np.flatnonzero(edits <= distance).tolist()
        return [Guess(names[h], int(edits[h]), int(self.said[kept[h]])) for h in hits]

    def completions(self, beginning: str, n: int) -> list[Guess]:
        """Return the ``n`` words said most that begin so, the beginning itself excluded."""
        lo = bisect_right(self.sorted, beginning)
        hi = bisect_left(self.sorted, beginning + chr(0x10FFFF))
        places = self.places[lo:hi]
        said = self.said[places]
        if len(places) > n:
            kept = np.argpartition(-said, n)[:n]
            places, said = places[kept], said[kept]
        order = np.lexsort((places, -said)).tolist()
        return [Guess(self.words[int(places[i])], len(self.words[int(places[i])]) - len(beginning), int(said[i]))
                for i in order]  # fmt: skip


def signatures(words: Sequence[str]) -> NDArray[np.uint64]:
    """Return (n,) the letters of each word as bits: 26 for letters that are there, 26 for those there twice."""
    width = max((len(w) for w in words), default=0)
    if not width:
        return np.zeros(len(words), np.uint64)
    codes = np.array(words, dtype=f"U{width}").view(np.uint32).reshape(len(words), width)
    once, twice = np.zeros(len(words), np.uint64), np.zeros(len(words), np.uint64)
    for column in codes.T:
        # Letters of other scripts share the bits: that only lets a few more words through.
        bit = np.where(column > 0, np.uint64(1) << ((column + 7) % 26).astype(np.uint64), np.uint64(0))
        twice |= once & bit
        once |= bit
    return once | (twice << np.uint64(26))
