"""Review text as words with their exact places, cut into sentences and clauses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from recsys.aspects.words import CONTRAST

MAX_CHARS = 4_000  # what is read of one review: nobody's opinion weighs more for being longer
MAX_QUOTE = 160
MIN_QUOTE = 12

# A word (with inner apostrophes and hyphens), or a sign that ends a sentence, or one that ends a clause within it.
_TOKEN = re.compile(r"(?P<word>[^\W_]+(?:['’\-][^\W_]+)*)|(?P<end>[.!?…\n\r]+)|(?P<part>[;:,()\[\]\"“”–—]| - )")
_STEM_CHARS = 40


@dataclass(frozen=True, slots=True)
class Clause:
    """Words ``[first, last)`` of a `Text` that are judged together."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Text:
    """One text as words.

    Attributes:
        raw: the text itself; every place is a place in it.
        words: case-folded, with straight apostrophes. starts, ends: where each word is in ``raw``.
        clauses: a sentence, or a part of one before or after "but".
        breaks: for each word what stands before it: 0 nothing, 1 a comma or the like, 2 the end of a sentence.
        sentences: (start, end) places of the sentences, closing signs included.
    """

    raw: str
    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    breaks: tuple[int, ...]
    clauses: tuple[Clause, ...]
    sentences: tuple[tuple[int, int], ...]

    def quote(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the sentence around ``[start, end)`` or, if it is too long, its part between commas; else None."""
        for low, high in self.sentences:
            if low <= start and end <= high:
                if high - low <= MAX_QUOTE:
                    return (low, high) if high - low >= MIN_QUOTE else None
                return self._part(low, high, start, end)
        return None

    def _part(self, low: int, high: int, start: int, end: int) -> tuple[int, int] | None:
        """Return the longest run of whole parts of a sentence that holds the place and fits."""
        cuts = [low, *(self.starts[i] for i, b in enumerate(self.breaks) if b and low < self.starts[i] < high), high]
        first = max(i for i, c in enumerate(cuts) if c <= start)
        last = min(i for i, c in enumerate(cuts) if c >= end)
        if cuts[last] - cuts[first] > MAX_QUOTE:
            return None
        while last + 1 < len(cuts) and cuts[last + 1] - cuts[first] <= MAX_QUOTE:
            last += 1
        text = self.raw[cuts[first] : cuts[last]]
        stop = cuts[first] + len(text.rstrip(" \t,;:-–—(["))
        return (cuts[first], stop) if stop - cuts[first] >= MIN_QUOTE else None


def read(raw: str) -> Text:
    """Return the first `MAX_CHARS` of a text as words; a sentence that is cut there is left out."""
    seen = raw[:MAX_CHARS]
    # Folding may change the length of a text, but not of an ASCII one: then it is folded as a whole.
    folded = seen.lower() if seen.isascii() else None
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    breaks: list[int] = []
    clauses: list[Clause] = []
    sentences: list[tuple[int, int]] = []
    first, gap, begin = 0, 2, -1

    def close(stop: int, whole: bool) -> None:
        nonlocal first, begin
        if len(words) > first:
            clauses.append(Clause(first, len(words)))
        if whole and begin >= 0:
            sentences.append((begin, stop))
            begin = -1
        first = len(words)

    for found in _TOKEN.finditer(seen):
        kind = found.lastgroup
        if kind == "word":
            start, end = found.span()
            word = folded[start:end] if folded is not None else found.group().casefold().replace("’", "'")
            if end - start > _STEM_CHARS or folded is None:
                word = word[:_STEM_CHARS]
            if word in CONTRAST:
                close(start, False)
                gap = gap or 1
            if begin < 0:
                begin = start
            words.append(word)
            starts.append(start)
            ends.append(end)
            breaks.append(gap)
            gap = 0
        elif kind == "end" and not _inside_number(seen, found):
            close(found.start() + len(found.group().rstrip("\n\r")), True)
            gap = 2
        elif kind == "part":
            gap = gap or 1
    if len(seen) < len(raw):
        while len(words) > first:
            for column in (words, starts, ends, breaks):
                column.pop()
    else:
        close(len(seen.rstrip()), True)
    return Text(raw, tuple(words), tuple(starts), tuple(ends), tuple(breaks), tuple(clauses), tuple(sentences))


def _inside_number(text: str, found: re.Match[str]) -> bool:
    before, after = text[max(0, found.start() - 1) : found.start()], text[found.end() : found.end() + 1]
    return found.group() == "." and before.isdigit() and after.isdigit()


def stems(words: Sequence[str]) -> list[str]:
    """Return the Snowball stem of each word, without a negating prefix where the rest is a word of the list too."""
    made: Mapping[str, str] = dict(zip(words, _stemmed(tuple(words)), strict=True))
    known = set(made.values())

    def positive(stem: str) -> str:
        for prefix in ("un", "in", "im"):
            if stem.startswith(prefix) and len(stem) > len(prefix) + 3 and stem[len(prefix) :] in known:
                return stem[len(prefix) :]
        return stem

    return [positive(made[w]) for w in words]


def _stemmed(words: Sequence[str]) -> Iterator[str]:
    import snowballstemmer

    stemmer = snowballstemmer.stemmer("english")  # it keeps the word that it works on, so each call has its own
    for word in words:
        # Possessives are the noun; anything but plain letters is its own stem.
        base = word.removesuffix("'s")
        yield stemmer.stemWord(base) if base.isascii() and base.isalpha() else base
