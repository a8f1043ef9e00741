"""What the checker knows of a language, read from TOML: which words claim something, and which claim nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from threading import Lock
from typing import Any

from recsys.errors import ConfigError
from recsys.explanation import LOCALES

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_LOCK = Lock()  # a stemmer keeps state while it works
Stem = str


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """One language.

    Attributes:
        words: stem -> the categories of a single word, such as "act:buy", "negation", "neutral".
        phrases: the first two stems -> (stems, category), the longest first.
        accepts: act -> the event kinds that make it true.
        numbers, scales: a number word -> its value. months, weekdays, seasons: a lower-case word -> what it names.
        synonyms: stem -> the stems that mean the same, itself among them.
        surfaces: the words as they are listed, which is not what stems lead back to: "magnetic" comes from "magnet".
        adverb: how adverbs end. nouns_capital: whether a capital makes no name.
        verb_last: whether the verb that makes an act only possible stands far ahead of it.
        raw: everything as it was read.
    """

    locale: str
    words: Mapping[Stem, frozenset[str]]
    phrases: Mapping[tuple[Stem, Stem], tuple[tuple[tuple[Stem, ...], str], ...]]
    accepts: Mapping[str, frozenset[str]]
    numbers: Mapping[str, int]
    scales: Mapping[str, int]
    plural_scales: Mapping[str, int]
    months: Mapping[str, int]
    weekdays: Mapping[str, int]
    seasons: Mapping[str, tuple[int, ...]]
    units: Mapping[Stem, int]
    synonyms: Mapping[Stem, frozenset[Stem]]
    contractions: Mapping[str, str]
    surfaces: frozenset[str]
    grammar: Mapping[str, frozenset[str]]
    adverb: str
    nouns_capital: bool
    verb_last: bool
    raw: Mapping[str, Any]

    def stem(self, word: str) -> Stem:
        """Return the stem of a lower-case word."""
        return stem(self.locale, word)

    def has(self, word: Stem, category: str) -> bool:
        """Return whether a single word belongs to a category."""
        return category in self.words.get(word, ())


@lru_cache(maxsize=8)
def _stemmer(name: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(name)


@lru_cache(maxsize=65536)
def stem(locale: str, word: str) -> Stem:
    """Return the stem of a lower-case word; words longer than 40 characters, and numbers, are their own."""
    if len(word) > 40 or not word.isalpha() or word in _own_stems(locale):
        return word
    with _LOCK:
        return str(_stemmer(_raw(locale)["stemmer"]).stemWord(word))


@lru_cache(maxsize=8)
def _own_stems(locale: str) -> frozenset[str]:
    return frozenset(_raw(locale).get("own_stems", ()))


@lru_cache(maxsize=8)
def _raw(locale: str) -> Mapping[str, Any]:
    if locale not in LOCALES:
        raise ConfigError(f"no lexicon of the language {locale!r}: choose one of {', '.join(LOCALES)}")
    return tomllib.loads((files("recsys.explain") / f"lexicon.{locale}.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def lexicon(locale: str = "en") -> Lexicon:
    """Return the lexicon of a language. Raises `ConfigError` for one that there is none of."""
    raw = _raw(locale)
    words: dict[str, set[str]] = {}
    phrases: dict[tuple[str, str], list[tuple[tuple[str, ...], str]]] = {}
    for category, entry in _entries(raw):
        stems = tuple(stem(locale, w) for w in _WORD.findall(entry.lower()))
        if len(stems) == 1:
            words.setdefault(stems[0], set()).add(category)
        else:
            phrases.setdefault((stems[0], stems[1]), []).append((stems, category))
    irregular: Mapping[str, list[str]] = raw.get("irregular", {})
    for base, forms in irregular.items():
        for form in forms:
            words.setdefault(stem(locale, form), words.get(stem(locale, base), set()))
    dates, numbers = raw["dates"], raw["numbers"]
    months = {name: n for n, name in enumerate(dates["months"], 1)}
    months |= {name: n for n, name in enumerate(dates["short_months"], 1) if name}
    return Lexicon(
        locale=locale,
        words={w: frozenset(c) for w, c in words.items()},
        phrases={w: tuple(sorted(p, key=lambda one: -len(one[0]))) for w, p in phrases.items()},
        accepts={act: frozenset(kinds) for act, kinds in raw["accepts"].items()},
        numbers=numbers["words"], scales=numbers["scales"], plural_scales=numbers["plural_scales"],
        months=months, weekdays={name: n for n, name in enumerate(dates["weekdays"])},
        seasons={name: tuple(m) for name, m in dates["seasons"].items()},
        units={stem(locale, name): n for name, n in dates["units"].items()},
        synonyms=_synonyms(locale, [*raw["synonyms"]["groups"], *([base, *f] for base, f in irregular.items())]),
        contractions=raw["contractions"], surfaces=_surfaces(raw),
        grammar={name: frozenset(w) for name, w in raw["grammar"].items()},
        adverb=raw.get("adverb", "-"), nouns_capital=raw.get("nouns_capital", False),
        verb_last=raw.get("verb_last", False), raw=raw,
    )  # fmt: skip


def _entries(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (category, word or phrase)."""
    named: Mapping[str, Iterable[str]] = {
        "carrier": raw["carriers"]["words"], "speech": raw["speech"]["words"], "popularity": raw["popularity"]["words"],
        "novelty": raw["novelty"]["words"], "came": raw["novelty"]["weak"], "same": raw["same"]["words"],
        "negation": raw["negation"]["words"], "idiom": raw["negation"]["idioms"], "modal": raw["modals"]["words"],
        "recent": raw["dates"]["recent"], "property": raw["property"]["words"],
        "seems": raw["property"]["seems"],
    }  # fmt: skip
    for category, entries in named.items():
        yield from ((category, e) for e in entries)
    for section, prefix in (("acts", "act"), ("people", "people"), ("fields", "field"), ("policy", "policy")):
        for name, entries in raw[section].items():
            yield from ((f"{prefix}:{name}", e) for e in entries)
    for name in ("more", "least", "less", "about", "nearly", "vague", "wrong", "universal"):
        yield from ((f"number:{name}", e) for e in raw["numbers"][name])
    for name, entries in raw["neutral"].items():
        yield from ((name if name in ("function", "setting") else "neutral", e) for e in entries)
    for name, entries in raw["pronouns"].items():
        yield from ((f"pronoun:{name}", e) for e in entries)


def _surfaces(raw: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(word for _, entry in _entries(raw) for word in _WORD.findall(entry.lower()))


def _synonyms(locale: str, groups: Iterable[Iterable[str]]) -> dict[str, frozenset[str]]:
    """Return stem -> stems of every group that it is in; a group of one meaning says nothing about another group."""
    out: dict[str, set[str]] = {}
    for group in groups:
        stems = {stem(locale, w) for w in group if " " not in w}
        for one in stems:
            out.setdefault(one, set()).update(stems)
    return {w: frozenset(s) for w, s in out.items()}
