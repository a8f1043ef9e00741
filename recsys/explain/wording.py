"""Phrases of reasons: patterns with slots, by language and register."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from recsys.explanation import Confidence

REGISTERS = ("plain", "friendly", "brief")
CONFIDENCES: tuple[Confidence, ...] = ("strong", "moderate", "weak")
PluralForm = Literal["one", "few", "other"]

_SLOT = re.compile(r"\{( ?)([a-z]+)( ?)\}")
_EVENT = ("main", "also")
# Group of patterns -> the slots that it may have; "!" marks one that it must have.
_VOICES = {"aspect_one": ("aspect!", "quote!"), "aspect_many": ("aspect!", "quote!"),
           "quote_one": ("quote!",), "quote_many": ("quote!",)}  # fmt: skip
LEADS: Mapping[str, tuple[str, ...]] = {
    "event": ("main!",), "event_attribute": ("main!", "shared!"), "attribute": ("like!",), "query": ("query!", "found"),
    "popularity": ("count!",), "novelty": ("when!",), **_VOICES,
}  # fmt: skip
FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "event": _EVENT, "attribute": ("like!",), "query": ("query!", "found"), "popularity": ("count!",),
    "novelty": ("when!",), **_VOICES,
}  # fmt: skip
ACT_FORMS: Mapping[str, tuple[str, ...]] = {"main": ("item!", "when"), "also": ("item!", "when"), "relative": ("when",)}
FIELD_FORMS: Mapping[str, tuple[str, ...]] = {
    "shared": ("value!",), "like": ("value!", "item!", "relative!"),
}  # fmt: skip


def _one_other(n: int) -> PluralForm:
    return "one" if n == 1 else "other"


def _one_few_other(n: int) -> PluralForm:
    if n == 1:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "other"


# How a language counts; a phrase file names its rule.
PLURALS: Mapping[str, Callable[[int], PluralForm]] = {
    "one-other": _one_other, "one-few-other": _one_few_other, "other": lambda n: "other",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text with slots. ``parts`` are (text before, slot, space before it, space behind it); ``tail`` comes last.

    An empty value takes its spaces with it.
    """

    parts: tuple[tuple[str, str, str, str], ...]
    tail: str

    @classmethod
    def of(cls, raw: str) -> Pattern:
        """Compile. Raises ValueError for braces that are no slot."""
        parts, at = [], 0
        for found in _SLOT.finditer(raw):
            parts.append((raw[at : found.start()], found[2], found[1], found[3]))
            at = found.end()
        out = cls(tuple(parts), raw[at:])
        if any(c in text for text in (*(p[0] for p in parts), out.tail) for c in "{}"):
            raise ValueError(f"a brace that begins or ends no slot in {raw!r}")
        return out

    @property
    def slots(self) -> frozenset[str]:
        """The names of the slots."""
        return frozenset(p[1] for p in self.parts)

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text."""
        out = []
        for text, slot, before, behind in self.parts:
            value = values[slot]
            out.append(f"{text}{before}{value}{behind}" if value else text)
        out.append(self.tail)
        return "".join(out)


Patterns = tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Clauses:
    """How clauses hang together, for a text that loses some of them.

    ``joins`` may be taken from the beginning of a clause, ``subjects`` begin one that stands alone, ``unfinished``
    phrases announce a further clause.
    """

    joins: frozenset[str]
    subjects: frozenset[str]
    unfinished: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """The phrases of one language and register.

    Attributes:
        acts: event kind -> form ("main", "also", "relative") -> pattern.
        fields: field of an item -> form ("shared", "like") -> patterns; "other" stands for the rest.
        lower: fields whose values are words of the language and not names. minor: fields told for want of others.
        found: field -> where the words of a query were found.
        leads: what a reason begins with -> confidence -> patterns. follows: what it goes on with.
        colon_capital: whether a clause behind a colon begins with a capital. negations: words that deny.
        drawbacks: aspects that nobody praises by their name: "Reviewers praise its noise".
        sentences: at most so many. title_chars: of a title at most.
    """

    locale: str
    register: str
    sentences: int
    title_chars: int
    words: Mapping[str, Pattern]
    articles: tuple[str, ...]
    dangling: frozenset[str]
    cuts: frozenset[str]
    colon_capital: bool
    negations: frozenset[str]
    drawbacks: frozenset[str]
    months: tuple[str, ...]
    dates: Mapping[str, Pattern]
    days: Mapping[str, Pattern]
    plural: Callable[[int], PluralForm]
    group: str
    acts: Mapping[str, Mapping[str, Pattern]]
    fields: Mapping[str, Mapping[str, Patterns]]
    lower: frozenset[str]
    minor: frozenset[str]
    found: Mapping[str, str]
    leads: Mapping[str, Mapping[str, Patterns]]
    follows: Mapping[str, Patterns]
    clauses: Clauses

    def counted(self, patterns: Mapping[str, Pattern], n: int) -> str:
        """Return the pattern for ``n`` things, filled."""
        return patterns.get(self.plural(n), patterns["other"]).fill({"count": self.number(n)})

    def number(self, n: int) -> str:
        """Return a whole number as the language writes it."""
        return f"{n:,}".replace(",", self.group)
