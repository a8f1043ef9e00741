"""A query as it is understood: words, what each may stand for, what was corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recsys.search.analysis import Token

Source = Literal["typed", "joined", "part", "typo", "prefix", "synonym"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One reading of a word: a product has it when it holds all of ``terms``.

    ``weight`` in (0, 1] says how sure the reading is, ``word`` is how a person would write it.
    """

    terms: tuple[str, ...]
    weight: float = 1.0
    source: Source = "typed"
    word: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that a query asks for: a word, or a part of a compound, with its readings, the surest first.

    ``word`` counts the words of the query, ``weight`` is below 1 for function words, which are not ``needed``.
    """

    typed: str
    word: int
    alternatives: tuple[Alternative, ...]
    weight: float = 1.0
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """A query, parsed by `recsys.search.parse.Parser`.

    Attributes:
        text: as it was typed. tokens: its words. slots: what it asks for, in reading order.
        corrections: {typed: used} of words that no product has, or hardly any.
        synonyms: (typed, used) of the merchant's synonyms that were applied.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    slots: tuple[Slot, ...] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)
    synonyms: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words as they were typed."""
        return tuple(t.raw for t in self.tokens)
