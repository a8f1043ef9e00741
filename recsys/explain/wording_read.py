"""Reads phrases from TOML and checks every one of them before anything is said."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from recsys.errors import ConfigError
from recsys.explain.wording import (
    ACT_FORMS,
    CONFIDENCES,
    FIELD_FORMS,
    FOLLOWS,
    LEADS,
    PLURALS,
    REGISTERS,
    Clauses,
    Pattern,
    Patterns,
    Phrases,
)  # fmt: skip
from recsys.explanation import LOCALES


@lru_cache(maxsize=32)
def phrases(locale: str, file: str | None = None) -> Mapping[str, Phrases]:
    """Return register -> phrases of a language, from its own file or from ``file``.

    Raises:
        ConfigError: there are none of the language, or a phrase is wrong; the message says which and how.
    """
    if file is None:
        if locale not in LOCALES:
            raise ConfigError(f"no phrases in the language {locale!r}: choose one of {', '.join(LOCALES)}")
        text, where = (files("recsys.explain") / f"phrases.{locale}.toml").read_text(encoding="utf-8"), locale
    else:
        try:
            text, where = Path(file).read_text(encoding="utf-8"), file
        except OSError as error:
            raise ConfigError(f"phrases of {locale!r} cannot be read: {error}") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"phrases {where}: {error}") from error
    if "base" not in raw or set(raw) - {"base", *REGISTERS}:
        raise ConfigError(f"phrases {where}: [base] and registers are wanted, not {', '.join(raw)}")
    return {name: _Reader(f"{where} {name}").read(locale, name, _merged(raw["base"], raw.get(name, {})))
            for name in REGISTERS}  # fmt: skip


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for name, value in change.items():
        out[name] = _merged(out[name], value) if isinstance(value, Mapping) and name in out else value
    return out


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the plain values of a file into `Phrases`, or says what is wrong with them."""

    where: str

    def read(self, locale: str, register: str, raw: Mapping[str, Any]) -> Phrases:
        words, dates, numbers, clauses = (self.table(raw, name) for name in ("words", "dates", "numbers", "clauses"))
        rule = self.text(numbers, "numbers.plural", "plural")
        if rule not in PLURALS:
            raise self.wrong("numbers.plural", f"{rule!r} is none of {', '.join(PLURALS)}")
        months = tuple(self.texts(dates.get("months"), "dates.months"))
        if len(months) != 12:
            raise self.wrong("dates.months", f"12 months are wanted, not {len(months)}")
        fields = self.table(raw, "fields")
        out = Phrases(
            locale=locale, register=register, sentences=self.whole(raw, "sentences", 1),
            title_chars=self.whole(raw, "title_chars", 20),
            words={
                name: self.pattern(words.get(name), f"words.{name}", slots)
                for name, slots in {"item": ("title!",), "named": ("title!",), "self": (), "quote": ("quote!",),
                                    "and": ("first!", "last!")}.items()
            },
            articles=tuple(self.texts(words.get("articles"), "words.articles")),
            dangling=frozenset(self.texts(words.get("dangling"), "words.dangling")),
            cuts=frozenset(self.texts(words.get("cuts"), "words.cuts")),
            colon_capital=bool(words.get("colon_capital")),
            negations=frozenset(self.texts(words.get("negations"), "words.negations")),
            drawbacks=frozenset(self.texts(words.get("drawbacks"), "words.drawbacks")), months=months,
            dates={
                name: self.pattern(dates.get(name), f"dates.{name}", slots)
                for name, slots in {"today": (), "yesterday": (), "month": ("month!",),
                                    "month_year": ("month!", "year!")}.items()
            },
            days=self.forms(self.table(dates, "days"), "dates.days"), plural=PLURALS[rule],
            group=self.text(numbers, "numbers.group", "group"),
            acts={kind: {form: self.pattern(one.get(form), f"acts.{kind}.{form}", slots)
                         for form, slots in ACT_FORMS.items()} for kind, one in self.table(raw, "acts").items()},
            fields={name: {form: self.patterns(one.get(form), f"fields.{name}.{form}", slots)
                           for form, slots in FIELD_FORMS.items()} for name, one in fields.items()},
            lower=frozenset(name for name, one in fields.items() if one.get("lower")),
            minor=frozenset(name for name, one in fields.items() if one.get("minor")),
            found={name: str(text) for name, text in self.table(raw, "found").items()},
            leads={
                kind: {how: self.sentences(self.table(self.table(raw, "lead"), kind).get(how),
                                           f"lead.{kind}.{how}", slots) for how in CONFIDENCES}
                for kind, slots in LEADS.items()
            },
            follows={kind: self.sentences(self.table(raw, "follow").get(kind), f"follow.{kind}", slots)
                     for kind, slots in FOLLOWS.items()},
            clauses=Clauses(
                frozenset(self.texts(clauses.get("joins"), "clauses.joins")),
                frozenset(self.texts(clauses.get("subjects"), "clauses.subjects")),
                tuple(self.texts(clauses.get("unfinished"), "clauses.unfinished")),
            ),
        )  # fmt: skip
        for name in ("fields", "found"):
            if "other" not in getattr(out, name):
                raise self.wrong(f"{name}.other", "missing")
        return out

    def wrong(self, path: str, what: str) -> ConfigError:
        return ConfigError(f"phrases {self.where} {path}: {what}")

    def table(self, raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        if not isinstance(raw.get(name), Mapping):
            raise self.wrong(name, "a table is wanted")
        return cast("Mapping[str, Any]", raw[name])

    def whole(self, raw: Mapping[str, Any], name: str, least: int) -> int:
        value = raw.get(name)
        if not isinstance(value, int) or value < least:
            raise self.wrong(name, f"a whole number from {least} on is wanted, not {value!r}")
        return value

    def text(self, raw: Mapping[str, Any], path: str, name: str) -> str:
        if not isinstance(raw.get(name), str):
            raise self.wrong(path, f"a text is wanted, not {raw.get(name)!r}")
        return str(raw[name])

    def texts(self, raw: Any, path: str) -> list[str]:
        if not isinstance(raw, list) or not raw or not all(isinstance(one, str) and one for one in raw):
            raise self.wrong(path, f"a list of texts is wanted, not {raw!r}")
        return raw

    def pattern(self, raw: Any, path: str, slots: Sequence[str]) -> Pattern:
        """Compile a pattern that has the slots marked "!" and no slot beside those named."""
        if not isinstance(raw, str) or not raw.strip():
            raise self.wrong(path, f"a text is wanted, not {raw!r}")
        if raw != " ".join(raw.split()):
            raise self.wrong(path, f"spaces at an end, or two in a row: {raw!r}")
        try:
            out = Pattern.of(raw)
        except ValueError as error:
            raise self.wrong(path, str(error)) from error
        allowed = {s.rstrip("!") for s in slots}
        if extra := sorted(out.slots - allowed):
            raise self.wrong(path, f"no slot {extra[0]!r} here; there are {', '.join(sorted(allowed)) or 'none'}")
        if missing := [s[:-1] for s in slots if s.endswith("!") and s[:-1] not in out.slots]:
            raise self.wrong(path, f"the slot {missing[0]!r} is missing in {raw!r}")
        return out

    def patterns(self, raw: Any, path: str, slots: Sequence[str]) -> Patterns:
        return tuple(self.pattern(one, path, slots) for one in self.texts(raw, path))

    def sentences(self, raw: Any, path: str, slots: Sequence[str]) -> Patterns:
        """Compile patterns that are whole sentences: they begin with a capital or a clause, and end with a mark."""
        out = self.patterns(raw, path, slots)
        for pattern, text in zip(out, raw, strict=True):
            if not text.endswith((".", "!", "?")):
                raise self.wrong(path, f"no mark at the end of {text!r}")
            first = pattern.parts[0] if pattern.parts and not pattern.parts[0][0] else None
            if first is None and text[0].islower():
                raise self.wrong(path, f"a small letter at the beginning of {text!r}")
            if first is not None and first[1] in ("value", "quote", "aspect", "count", "query", "when"):
                raise self.wrong(path, f"{text!r} begins with words of others")
        return out

    def forms(self, raw: Mapping[str, Any], path: str) -> Mapping[str, Pattern]:
        if "other" not in raw:
            raise self.wrong(path, "the form 'other' is missing")
        return {form: self.pattern(one, f"{path}.{form}", ("count",)) for form, one in raw.items()}
