"""Dates of a text: months, days, years, seasons, and times told from now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from recsys.explain.lexicon import Lexicon
from recsys.explain.numerals import numeral
from recsys.explain.tokens import Token

DAY = 86_400
_YEARS = range(1970, 2100)
_DAYS = range(1, 32)
_RECENT_DAYS = 60


@dataclass(frozen=True, slots=True)
class When:
    """A time as it is said; what is not said is empty.

    Attributes:
        part: "early", "middle" or "late" in the month. how: "last" or "this". days: so many days ago, give or take
            ``slack``.
    """

    months: tuple[int, ...] = ()
    day: int | None = None
    year: int | None = None
    weekday: int | None = None
    part: str = ""
    how: str = ""
    days: float | None = None
    slack: float = 0

    def holds(self, time: int, now: int | None) -> bool:
        """Return whether epoch second ``time`` may be called so at ``now``; what needs to know now fails without it."""
        moment = datetime.fromtimestamp(time, UTC)
        if self.months and moment.month not in self.months:
            return False
        if self.day is not None and moment.day != self.day:
            return False
        if self.year is not None and moment.year != self.year:
            return False
        if self.weekday is not None and moment.weekday() != self.weekday:
            return False
        low, high = _PARTS.get(self.part, (1, 31))
        if not low <= moment.day <= high:
            return False
        return self._told_from_now(moment, time, now)

    def _told_from_now(self, moment: datetime, time: int, now: int | None) -> bool:
        if now is None:
            return self.days is None and (not self.how or bool(self.months))
        age = (now - time) / DAY
        if self.days is not None:
            return abs(age - self.days) <= self.slack
        if self.how == "this":
            return moment.year == datetime.fromtimestamp(now, UTC).year
        if self.how == "last" and not self.months and self.weekday is None:
            return moment.year == datetime.fromtimestamp(now, UTC).year - 1
        # "in May" is the last one; nobody says so of an earlier May.
        return self.year is not None or -1 <= age <= 370


_PARTS = {"early": (1, 10), "middle": (8, 22), "late": (20, 31)}


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a language that dates are made of."""

    part: dict[str, str]
    last: frozenset[str]
    this: frozenset[str]
    ago: frozenset[str]
    before: frozenset[str]
    days: dict[str, int]
    articles: frozenset[str]


@lru_cache(maxsize=8)
def _words(locale: str) -> _Words:
    from recsys.explain.lexicon import lexicon

    raw = lexicon(locale).raw["dates"]
    part = {w: name for name in ("early", "middle", "late") for w in raw[name]}
    return _Words(
        part, frozenset(raw["last"]), frozenset(raw["this"]), frozenset(raw["ago"]), frozenset(raw["before"]),
        {w: n for n, w in enumerate(raw["days"])}, frozenset(raw["articles"]),
    )  # fmt: skip


def _of_time(token: Token, language: Lexicon) -> bool:
    low = token.low
    return (
        low in language.months or token.stem in language.units or low in language.seasons or low in language.weekdays
        or low in language.raw["dates"]["days"]
    )  # fmt: skip


def when(found: Sequence[Token], i: int, language: Lexicon) -> tuple[When, int, int] | None:
    """Return the time that is named around place ``i``, its first place and the place after it; None if none is."""
    token = found[i]
    if token.quote or (token.number is None and not _of_time(token, language)):
        return None
    words = _words(language.locale)
    if token.number is not None and (iso := _iso(found, i)):
        return iso
    if token.low in language.months and _is_month(found, i, language):
        return _month(found, i, language, words)
    if token.low in language.weekdays:
        how, first = _how(found, i, words)
        return When(weekday=language.weekdays[token.low], how=how), first, i + 1
    if token.low in language.seasons and _is_season(found, i, words):
        return _season(found, i, language, words)
    if token.number in _YEARS and i and found[i - 1].low in words.before:
        return When(year=token.number), i, i + 1
    if token.low in words.days:
        return When(days=words.days[token.low], slack=1), i, i + 1
    return _ago(found, i, language, words)


def _iso(found: Sequence[Token], i: int) -> tuple[When, int, int] | None:
    """2026-05-03: the dash of an ISO date is a token of its own."""
    part = found[i : i + 5]
    if len(part) < 5 or part[1].low != "-" or part[3].low != "-" or part[0].number not in _YEARS:
        return None
    if part[2].number is None or part[4].number is None:
        return None
    return When(months=(part[2].number,), day=part[4].number, year=part[0].number), i, i + 5


def _is_month(found: Sequence[Token], i: int, language: Lexicon) -> bool:
    """Tell the month from the modal verb, and from other words that are no months when written small."""
    token = found[i]
    if token.low not in language.raw["dates"]["ambiguous"]:
        return True
    after = found[i + 1] if i + 1 < len(found) else None
    return token.capital or (token.upper and after is not None and after.number is not None)


def _is_season(found: Sequence[Token], i: int, words: _Words) -> bool:
    back = found[i - 1].low if i else ""
    return back in words.before or back in words.last or back in words.this or back in words.articles or found[i].upper


def _season(found: Sequence[Token], i: int, language: Lexicon, words: _Words) -> tuple[When, int, int]:
    how, first = _how(found, i, words)
    end = i + 1
    while end < len(found) and found[end].low in language.raw["dates"]["after_holiday"]:
        end += 1
    year = found[end].number if end < len(found) and found[end].number in _YEARS else None
    months = language.seasons[found[i].low]
    # "two days before Christmas" may be another month's end or beginning, seldom enough
    return When(months=months, year=year, how=how), first, end + (year is not None)


def _how(found: Sequence[Token], i: int, words: _Words) -> tuple[str, int]:
    """Return "last", "this" or "" for the word before ``i``, and where the whole begins."""
    back = found[i - 1].low if i else ""
    if back in words.last:
        return "last", i - 1
    if back in words.this:
        return "this", i - 1
    return "", i


def _month(found: Sequence[Token], i: int, language: Lexicon, words: _Words) -> tuple[When, int, int]:
    first, end = i, i + 1
    day = year = None
    part = ""
    how, first = _how(found, first, words)
    at = first - 1
    while at >= 0 and found[at].low in ("of", "-", ".", "the", "th", "st", "nd", "rd", "der", "des"):
        at -= 1
    if at >= 0 and how == "" and found[at].number in _DAYS:
        day, first = found[at].number, at
    elif at >= 0 and found[at].low in words.part:
        part, first = words.part[found[at].low], at
    if end < len(found) and found[end].number in _YEARS:
        year, end = found[end].number, end + 1
    elif day is None and end < len(found) and found[end].number in _DAYS:
        day, end = found[end].number, end + 1
        while end < len(found) and found[end].low in ("th", "st", "nd", "rd", ","):
            if found[end].low == "," and not (end + 1 < len(found) and found[end + 1].number in _YEARS):
                break
            end += 1
        if end < len(found) and found[end].number in _YEARS:
            year, end = found[end].number, end + 1
    return When((language.months[found[i].low],), day, year, None, part, how), first, end


def _ago(found: Sequence[Token], i: int, language: Lexicon, words: _Words) -> tuple[When, int, int] | None:
    """``two weeks ago``, ``a month ago``, ``last week``, ``this year``."""
    token = found[i]
    unit = language.units.get(token.stem)
    if unit is None or not i:
        return None
    how, first = _how(found, i, words)
    if how == "last":
        return (When(how="last"), first, i + 1) if unit == 365 else (When(days=unit, slack=unit), first, i + 1)
    if how == "this":
        return (When(how="this"), first, i + 1) if unit == 365 else (When(days=0, slack=unit), first, i + 1)
    after = found[i + 1].low if i + 1 < len(found) else ""
    german = found[i - 2].low if i > 1 else ""
    if after not in words.ago and german not in words.ago:
        return None
    counted = numeral(found, i - 1, language)
    count = counted[0] if counted else 1
    end = i + 2 if after in words.ago else i + 1
    return When(days=count * unit, slack=max(1.0, 0.5 * unit)), i - 1, end


def recently(time: int, now: int | None) -> bool:
    """Return whether epoch second ``time`` is recent at ``now``."""
    return now is not None and 0 <= now - time <= _RECENT_DAYS * DAY


def day_of(time: int) -> date:
    """Return the day, in UTC, of epoch second ``time``."""
    return datetime.fromtimestamp(time, UTC).date()
