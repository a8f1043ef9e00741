"""Words of a text with their places, and its quotes as single tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from recsys.explain.clean import level
from recsys.explain.lexicon import Lexicon, Stem, lexicon

_TOKEN = re.compile(r"\d+(?:[.,]\d{3})+(?!\d)|\d+(?=(?:st|nd|rd|th)\b)|[^\W\d_]+|\d+|[^\w\s]", re.UNICODE)
_QUOTE = re.compile(r"\"([^\"]+)\"|(?:(?<=[\s(\[:,—])|^)'([^']+(?:'[^\s.,;:!?)][^']*)*)'(?=[\s.,;:!?)\]—]|$)")
_NONE: frozenset[str] = frozenset()
INSIDE = frozenset(("inside",))  # the category of what stands within a phrase


class Token(NamedTuple):
    """One word, number, mark or quote: ``text[start:end]`` of the text.

    Attributes:
        low: lower case; what is inside of the marks for a quote. stem: what words are compared by.
        word: whether it is a word or number rather than a mark or quote.
        capital: whether it begins with a capital letter though it does not begin a sentence; upper: wherever it is.
    """

    low: str
    stem: Stem
    start: int
    end: int
    capital: bool = False
    upper: bool = False
    quote: bool = False
    number: int | None = None
    word: bool = True


def tokens(text: str, language: Lexicon) -> list[Token]:
    """Return the tokens of a text whose marks are level; contractions are taken apart ("didn't" is did, not)."""
    out: list[Token] = []
    at = 0
    for match in _QUOTE.finditer(text):
        _plain(text, at, match.start(), language, out)
        inner = match[1] or match[2]
        out.append(Token(inner, '"', match.start(), match.end(), quote=True, word=False))
        at = match.end()
    _plain(text, at, len(text), language, out)
    return out


def _plain(text: str, start: int, end: int, language: Lexicon, out: list[Token]) -> None:
    begins = not out or (out[-1].low.rstrip()[-1:] if out[-1].quote else out[-1].low) in (".", "!", "?", ":")
    found = list(_TOKEN.finditer(text, start, end))
    skip = 0
    for i, match in enumerate(found):
        if skip:
            skip -= 1
            continue
        word = match[0]
        low = word.lower()
        if low == "'" and i + 1 < len(found) and found[i + 1].start() == match.end():
            skip = _apostrophe(text, found, i, language, out)
            if skip:
                continue
        if word[0].isdecimal():  # "¹" is a digit, but no number
            value = int(word.replace(",", "").replace(".", ""))
            out.append(Token(low, low, match.start(), match.end(), number=value))
        elif word[0].isalpha():
            capital = word[0].isupper() and not begins
            out.append(Token(low, language.stem(low), match.start(), match.end(), capital, word[0].isupper()))
        else:
            out.append(Token(low, low, match.start(), match.end(), word=low[0].isalnum()))
        begins = word in '.!?:("' or (begins and not word[0].isalnum())


def _apostrophe(text: str, found: list[re.Match[str]], i: int, language: Lexicon, out: list[Token]) -> int:
    """Write what follows an apostrophe into ``out``; return how many tokens it took, 0 if it is no contraction."""
    after = found[i + 1][0].lower()
    if i == 0 or found[i - 1].end() != found[i].start() or not out:
        return 0
    start, end = found[i].start(), found[i + 1].end()
    if after == "s":
        return 1  # a possessive, or "is": neither claims anything
    if after == "t" and out[-1].low.endswith("n") and "n't" in language.contractions:
        last = out.pop()
        base = {"ca": "can", "wo": "will", "sha": "shall"}.get(last.low[:-1], last.low[:-1])
        out.append(Token(base, language.stem(base), last.start, last.end - 1, last.capital, last.upper))
        out.append(Token("not", language.stem("not"), last.end - 1, end))
        return 1
    whole = language.contractions.get(f"'{after}")
    if whole is None:
        return 0
    out.append(Token(whole, language.stem(whole), start, end))
    return 1


@lru_cache(maxsize=8192)
def stems_of(text: str, locale: str) -> tuple[Stem, ...]:
    """Return the stems of the words and numbers of a short text, quotes or not."""
    language = lexicon(locale)
    return tuple(t.stem for t in words_of(level(text), language))


def words_of(text: str, language: Lexicon) -> list[Token]:
    """Return the words and numbers of a text whose marks are level; what is between quotation marks as well."""
    out: list[Token] = []
    _plain(text, 0, len(text), language, out)
    return [t for t in out if t.word]


def categories(found: Sequence[Token], language: Lexicon) -> list[frozenset[str]]:
    """Return the categories of each token; within a phrase they are the phrase's, at its first word."""
    out = [language.words.get(t.stem, _NONE) if t.word else _NONE for t in found]
    i = 0
    while i < len(found):
        best = _phrase(found, i, language)
        if best is None:
            i += 1
            continue
        length, named = best
        out[i] = named
        for inner in range(i + 1, i + length):
            out[inner] = INSIDE
        i += length
    return out


def _phrase(found: Sequence[Token], i: int, language: Lexicon) -> tuple[int, frozenset[str]] | None:
    if i + 1 == len(found) or not found[i].word:
        return None
    known = language.phrases.get((found[i].stem, found[i + 1].stem))
    if known is None:
        return None
    length, named = 0, set[str]()
    following = tuple([t.stem for t in found[i : i + len(known[0][0])]])  # a mark has a stem that no word has
    for stems, category in known:
        if len(stems) < length:
            break
        if following[: len(stems)] == stems:
            length = len(stems)
            named.add(category)
    return (length, frozenset(named)) if named else None
