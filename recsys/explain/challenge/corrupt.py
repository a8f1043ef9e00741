"""Makes false texts out of true ones: one seeded change each, at the places that the marks of a text name.

It shares no code with the checker: what a mark covers was decided by whoever wrote the text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recsys.explain.challenge import words

MARK = re.compile(r"\{([a-z])(\d?):([^}]*)\}")
KINDS = ("entity", "attribute", "number", "negation", "quote", "wrong-item", "event-kind", "date", "invented")
INJECTED = "injected"  # what a merchant wrote into a title or value; in the development split alone


@dataclass(frozen=True, slots=True)
class Pool:
    """What false things are taken from: the other goods of the same split, and invented claims.

    Attributes:
        names: brand, line and form of products. values: by field, every value that occurs. ids: an item id by name.
    """

    names: Sequence[tuple[str, str, str]]
    values: Mapping[str, Sequence[str]]
    invented: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Falsehood:
    """A false text: what kind of change made it, and the evidence that it is to be checked against."""

    kind: str
    text: str
    evidence: Sequence[Mapping[str, Any]]


def plain(marked: str) -> str:
    """Return a text without its marks."""
    return MARK.sub(lambda m: m[3], marked)


def corrupted(marked: str, case: Mapping[str, Any], pool: Pool, rng: random.Random) -> list[Falsehood]:
    """Return one false text for each kind of change that the marks allow."""
    known = " ".join([case["title"], *(str(v) for e in case["evidence"] for v in e.values())]).lower()
    makers: dict[str, Callable[[], str | None]] = {
        "entity": lambda: _entity(marked, case, known, pool, rng),
        "attribute": lambda: _attribute(marked, case, known, pool, rng),
        "number": lambda: _number(marked, rng),
        "negation": lambda: _negation(marked, rng),
        "quote": lambda: _quote(marked, rng),
        "event-kind": lambda: _event_kind(marked, rng),
        "date": lambda: _date(marked, case, rng),
        "invented": lambda: _invented(marked, pool, rng),
    }
    out = []
    for kind, make in makers.items():
        made = make()
        if made is not None and plain(made) != plain(marked):
            out.append(Falsehood(kind, articles(plain(made)), case["evidence"]))
    return out + _wrong_item(marked, case, known, pool, rng)


def articles(text: str) -> str:
    """Return a text whose a and an fit the next word."""
    text = re.sub(r"\b([Aa])n? (?=[aeiou](?!se|ni))", r"\1n ", text, flags=re.IGNORECASE)
    return re.sub(r"\b([Aa])n (?=[^aeiouAEIOU\W])", r"\1 ", text)


def _marks(marked: str, letter: str) -> list[re.Match[str]]:
    return [m for m in MARK.finditer(marked) if m[1] == letter]


def _put(marked: str, match: re.Match[str], text: str) -> str:
    return marked[: match.start()] + text + marked[match.end() :]


def _entity(marked: str, case: Mapping[str, Any], known: str, pool: Pool, rng: random.Random) -> str | None:
    """Name a product that nobody mentioned, or change two of the events' items over."""
    found = _marks(marked, "e")
    swapped = _swapped(marked, found, case)
    if swapped and rng.random() < 0.5:
        return swapped
    if not found:
        return None
    match = rng.choice(found)
    return _put(marked, match, _name(match[3], known, pool, rng))


def _name(surface: str, known: str, pool: Pool, rng: random.Random) -> str:
    """Return the name of a product that shares no word with what is known, as long as the one it replaces."""
    free = [n for n in pool.names if not any(w in known for part in n for w in part.lower().split() if len(w) > 2)]
    brand, line, form = rng.choice(free)
    if surface.islower():
        return form.lower()
    return {1: line, 2: f"{brand} {form}"}.get(len(surface.split()), f"{brand} {line} {form}")


def _swapped(marked: str, found: Sequence[re.Match[str]], case: Mapping[str, Any]) -> str | None:
    events = [e for e in case["evidence"] if e["kind"] == "event"]
    first = {m[2]: m for m in reversed(found) if m[2] not in ("", "0")}
    if len(first) < 2:
        return None
    (a, left), (b, right) = sorted(first.items(), key=lambda pair: pair[1].start())[:2]
    one, other = events[int(a) - 1], events[int(b) - 1]
    kinds = one["event_kind"] != other["event_kind"] and len(_marks(marked, "v")) > 1
    months = _month(one["time"]) != _month(other["time"]) and len(_marks(marked, "d")) > 1
    if not kinds and not months:
        return None
    return (
        marked[: left.start()] + right[3] + marked[left.end() : right.start()] + left[3] + marked[right.end() :]
    )  # fmt: skip


def _attribute(marked: str, case: Mapping[str, Any], known: str, pool: Pool, rng: random.Random) -> str | None:
    """Change a value, wherever it is said, into another one of the same field."""
    found = _marks(marked, "a")
    fields = [e["field"] for e in case["evidence"] if e["kind"] == "attribute"]
    if not found or not fields:
        return None
    free = [v for v in pool.values[fields[0]] if not any(w in known for w in re.split(r"[\W_]+", v.lower()) if w)]
    value = rng.choice(free)
    value = value.lower() if found[0][3].islower() else value
    return MARK.sub(lambda m: value if m[1] == "a" else m[0], marked)


def _number(marked: str, rng: random.Random) -> str | None:
    found = _marks(marked, "n")
    if not found:
        return None
    match = rng.choice(found)
    surface = match[3]
    for word, different in words.NUMBERS:
        if re.search(rf"\b{word}\b", surface, re.IGNORECASE):
            return _put(marked, match, re.sub(rf"\b{word}\b", different, surface, flags=re.IGNORECASE))
    digits = re.search(r"\d+", surface)
    if digits is None:
        return None
    value = int(digits[0])
    before = marked[max(0, match.start() - 12) : match.start()].lower()
    exact = surface.strip() == digits[0] and not re.search(
        r"nearly|almost|about|around|some|roughly|over|than|close to", before
    )
    other = (
        rng.choice([n for n in (1, 2, 3, 4) if n != value]) if value <= 5
        else value + rng.choice([12, 23, 100, 37]) if exact
        else value * rng.choice([2, 3, 5]) + 10 * rng.randrange(5)
    )  # fmt: skip
    return _put(marked, match, surface.replace(digits[0], str(other)))


def _negation(marked: str, rng: random.Random) -> str | None:
    found = [m for m in MARK.finditer(marked) if m[1] in "vx" and words.negated(m[3], 0)]
    if not found:
        return None
    match = rng.choice(found)
    return _put(marked, match, str(words.negated(match[3], rng.randrange(3))))


def _quote(marked: str, rng: random.Random) -> str | None:
    """Change one word of a quote, put one in or leave one out."""
    found = _marks(marked, "q")
    if not found:
        return None
    match = rng.choice(found)
    parts = re.split(r"(\w[\w'’-]*)", match[3])
    places = [i for i in range(1, len(parts), 2) if len(parts[i]) > 2]
    place = rng.choice(places)
    way = rng.randrange(3)
    if way == 0:
        parts[place] = words.opposite(parts[place], rng)
    elif way == 1:
        parts[place] = rng.choice(["not ", "hardly ", "never ", "almost "]) + parts[place]
    else:
        inner = [i for i in places if 1 < i < len(parts) - 2] or places
        place = rng.choice(inner)
        parts[place : place + 2] = [""] if len(parts) > 5 else [words.opposite(parts[place], rng), parts[place + 1]]
    return _put(marked, match, re.sub(r"  +", " ", "".join(parts)))


def _event_kind(marked: str, rng: random.Random) -> str | None:
    found = [m for m in _marks(marked, "v") if m[3].lower() in words.OTHER_ACTS]
    if not found:
        return None
    match = rng.choice(found)
    other = rng.choice(words.OTHER_ACTS[match[3].lower()])
    return _put(marked, match, other[0].upper() + other[1:] if match[3][0].isupper() else other)


def _month(time: int) -> int:
    return int(words.day(time)[1])


def _date(marked: str, case: Mapping[str, Any], rng: random.Random) -> str | None:
    found = _marks(marked, "d")
    taken = {_month(e["time"]) for e in case["evidence"] if "time" in e}
    free = [name for number, name in enumerate(words.MONTHS, 1) if number not in taken]
    rng.shuffle(found)
    for match in found:
        for number, name in enumerate(words.MONTHS, 1):
            if not re.search(rf"\b{name}\b", match[3]):
                continue
            days = re.search(r"\b\d{1,2}\b", match[3])
            if days and rng.random() < 0.4:
                other = str(int(days[0]) % 28 + 1 + (number == 2 and int(days[0]) == 28))
                return _put(marked, match, match[3].replace(days[0], other, 1))
            return _put(marked, match, match[3].replace(name, rng.choice(free)))
    return None


def _invented(marked: str, pool: Pool, rng: random.Random) -> str:
    if rng.random() < 0.6:
        return f"{marked} {rng.choice(pool.invented['sentences'])}"
    end = re.search(r"[.!?”\"]*$", marked)
    assert end is not None
    return f"{marked[: end.start()]}{end[0].strip('.!?')}, {rng.choice(pool.invented['clauses'])}."


def _wrong_item(marked: str, case: Mapping[str, Any], known: str, pool: Pool, rng: random.Random) -> list[Falsehood]:
    """Leave the quote as it is, but let it be about another item: in the evidence, and in the text."""
    if not _marks(marked, "q"):
        return []
    brand, line, form = pool.names[rng.randrange(len(pool.names))]
    elsewhere = [
        {**e, "item_id": "elsewhere", "title": f"{brand} {line} {form}"} if e["kind"] == "review" else e
        for e in case["evidence"]
    ]
    out = [Falsehood("wrong-item", plain(marked), elsewhere)]
    events = [e for e in case["evidence"] if e["kind"] == "event"]
    quote = _marks(marked, "q")[0][3]
    other = _name("Three Word Name", known, pool, rng)
    if events:
        other = events[0]["title"].split(",")[0]
    about = rng.choice(
        ["A reviewer of the {} writes: {}", "About the {}, one buyer said: {}", "{1}, says a review of the {0}."]
    )
    return [*out, Falsehood("wrong-item", about.format(other, quote), case["evidence"])]


def spread(made: Sequence[Falsehood], most: int, rng: random.Random) -> list[Falsehood]:
    """Return at most ``most`` of each kind, without repeats."""
    unique = list({(m.kind, m.text): replace(m) for m in made}.values())
    rng.shuffle(unique)
    return [m for kind in KINDS for m in [u for u in unique if u.kind == kind][:most]]
