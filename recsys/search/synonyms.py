"""A merchant's synonyms: words that mean the same here, and words that stand for others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from recsys.errors import ConfigError
from recsys.search.analysis import Analyzer

MAX_LINE, MAX_LINES = 1_000, 20_000  # characters, rules


@dataclass(frozen=True, slots=True)
class Synonym:
    """What may be read for some words: ``terms``, and how a person writes it."""

    terms: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Applied:
    """Words ``begin`` to ``end`` of a query's parts, as they were written in the rule, and what else they may mean."""

    begin: int
    end: int
    words: str
    readings: tuple[Synonym, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Synonyms:
    """Rules by their terms: {first term: {all terms: (words, readings)}}."""

    rules: Mapping[str, Mapping[tuple[str, ...], tuple[str, tuple[Synonym, ...]]]]

    @classmethod
    def of(cls, lines: Iterable[str], analyzer: Analyzer) -> Self:
        """Read rules, one a line; empty lines and those that begin with # say nothing.

        "tv, television, telly" works in every direction, "sneakers => trainers, running shoes" in one.

        >>> Synonyms.of(["tv, telly"], Analyzer()).apply(["cheap", "telli"])[0].readings[0].words
        'tv'

        Raises:
            ConfigError: a rule without two sides, or too long; it names the line.
        """
        rules: dict[str, dict[tuple[str, ...], tuple[str, tuple[Synonym, ...]]]] = {}
        for number, line in enumerate(map(str.strip, lines), 1):
            if not line or line.startswith("#"):
                continue
            if len(line) > MAX_LINE or number > MAX_LINES:
                raise ConfigError(f"synonyms, line {number}: at most {MAX_LINE} characters and {MAX_LINES} lines")
            sides = [_side(side, analyzer) for side in line.split("=>")]
            if len(sides) > 2 or not all(sides) or (len(sides) == 1 and len(sides[0]) < 2):
                raise ConfigError(f"synonyms, line {number}: write 'a, b' or 'a => b', got {line[:80]!r}")
            for left in sides[0]:
                readings = [right for right in sides[-1] if right.terms != left.terms]
                held = rules.setdefault(left.terms[0], {}).get(left.terms, ("", ()))[1]
                both = (*held, *(r for r in readings if r.terms not in {h.terms for h in held}))
                rules[left.terms[0]][left.terms] = (left.words, both)
        return cls(rules)

    def apply(self, parts: Sequence[str]) -> list[Applied]:
        """Return the rules that fit the parts of a query, the longest at each place; a part takes part in one."""
        out, at = [], 0
        while at < len(parts):
            fitting = [
                (terms, found)
                for terms, found in self.rules.get(parts[at], {}).items()
                if tuple(parts[at : at + len(terms)]) == terms and found[1]
            ]
            if not fitting:
                at += 1
                continue
            terms, (words, readings) = max(fitting, key=lambda pair: len(pair[0]))
            out.append(Applied(at, at + len(terms), words, readings))
            at += len(terms)
        return out


def _side(text: str, analyzer: Analyzer) -> list[Synonym]:
    out = []
    for words in text.split(","):
        terms = tuple(analyzer.terms(words))
        if terms:
            out.append(Synonym(terms, " ".join(words.split())))
    return out
