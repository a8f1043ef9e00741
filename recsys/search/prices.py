"""Prices in a query: "coffee press under 30" asks for a coffee press, and for no product that says 30."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from recsys.filters.expr import Compare, all_of
from recsys.filters.text_form import to_text
from recsys.search.units import UNITS
from recsys.types import RowMask

MAX_QUERY = 500  # characters; a price behind them is not looked for
# By snowball's name of a language: what stands before an upper bound, before a lower one, and around both.
_WORDS = {
    "english": (
        "under|below|less than|cheaper than|up to|at most|no more than", "over|above|more than|at least",
        ("between", "and"),
    ),
    "german": (
        "unter|bis zu|höchstens|maximal|weniger als|günstiger als|billiger als", "über|mindestens|mehr als",
        ("zwischen", "und"),
    ),
    "french": ("moins de|jusqu'à|au plus", "plus de|à partir de|au moins", ("entre", "et")),
    "spanish": ("menos de|hasta", "más de|a partir de", ("entre", "y")),
}  # fmt: skip
_SIGN = r"(?:[$€£]|usd|eur|euros?|gbp|dollars?|pounds?|bucks)"
# "1,000" is a thousand in English, "1.000" elsewhere.
_THOUSANDS = {"german": ".", "french": ".", "spanish": "."}
# "kids under 5" and "up to 4 players" are no prices, unless money is named.
_PEOPLE = (
    "kids?|child|children|toddlers?|bab(?:y|ies)|infants?|boys?|girls?|ages?|aged|players?|persons?|people|years?|yrs?"
    "|months?|kind(?:er)?|babys?|jungen|mädchen|alter|spieler|personen|jahren?|monaten?|enfants?|bébés?|âges?|joueurs?"
    "|personnes?|ans|mois|niñ[oa]s?|bebés?|edad|edades|jugadores|personas|años|meses"
)
_BEFORE = re.compile(rf"(?<![^\W_])(?:{_PEOPLE})\s+$", re.IGNORECASE)
_GAME_BEFORE = re.compile(
    r"(?<![^\W_])(?:games?|puzzles?|toys?|spiele?|spielzeug|jeux?|jouets?|juegos?|juguetes?)\s+$", re.IGNORECASE
)
_BEHIND = re.compile(rf"\s*-?\s*(?:{_PEOPLE})(?![^\W_])", re.IGNORECASE)
_AGES = 20  # below it "over 8" behind a game, and any bound behind "kids", is an age
# "under 2 m" is a length: behind the number comes no unit.
_UNITS = "|".join(re.escape(unit) for unit in UNITS if unit not in ("pound", "pounds"))
_NO_UNIT = rf"(?!\s*[-–]?\s*(?:{_UNITS})(?![^\W_]))(?![\d.,]*\d)(?!\s*(?:%|°|[\"”″]))"


@dataclass(frozen=True, slots=True)
class Priced:
    """A query without its price, and the bounds that it named, both inclusive, None where it named none."""

    text: str
    low: float | None = None
    high: float | None = None

    def __bool__(self) -> bool:
        return self.low is not None or self.high is not None

    @property
    def said(self) -> str:
        """The bounds as a filter's text, "price >= 10 AND price <= 30"."""
        parts = [("gte", self.low), ("lte", self.high)]
        return to_text(all_of(Compare(sign, "price", b) for sign, b in parts if b is not None)) if self else ""

    def mask(self, prices: np.ndarray[tuple[int], np.dtype[np.floating]]) -> RowMask:
        """Return (n,) which of ``prices`` lie within the bounds; an unknown price (NaN) does not."""
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        with np.errstate(invalid="ignore"):
            # Prices are float32: what is written as 19.95 must be found by "under 19.95".
            return np.asarray((prices >= np.float32(low)) & (prices <= np.float32(high)))


def priced(text: str, language: str = "english") -> Priced:
    """Return what a query says without its price, and the price; the text as it is where there is none.

    "under", "over", "between ... and ..." and their like are read in English, German, French and Spanish, in other
    languages as in English. A number with a unit is none of money, and a text that would be nothing else stays whole.
    """
    if len(text) > MAX_QUERY:
        return Priced(text)
    for kind, pattern in _patterns(language):
        found = next((m for m in pattern.finditer(text) if not _of_people(text, kind, m, language)), None)
        if found is None:
            continue
        rest = " ".join((text[: found.start()] + " " + text[found.end() :]).split())
        if not re.search(r"[^\W\d_]", rest):
            return Priced(text)
        amounts = _amounts(found, language)
        if kind == "between":
            return Priced(rest, min(amounts), max(amounts))
        other = priced(rest, language) if kind == "high" else Priced(rest)
        if kind == "high":  # "over 10 under 30": the other bound may follow
            return Priced(other.text, other.low, amounts[0])
        return Priced(rest, amounts[0], None)
    return Priced(text)


def _amounts(found: re.Match[str], language: str) -> list[float]:
    mark = _THOUSANDS.get(language, ",")
    whole = re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+(?!\d)")
    return [float(whole.sub(lambda m: m[0].replace(mark, ""), a).replace(",", ".")) for a in found.groups()]


def _of_people(text: str, kind: str, found: re.Match[str], language: str) -> bool:
    """Return whether the bound is one of age or number: no money is named, but people are, right beside it."""
    if re.search(_SIGN, found[0], re.IGNORECASE):
        return False
    before = text[max(0, found.start() - 40) : found.start()]
    if _BEHIND.match(text, found.end()):
        return True
    young = max(_amounts(found, language)) < _AGES
    return young and bool(_BEFORE.search(before) or (kind == "low" and _GAME_BEFORE.search(before)))


_MADE: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


def _patterns(language: str) -> list[tuple[str, re.Pattern[str]]]:
    if language not in _MADE:
        high, low, (between, joined) = _WORDS.get(language, _WORDS["english"])
        before, flags = r"(?<![^\W_])", re.IGNORECASE
        mark = re.escape(_THOUSANDS.get(language, ","))
        number = rf"\d{{1,3}}(?:{mark}\d{{3}})+(?:[.,]\d{{1,2}})?|\d{{1,7}}(?:[.,]\d{{1,2}})?"
        amount = rf"(?:{_SIGN}\s*)?({number})(?:\s*{_SIGN}(?![^\W\d_]))?"
        _MADE[language] = [
            ("between", re.compile(rf"{before}{between}\s+{amount}\s+{joined}\s+{amount}{_NO_UNIT}", flags)),
            ("high", re.compile(rf"{before}(?:{high})\s+{amount}{_NO_UNIT}", flags)),
            ("high", re.compile(rf"(?<!\S)<=?\s*{amount}{_NO_UNIT}", flags)),
            ("low", re.compile(rf"{before}(?:{low})\s+{amount}{_NO_UNIT}", flags)),
            ("low", re.compile(rf"(?<!\S)>=?\s*{amount}{_NO_UNIT}", flags)),
        ]
    return _MADE[language]
