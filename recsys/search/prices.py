"""Prices in a query: "coffee press under 30" asks for a coffee press, and for no product that says 30."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

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
_AMOUNT = rf"(?:{_SIGN}\s*)?(\d{{1,7}}(?:[.,]\d{{1,2}})?)(?:\s*{_SIGN}(?![^\W\d_]))?"
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
        parts = [(">=", self.low), ("<=", self.high)]
        return " AND ".join(f"price {sign} {bound:g}" for sign, bound in parts if bound is not None)

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
    patterns = _patterns(language)
    for kind, pattern in patterns:
        if (found := pattern.search(text)) is None:
            continue
        rest = " ".join((text[: found.start()] + " " + text[found.end() :]).split())
        if not re.search(r"[^\W\d_]", rest):
            return Priced(text)
        amounts = [float(a.replace(",", ".")) for a in found.groups()]
        if kind == "between":
            return Priced(rest, min(amounts), max(amounts))
        other = priced(rest, language) if kind == "high" else Priced(rest)
        if kind == "high":  # "over 10 under 30": the other bound may follow
            return Priced(other.text, other.low, amounts[0])
        return Priced(rest, amounts[0], None)
    return Priced(text)


_MADE: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


def _patterns(language: str) -> list[tuple[str, re.Pattern[str]]]:
    if language not in _MADE:
        high, low, (between, joined) = _WORDS.get(language, _WORDS["english"])
        before, flags = r"(?<![^\W_])", re.IGNORECASE
        _MADE[language] = [
            ("between", re.compile(rf"{before}{between}\s+{_AMOUNT}\s+{joined}\s+{_AMOUNT}{_NO_UNIT}", flags)),
            ("high", re.compile(rf"{before}(?:{high})\s+{_AMOUNT}{_NO_UNIT}", flags)),
            ("high", re.compile(rf"(?<!\S)<=?\s*{_AMOUNT}{_NO_UNIT}", flags)),
            ("low", re.compile(rf"{before}(?:{low})\s+{_AMOUNT}{_NO_UNIT}", flags)),
            ("low", re.compile(rf"(?<!\S)>=?\s*{_AMOUNT}{_NO_UNIT}", flags)),
        ]
    return _MADE[language]
