"""Texts to terms: the same for products and for queries.

A text is cut into raw words, and every raw word has a `Shape`: which terms it stands for. Shapes are kept, so a word
is stemmed once however often a catalogue says it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any, Literal

from recsys.errors import ConfigError
from recsys.search.stopwords import stop_words
from recsys.search.units import GLUED_UNITS, MARKS, UNITS

MAX_CHARS = 20_000  # of a text; what is beyond is not read
MAX_WORD = 64  # longer runs without a break are cut
MAX_PARTS = 8  # of one raw word; a chain of hyphens is no compound
MAX_JOINED = 40
MAX_KEPT = 200_000  # shapes and stems: words of queries come from strangers, and there is no end to them

Kind = Literal["word", "number", "measure", "compound", "code"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What one raw word stands for.

    Attributes:
        parts: the terms in reading order: "wi-fi" is wi, fi; "iphone12" is iphone, 12; "2 TB" is the one term 2tb.
        joined: the parts written as one ("wifi", "iphone12"), or None.
        extra: further terms to be found by: the pieces of a longer code, the bare number of a measure.
        kind: "code" holds letters and digits, "compound" letters with marks between, "measure" is number and unit.
        stop: whether it is a function word.
    """

    parts: tuple[str, ...]
    joined: str | None = None
    extra: tuple[str, ...] = ()
    kind: Kind = "word"
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """One raw word at its place: ``position`` counts the parts before it, ``raw`` is normalised text."""

    raw: str
    position: int
    shape: Shape


@cache
def _marks() -> str:
    """The combining marks as ranges for a character class: Indic and Thai words are not to break at their vowels."""
    codes = [c for c in range(0x300, 0x20000) if unicodedata.category(chr(c))[0] == "M"]
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(lo)}-{chr(hi)}" for lo, hi in ranges)


@cache
def _replaced() -> dict[int, str | None]:
    """What `normalise` takes out or unifies: invisible ones go, controls part words, dashes and digits are one kind."""
    table: dict[int, str | None] = {}
    for code in range(0x20000):
        category = unicodedata.category(chr(code))
        if category == "Cf":
            table[code] = None
        elif category in ("Cc", "Cs", "Co"):
            table[code] = " "
        elif category == "Nd":
            table[code] = str(unicodedata.digit(chr(code)))
    for code in range(0xE0000, 0xE0080):  # tag characters: text that nobody sees
        table[code] = None
    table |= {ord(c): "-" for c in "‐‑‒–—−﹣-"}
    table |= {ord(c): "'" for c in "’ʼ＇`´"}
    table[ord("_")] = " "
    return table


@cache
def _single() -> dict[int, str]:
    """The part of `_replaced` that puts one character for one."""
    return {code: put for code, put in _replaced().items() if put is not None}


def aligned(text: str) -> str:
    """Return a text in lower case, marks and digits unified, every character at its place; "" where that cannot be.

    What `Analyzer.raw` calls a word is found in it, unless the word has compatibility forms or hidden characters.
    """
    lowered = text.lower()
    return lowered.translate(_single()) if len(lowered) == len(text) else ""


def normalise(text: str, limit: int = MAX_CHARS) -> str:
    """Return at most ``limit`` characters: compatibility forms and case folded, nothing invisible in it.

    >>> normalise("Wi\\u2011Fi\\u200b ＨＤＭＩ Ⅳ")
    'wi-fi hdmi iv'
    """
    text = text[:limit]
    if text.isascii():
        # Most of a catalogue: neither folding nor the table can change more than case, controls and underscores.
        return text.lower().translate(_ASCII)
    # A single character may fold into 18, and folding may bring back what the table takes out.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text)[:limit].casefold())
    return folded.translate(_replaced())[:limit]


_ASCII = {**dict.fromkeys([*range(32), 127], " "), ord("_"): " ", ord("`"): "'"}
_NUMBER = r"\d{1,32}(?:[.,]\d{1,32}){0,5}"
_PIECES = re.compile(r"['&+-]|\.(?!\d)|(?<!\d)\.")  # "usb3.0" keeps its point
_RUNS = re.compile(r"\d+(?:\.\d+)*|\D+")
_LATIN_MARKS = re.compile("[\u0300-\u036f]")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the pattern of raw words, and that of a whole measure with groups for number and unit."""

    def either(names: dict[str, str]) -> str:
        return "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True))

    letter = rf"[\w{_marks()}]"
    units = rf"(?:[\s-]?(?:{either(UNITS)})|(?:{either(GLUED_UNITS)}))(?!{letter})|\s?(?:{either(MARKS)})"
    measure = rf"(?<!{letter}){_NUMBER}(?:{units})"
    run = rf"\w{letter}{{0,{MAX_WORD - 1}}}"  # a mark alone is no word
    word = rf"{run}(?:['&.-]{run}){{0,{MAX_PARTS}}}"
    # "802.11n" is no number: a number that goes on behind its point is left to the words.
    number = rf"(?<!{letter}){_NUMBER}(?!\.?{letter})"
    whole = rf"({_NUMBER})[\s-]*({either(UNITS)}|{either(GLUED_UNITS)}|{either(MARKS)})"
    return re.compile(f"{measure}|{number}|{word}"), re.compile(whole)


def _stemmer(language: str) -> Any:
    """Return a new stemmer: it keeps the word that it works on in itself, so that no two analyzers may share one."""
    import snowballstemmer

    known = snowballstemmer.algorithms()
    if language not in known:
        raise ConfigError(f"no stemmer for language {language!r}: choose 'none' or one of {', '.join(known)}")
    return snowballstemmer.stemmer(language)


def number(digits: str) -> str:
    """Return a number in its one spelling: "1,200" is 1200, "15,6" is 15.6, "2.0" is 2; versions stay ("1.2.3").

    >>> [number(n) for n in ("1,200", "15,6", "2.50", "007", "1.2.3")]
    ['1200', '15.6', '2.5', '007', '1.2.3']
    """
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    digits = digits.replace(",", ".")
    if digits.count(".") == 1:
        digits = digits.rstrip("0").rstrip(".")
    return digits


@dataclass(eq=False)
class Analyzer:
    """Cuts texts into terms; ``language`` is any of snowball's (Porter 2001), or "none" for no stemming.

    Accents of Latin letters are folded after stemming, so that "cafe" finds "café". Two threads may share one.

    Raises:
        ConfigError: an unknown language.
    """

    language: str = "english"
    _shapes: dict[str, Shape] = field(default_factory=dict, repr=False)
    _stems: dict[str, str] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        self._stemmer = None if self.language == "none" else _stemmer(self.language)
        self._stop = stop_words(self.language)
        self._find, self._measure = _patterns()

    def raw(self, text: str, limit: int = MAX_CHARS) -> list[str]:
        """Return the raw words of a text in order: "iPhone12, 2 TB" is ["iphone12", "2 tb"]."""
        return self._find.findall(normalise(text, limit))

    def tokens(self, text: str, limit: int = MAX_CHARS) -> list[Token]:
        """Return the words of a text with their places.

        >>> [(t.raw, t.position, t.shape.parts) for t in Analyzer().tokens("Wi-Fi routers, 2 TB")]
        [('wi-fi', 0, ('wi', 'fi')), ('routers', 2, ('router',)), ('2 tb', 3, ('2tb',))]
        """
        out, position = [], 0
        for raw in self.raw(text, limit):
            shape = self.shape(raw)
            out.append(Token(raw, position, shape))
            position += len(shape.parts)
        return out

    def terms(self, text: str) -> list[str]:
        """Return the terms of a text in reading order: the parts alone, function words included."""
        return [part for raw in self.raw(text) for part in self.shape(raw).parts]

    def shape(self, raw: str) -> Shape:
        """Return what a raw word stands for."""
        found = self._shapes.get(raw)
        if found is None:
            if len(self._shapes) >= MAX_KEPT:
                self._shapes.clear()
            found = self._shapes[raw] = self._shaped(raw)
        return found

    def stem(self, word: str) -> str:
        """Return the stem of a normalised word, without accents."""
        found = self._stems.get(word)
        if found is None:
            stemmed = word
            if self._stemmer is not None:
                with self._lock:
                    stemmed = self._stemmer.stemWord(word)
            if len(self._stems) >= MAX_KEPT:
                self._stems.clear()
            found = self._stems[word] = fold_accents(stemmed)
        return found

    def _shaped(self, raw: str) -> Shape:
        measure = self._measure.fullmatch(raw)
        if measure:
            value, unit = number(measure[1]), measure[2]
            return Shape((value + _UNIT[unit],), extra=(value,), kind="measure")
        if re.fullmatch(_NUMBER, raw):
            return Shape((number(raw),), kind="number")
        pieces = self.pieces(raw)
        runs = [_RUNS.findall(piece) for piece in pieces]
        flat = [run for piece in runs for run in piece][: MAX_PARTS * 2]
        if len(flat) == 1:
            word = flat[0]
            return Shape((self._term(word),), kind="number" if word.isdecimal() else "word", stop=raw in self._stop)
        whole = "".join(pieces)
        joined = self._joined(flat) if len(whole) <= MAX_JOINED else None
        # "dv7-1211ea" is also found by "dv7": the pieces that were cut at digits.
        inner = {self._joined(cut) for cut in runs if len(cut) > 1} if len(pieces) > 1 else set()
        kind: Kind = "code" if any(c.isdecimal() for c in whole) else "compound"
        return Shape(tuple(self._term(run) for run in flat), joined, tuple(sorted(inner - {joined or ""})), kind)

    def pieces(self, raw: str) -> list[str]:
        """Cut a word at the marks inside: English apostrophes join (o'neill), those of other languages part (l'eau)."""
        if self.language in _JOINING and "'" in raw:
            raw = raw.removesuffix("'s").replace("'", "")
        pieces = [p for p in _PIECES.split(raw) if p]
        return pieces or [raw]

    def _term(self, run: str) -> str:
        if run[0].isdecimal():
            return number(run)
        return self.stem(run) if run.isalpha() else fold_accents(run)

    def _joined(self, runs: list[str]) -> str:
        """Return runs as one word: stemmed when it is letters alone, else as it is written."""
        if all(run.isalpha() for run in runs):
            return self.stem("".join(runs))
        return fold_accents("".join(number(run) if run[0].isdecimal() else run for run in runs))


_JOINING = {"english", "porter", "none"}
_UNIT = {**UNITS, **GLUED_UNITS, **MARKS}


def fold_accents(word: str) -> str:
    """Return a word without the accents of Latin letters; marks of other scripts are letters there and stay."""
    if word.isascii():
        return word
    bare = _LATIN_MARKS.sub("", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", bare)
