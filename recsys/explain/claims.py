"""Names that are more than names: a merchant's title or value that tells of shoppers, of reviews or of itself.

A catalogue is written by strangers. "Acme and 900 shoppers chose it" in the field for a brand would stand in a reason
as if the shop had counted. What claims something is no name: as a value it is not said, as a title it stands between
quotation marks, and the words that claim lend no name to the text of anybody else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from recsys.explain.clean import level, plain
from recsys.explain.lexicon import Lexicon, Stem, lexicon
from recsys.explain.tokens import INSIDE, Token, categories, words_of
from recsys.explanation import LOCALES, language_of

_READ = 200  # characters of a name that are read
_MOST = 30  # a title of a thousand words would allow everything
# The end of a sentence inside of a name; "Dr. Martens", "St. Ives" and "J. Crew" are names.
_SENTENCE = re.compile(r"(?:[^\W\d_]{4,}|\d)[.…]\s+\S|[!?;]\s+\S")
_COLON = re.compile(r":\s+\S")
# Of what is never said without a review, what a merchant would put into a name to have it said all the same.
_POLICIES = frozenset(
    f"policy:{name}" for name in ("price", "stock", "warranty", "superlative", "authority", "instruction")
)
_PEOPLE = frozenset(("people:crowd", "people:reviewer"))
_KEEP, _DROP, _CUT = 0, 1, 2
Runs = tuple[tuple[Stem, ...], ...]


def claims(name: str, locale: str = "en") -> bool:
    """Return whether a title claims something, read in English and in the language of ``locale`` as far as known."""
    return any(_claims(name[: 4 * _READ], language) for language in {"en", language_of(locale)} & set(LOCALES))


def value_claims(value: str, locale: str = "en") -> bool:
    """Return whether a value claims something: as `claims`, or by being more than one sentence."""
    return bool(_SENTENCE.search(value) or _COLON.search(value)) or claims(value, locale)


@lru_cache(maxsize=20_000)
def _claims(name: str, locale: str) -> bool:
    return any(flag != _KEEP for flag in _flags(name, locale)[1])


@lru_cache(maxsize=8192)
def lent(name: str, locale: str) -> Runs:
    """Return the words of a title that may be said for it, as runs: what claims is left out, and what follows an act.

    Raises:
        ConfigError: a language that there is no lexicon of.
    """
    found, flags = _flags(name, locale)
    runs: list[list[Stem]] = [[]]
    for token, flag in zip(found, flags, strict=True):
        if flag == _CUT:
            break
        if flag == _DROP:
            runs.append([])
        else:
            runs[-1].append(token.stem)
    return tuple(tuple(run) for run in runs if run)


def value_lent(value: str, locale: str) -> Runs:
    """Return the words of a value that may be said for it: of its first sentence, as `lent`."""
    end = min((m.start() for p in (_SENTENCE, _COLON) if (m := p.search(value))), default=len(value))
    if end < len(value):
        end += len(re.match(r"\w*", value[end:])[0])  # type: ignore[index]  # it matches nothing, too
    return lent(value[:end], locale)


def _flags(name: str, locale: str) -> tuple[list[Token], list[int]]:
    """Return the words of a name, and for each whether it is kept, left out, or ends the name."""
    language = lexicon(locale)
    found = words_of(level(plain(name, _READ)), language)[:_MOST]
    named = categories(found, language)
    numbers = [t.number is not None or t.low in language.numbers or t.low in language.plural_scales for t in found]
    told = _of_people(found, named, numbers, language)
    flags: list[int] = []
    for i, token in enumerate(found):
        if named[i] == INSIDE and flags:
            flags.append(flags[-1])
        elif told and numbers[i]:
            flags.append(_DROP)
        else:
            flags.append(_flag(token, named[i], language, told, numbers[max(0, i - 1) : i + 2]))
    return found, flags


def _of_people(
    found: Sequence[Token], named: Sequence[frozenset[str]], numbers: Sequence[bool], language: Lexicon
) -> bool:  # fmt: skip
    """Return whether a name tells of shoppers or reviewers: how many they are, what they did or what they say."""
    people = [token.low for token, c in zip(found, named, strict=True) if _PEOPLE & c]
    if not people:
        return False
    if any(numbers) and not all(low in language.grammar["persons_held"] for low in people):  # "2-Person Tent"
        return True
    if any(token.low in language.grammar["clause"] for token in found):
        return True
    return any(c.startswith(("act:", "number:")) or c == "speech" for one in named for c in one - _PEOPLE)


def _flag(token: Token, named: frozenset[str], language: Lexicon, told: bool, numbers: Sequence[bool]) -> int:
    grammar, low = language.grammar, token.low
    if low in grammar["clause"]:
        return _CUT
    if low in grammar["in_names"] or not named:
        return _KEEP
    acted = low in grammar["past"] or low.endswith(tuple(grammar["past_endings"]))
    if acted and low not in grammar["stars"] and any(c.startswith("act:") for c in named):
        return _CUT
    rated = low in grammar["stars"] and any(numbers)
    if rated or low in grammar["everybody"] or low in grammar["you"] or low in grammar["possessive"]:
        return _DROP
    if told and _PEOPLE & named:
        return _DROP
    return _DROP if "popularity" in named or _POLICIES & named else _KEEP
