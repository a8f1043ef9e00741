"""Phrases by what they, or one of their words, begin with."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recsys.suggest.phrases import edits

LAST = "\U0010ffff"  # comes after everything that can follow a prefix
INNER = 0.5  # a phrase that has the prefix at a later word counts for less
MAX_CORRECTIONS = 4


class Prefixes:
    """A sorted array of phrase beginnings; a prefix is a slice of it, whose best entries are picked by score."""

    def __init__(self, texts: Sequence[str], scores: NDArray[np.float32]) -> None:
        """Take phrases of folded words with their scores (n,), higher is better."""
        entries: list[tuple[str, int, float]] = []
        weights: dict[str, float] = {}
        for number, text in enumerate(texts):
            at = 0
            while at >= 0:
                begin = at + (at > 0)
                entries.append((text[begin:], number, float(scores[number]) * (1.0 if begin == 0 else INNER)))
                at = text.find(" ", begin)
            for word in text.split():
                weights[word] = max(weights.get(word, 0.0), float(scores[number]))
        entries.sort()
        self._keys = [e[0] for e in entries]
        self._phrases = np.array([e[1] for e in entries], dtype=np.int64)
        self._scores = np.array([e[2] for e in entries], dtype=np.float32)
        self._words = sorted(weights)
        self._weights = np.array([weights[w] for w in self._words], dtype=np.float32)
        self._known = set(self._words)
        letters = sorted({c for w in self._words for c in w if c.isalpha()})
        # Scripts with hundreds of letters would make hundreds of edits a place; those words are not corrected.
        self._letters = "".join(letters) if len(letters) <= 80 else ""
        self._corrected = lru_cache(maxsize=4096)(self._corrections)

    def find(self, prefix: str, n: int) -> list[tuple[int, float]]:
        """Return at most ``n`` (phrase number, score) whose text, from some word on, begins with ``prefix``.

        A space at its end says that the last word is whole: then phrases that end with it are found as well.
        """
        low, high = self._range(self._keys, prefix)
        if prefix.endswith(" "):
            # "kettle" sorts right before "kettle ...": nothing comes between a text and itself with a space.
            low = bisect_left(self._keys, prefix[:-1])
        if low == high:
            return []
        scores = self._scores[low:high]
        # A phrase may be in the slice by two of its words: look at a few more than asked for.
        wide = min(high - low, 4 * n)
        place = np.argpartition(-scores, wide - 1)[:wide] if wide < high - low else np.arange(high - low)
        place = place[np.lexsort((self._phrases[low:high][place], -scores[place]))]
        best: dict[int, float] = {}
        for i in place.tolist():
            best.setdefault(int(self._phrases[low + i]), float(scores[i]))
        return list(best.items())[:n]

    def corrections(self, typed: str) -> list[str]:
        """Return what ``typed`` may have meant: unknown words one edit away, the last one as a beginning; best first.

        Words with digits and words of fewer than three letters are taken as they are.
        """
        *whole, last = typed.split(" ")
        fixed: list[str] = []
        for word in whole:
            if word in self._known:
                fixed.append(word)
                continue
            found = self._corrected(word, False)
            fixed.append(found[0] if found else word)
        begun = (last,) if not last or self._begins(last) else self._corrected(last, True) or (last,)
        out = [" ".join([*fixed, end]) for end in begun]
        return [t for t in dict.fromkeys(out) if t != typed]

    def _corrections(self, word: str, prefix: bool) -> tuple[str, ...]:
        if len(word) < (3 if prefix else 4) or len(word) > 24 or not word.isalpha() or not self._letters:
            return ()
        found: dict[str, float] = {}
        for other in set(edits(word, self._letters)):
            if len(other) < 3:
                continue
            if prefix:
                low, high = self._range(self._words, other)
                if low < high:
                    found[other] = float(self._weights[low:high].max())
            elif other in self._known:
                found[other] = float(self._weights[bisect_left(self._words, other)])
        return tuple(sorted(found, key=lambda w: (-found[w], w))[:MAX_CORRECTIONS])

    def _begins(self, prefix: str) -> bool:
        low, high = self._range(self._words, prefix)
        return low < high

    @staticmethod
    def _range(keys: Sequence[str], prefix: str) -> tuple[int, int]:
        return bisect_left(keys, prefix), bisect_left(keys, prefix + LAST)
