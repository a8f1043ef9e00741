"""Parts of a sentence: titles cut short, values, lists, quotes and times, as a language says them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from recsys.explain.claims import claims
from recsys.explain.facts_text import clean
from recsys.explain.wording import Phrases

DAY = 86_400
_MONTH_ALONE_DAYS = 330  # "in May" is the last May
_DAYS_AGO = 7
_CUT = re.compile(r",\s|\s[-–—|/]\s|[(\[{;|]|:\s")
_EDGES = " \t,;:-–—|/&+…"
_NONE: frozenset[str] = frozenset()
VALUE_CHARS = 61  # of a value, one more than is said
_ENOUGH = 12  # characters that a title has to have before the first comma is its end
_READS_AS_TEXT = re.compile(r"[.!?;:,()\[\]{}|\"“”„«»<>…]|\s[-–—]\s|\d\s*[x×]\s")
_DOUBLE = str.maketrans(dict.fromkeys('"“”„«»', "'"))


@lru_cache(maxsize=20_000)
def short(
    title: str, limit: int, dangling: frozenset[str] = _NONE, cuts: frozenset[str] = _NONE, *, inner: bool = False
) -> str:  # fmt: skip
    """Return a title without what stands behind the first comma or bracket, in whole words of ``limit`` characters.

    What is still too long ends before the first word of ``cuts``, such as "with", and then loses its last words; with
    ``inner`` it loses words before the last two, which tell what the thing is. A word longer than the limit leaves
    nothing.
    """
    text = clean(title, 4 * limit)
    for cut in _CUT.finditer(text):
        if cut.start() >= _ENOUGH:
            text = text[: cut.start()]
            break
    text = text.strip(_EDGES)
    if len(text) <= limit:
        return text if any(c.isalnum() for c in text) else ""
    words = text.split()
    for place, word in enumerate(words):
        if word.casefold() in cuts and len(" ".join(words[:place])) >= _ENOUGH:
            words = words[:place]
            break
    # Two words: "Sleeping Bag", "Watering Can".
    head, tail = (words[:-2], words[-2:]) if inner and len(words) > 3 else (words, [])
    while head and len(" ".join((*head, *tail))) > limit:
        head.pop()
    if not head:
        return ""
    words = [*head, *tail]
    while words and (words[-1].casefold() in dangling or not any(c.isalnum() for c in words[-1])):
        words.pop()
    out = " ".join(words).strip(_EDGES)
    return out if any(c.isalnum() for c in out) else ""


def item_name(phrases: Phrases, title: str) -> str:
    """Return how an item is called in a sentence: "the Halvard Trekking Poles", “Who's There?”; "" if it cannot be."""
    bare, named = phrases.words["item"], phrases.words["named"]
    name = short(title, phrases.title_chars, phrases.dangling, phrases.cuts, inner=bare != named)
    text = bare == named or _READS_AS_TEXT.search(name) or not name[-1:].isalnum()
    if text or claims(name, phrases.locale):
        name = short(title, phrases.title_chars, phrases.dangling, phrases.cuts)  # between marks nothing is left out
        return named.fill({"title": name.translate(_DOUBLE)}) if name else ""
    if name.split()[0].casefold() in phrases.articles:
        return name
    return bare.fill({"title": name})


def value_text(phrases: Phrases, field: str, value: str) -> str:
    """Return an attribute value as it stands in a sentence."""
    out = clean(value, VALUE_CHARS)
    if field in phrases.lower and out.istitle():
        out = out.lower()
    return out.rstrip(" .,;:!?")


def when_text(phrases: Phrases, time: int | None, now: int | None) -> str:
    """Return when something happened, in UTC, as it is said at ``now``; "" for an unknown time or one to come."""
    if not time or time < 0 or (now is not None and time > now):
        return ""
    moment = datetime.fromtimestamp(time, UTC)
    month = phrases.months[moment.month - 1]
    if now is None or now - time > _MONTH_ALONE_DAYS * DAY:
        return phrases.dates["month_year"].fill({"month": month, "year": str(moment.year)})
    days = (datetime.fromtimestamp(now, UTC).date() - moment.date()).days
    if days < 2:
        return phrases.dates["yesterday" if days else "today"].fill({})
    if days <= _DAYS_AGO:
        return phrases.counted(phrases.days, days)
    return phrases.dates["month"].fill({"month": month})


def joined(phrases: Phrases, parts: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return phrases.words["and"].fill({"first": ", ".join(parts[:-1]), "last": parts[-1]})


def quote_text(phrases: Phrases, quotes: Sequence[str]) -> str:
    """Return quotes in the marks of the language; the mark at a quote's end gives way to that of the sentence."""
    return joined(phrases, [phrases.words["quote"].fill({"quote": q.rstrip(" .,;:")}) for q in quotes])


def capital(text: str) -> str:
    """Return ``text`` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def ended(text: str) -> str:
    """Return a sentence with one mark at its end: “So light!”. loses its full stop."""
    return re.sub(r"([.!?…])(['”“’»\"]?)\.$", r"\1\2", text) if text[-2:-1] in ".!?…'”“’»\"" else text
