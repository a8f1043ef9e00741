"""What the explanation writer learns from: reasons with slots, out of a grammar written by hand.

Nobody has written reasons for the sample shop. ``corpus/reasons.<locale>.toml`` says each kind of fact in many ways,
in other words than the template's. A reason is learnt only if the checker supports every statement of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

import numpy as np

from recsys.errors import ConfigError
from recsys.explain.generate import judged
from recsys.explain.slots import FIELDS, OTHER, Draft, Line

_BRACES = re.compile(r"\{([a-z]+)\}")
# Lists by the kind of act, and lists by the family of the value's field.
_BY_ACT = ("did", "deed", "which", "itself")
_BY_FIELD = ("both", "shares")
_ROLES = ("seen", "when", "value", "quote", "aspect", "query", "found", "count", "date")
_SURE = ("strong", "moderate", "weak")
_DEPTH = 4  # lists within lists

Choices = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """Ways to say facts.

    Attributes:
        lists: name -> kind of act, field or "any" -> patterns.
        leads: (tone, kind, confidence) -> patterns for what a reason begins with. follows: kind -> patterns.
    """

    lists: Mapping[str, Choices]
    leads: Mapping[tuple[str, str, str], tuple[str, ...]]
    follows: Choices

    @classmethod
    def read(cls, locale: str = "en") -> Self:
        """Read the grammar of a language. Raises `ConfigError` for one that is missing or wrong."""
        file = resources.files("recsys_fine_tuned") / "corpus" / f"reasons.{locale}.toml"
        if not file.is_file():
            raise ConfigError(f"no reasons are written in the language {locale!r}")
        return cls.of(tomllib.loads(file.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Read tables as the file has them. Raises `ConfigError` naming the pattern that is wrong."""
        tables = dict(plain)
        lead, follow = tables.pop("lead"), tables.pop("follow")
        out = cls(
            {name: {k: tuple(v) for k, v in table.items()} for name, table in tables.items()},
            {
                (tone, kind, sure): tuple(patterns)
                for tone, kinds in lead.items() for kind, table in kinds.items() for sure, patterns in table.items()
            },
            {kind: tuple(patterns) for kind, patterns in follow.items()},
        )  # fmt: skip
        out._validate()
        return out

    def _validate(self) -> None:
        for (tone, kind, sure), patterns in self.leads.items():
            if sure not in _SURE or not patterns:
                raise ConfigError(f"lead.{tone}.{kind}.{sure} is no confidence, or has no pattern")
        used = [p for table in self.lists.values() for ways in table.values() for p in ways]
        used += [p for ways in (*self.leads.values(), *self.follows.values()) for p in ways]
        for pattern in used:
            for name in _BRACES.findall(pattern):
                if name not in self.lists and name not in _ROLES:
                    raise ConfigError(f"{{{name}}} in {pattern!r} is neither a list nor a slot")
            if set("{}[]") & set(_BRACES.sub("", pattern)):
                raise ConfigError(f"a brace that is no list or slot in {pattern!r}")

    def ways(self, line: Line, tone: str, sure: str, *, first: bool) -> tuple[str, ...]:
        """Return the patterns for a fact at the beginning of a reason, or further on."""
        if not first:
            return self.follows[line.kind]
        return self.leads.get((tone, line.kind, sure)) or self.leads["plain", line.kind, sure]

    def say(self, draft: Draft, rng: np.random.Generator) -> str:
        """Return one reason with slots; its turn decides how it begins, all else is drawn."""
        out = []
        for place, line in enumerate(draft.lines):
            ways = self.ways(line, draft.tone, draft.sure, first=place == 0)
            pattern = ways[draft.turn % len(ways)] if place == 0 else ways[int(rng.integers(len(ways)))]
            out.append(self._expanded(pattern, line, rng))
        return " ".join(_sentence(one) for one in out)

    def _expanded(self, pattern: str, line: Line, rng: np.random.Generator) -> str:
        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name == "when":
                return f" {line.roles['when']}" if "when" in line.roles else ""
            if name in line.roles:
                return line.roles[name]
            if name not in self.lists:
                return ""
            table = self.lists[name]
            key = line.act if name in _BY_ACT else line.family if name in _BY_FIELD else "any"
            ways = table.get(key) or table[OTHER]
            return ways[int(rng.integers(len(ways)))]

        for _ in range(_DEPTH):
            pattern = _BRACES.sub(one, pattern)
        return pattern


def kept(draft: Draft, text: str) -> bool:
    """Return whether a reason with slots says all that it should, and nothing that the checker does not support."""
    if draft.missing(text) or draft.foreign(text):
        return False
    made = judged(draft, text)
    return made.supported and bool(made.claims)


def families() -> Sequence[str]:
    """Return the families of fields that a grammar has to have words for."""
    return (*sorted(set(FIELDS.values())), OTHER)


def _sentence(text: str) -> str:
    """Return a sentence with a capital at its beginning, where that is no slot."""
    return text[:1].upper() + text[1:]
