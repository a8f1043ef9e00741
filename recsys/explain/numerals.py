"""Numbers of a text, with what is said about them: "more than 40", "a hundred and fifty", "nearly 300", "dozens"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys.explain.lexicon import Lexicon
from recsys.explain.tokens import Token

_APPROXIMATE = 0.1
_NEARLY = 0.85


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number as it is said: ``op`` is "=", ">", "<", "~" (about) or "-" (nearly)."""

    value: int
    op: str = "="

    def holds(self, count: float) -> bool:
        """Return whether a true number may be called so."""
        if self.op == ">":
            return count > self.value
        if self.op == ">=":
            return count >= self.value
        if self.op == "<":
            return count < self.value
        if self.op == "~":
            return abs(count - self.value) <= _APPROXIMATE * count
        if self.op == "-":
            return _NEARLY * self.value <= count < self.value
        return count == self.value


def numeral(found: Sequence[Token], i: int, language: Lexicon) -> tuple[int, int] | None:
    """Return (value, next place) of the number that begins at place ``i``; None where none does."""
    token = found[i]
    if token.quote:
        return None
    if token.low in language.plural_scales and token.low not in language.scales:
        return language.plural_scales[token.low], i + 1
    value, at = _small(found, i, language)
    if value is None:
        return None
    total = 0
    while at < len(found) and found[at].low in language.scales:
        value, at = value * language.scales[found[at].low], at + 1
    total += value
    # "a hundred and fifty", "two thousand three hundred"
    if value >= 100 and at < len(found):
        joined = at + (found[at].low in language.raw["numbers"]["and"])
        if joined < len(found):
            rest = numeral(found, joined, language) if found[joined].number is None else None
            if rest is not None and rest[0] < value:
                return total + rest[0], rest[1]
    return total, at


def _small(found: Sequence[Token], i: int, language: Lexicon) -> tuple[int | None, int]:
    token = found[i]
    if token.number is not None:
        return token.number, i + 1
    if token.low in language.raw["numbers"]["one"] and i + 1 < len(found) and found[i + 1].low in language.scales:
        return 1, i + 1
    if token.low in language.raw["numbers"]["one"][1:] and _follows(found, i, language):
        return 1, i + 1
    if token.low in language.scales:
        return language.scales[token.low], i + 1
    if token.low not in language.numbers:
        return None, i
    value, at = language.numbers[token.low], i + 1
    if value >= 20 and value % 10 == 0:  # "twenty-five"
        unit = at + (at < len(found) and found[at].low == "-")
        if unit < len(found) and language.numbers.get(found[unit].low, 10) < 10:
            return value + language.numbers[found[unit].low], unit + 1
    return value, at


def _follows(found: Sequence[Token], i: int, language: Lexicon) -> bool:
    """Return whether "one" counts stars; else it stands for an item or a person."""
    after = i + 1 + (i + 1 < len(found) and found[i + 1].low == "-")
    return after < len(found) and found[after].low in language.grammar["counted"]


def operator(found: Sequence[Token], i: int, categories: Sequence[frozenset[str]]) -> str:
    """Return what the words before place ``i`` make of the number there."""
    for back in (1, 2):
        if i - back < 0 or found[i - back].quote:
            break
        for category in categories[i - back]:
            if category in _OPERATORS:
                return _OPERATORS[category]
    return "="


_OPERATORS = {
    "number:more": ">", "number:least": ">=", "number:less": "<", "number:about": "~", "number:nearly": "-",
}  # fmt: skip
