"""Phrases worth suggesting: from the catalogue, and from queries that enough shoppers typed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from recsys.dataset import ItemTable
from recsys.profile.sensitive import is_sensitive
from recsys.store.searches import query_key
from recsys.types import Search, utc

MAX_WORDS, MAX_CHARS = 5, 48
MAX_NGRAM = 4
MIN_PRODUCTS = 2  # that share a phrase of their titles: one alone could put any sentence into everybody's search box
SESSION_SECONDS = 30 * 60
MAX_TITLE_WORDS = 24
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_PARTS = re.compile(r"[^\w\s'’\-]+|\s[-–—]\s")
_LINKS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to", "with", "without")
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One text to suggest.

    ``kind``: "category", "brand", "brand-category", "value-category", "title" or "log". ``items`` have it in the
    catalogue, ``shoppers`` typed it.
    """

    text: str
    kind: str
    items: int = 0
    shoppers: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LogStats:
    """What the log says of all shoppers together; nothing that fewer than ``k`` of them did is in it.

    ``counts``: query -> shoppers who typed it. ``follows``: query key -> (next query, shoppers), most first.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    follows: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)


def words(text: str) -> list[str]:
    """Return the folded words of a text as one would type them: "chef's" is one."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).replace("’", "'").casefold())


def short(text: str) -> str:
    """Return a text as it would be typed: its folded words; "" when it is too long to be a query."""
    found = words(text[: 4 * MAX_CHARS])
    out = " ".join(found)
    return out if 0 < len(found) <= MAX_WORDS and 2 <= len(out) <= MAX_CHARS else ""


def catalogue_phrases(items: ItemTable) -> dict[str, Phrase]:
    """Return the phrases of the available items by text; of two kinds with one text the first found stays."""
    rows = [row for row in range(len(items)) if items.available[row]]
    kinds: list[tuple[str, Counter[str], int]] = [
        ("category", Counter(short(c) for row in rows for c in dict.fromkeys(items.categories[row])), 1),
        ("brand", Counter(short(items.brands[row]) for row in rows), 1),
        ("brand-category", Counter(t for row in rows for t in _brand_category(items, row)), 1),
        ("value-category", Counter(t for row in rows for t in dict.fromkeys(_value_category(items, row))), 1),
        ("title", _shared(items, rows), MIN_PRODUCTS),
    ]
    out: dict[str, Phrase] = {}
    for kind, counts, least in kinds:
        for text, n in counts.items():
            if text and n >= least and text not in out:
                out[text] = Phrase(text, kind, items=n)
    return out


def _shared(items: ItemTable, rows: Sequence[int]) -> Counter[str]:
    """Return in how many products' titles each phrase is; the variants of one product are one."""
    first: dict[str, str] = {}
    out: Counter[str] = Counter()
    for row in rows:
        product = items.parents[row] or f"\x00{row}"
        for text in dict.fromkeys(_ngrams(items.titles[row])):
            if first.setdefault(text, product) != product or text not in out:
                out[text] += 1
    return out


def leaf(items: ItemTable, row: int) -> str:
    """Return the name of the narrowest category of an item, "" without one."""
    return short(items.categories[row][-1]) if items.categories[row] else ""


def _brand_category(items: ItemTable, row: int) -> Iterator[str]:
    brand, category = short(items.brands[row]), leaf(items, row)
    if brand and category and brand not in category:
        yield short(f"{brand} {category}")


def _value_category(items: ItemTable, row: int) -> Iterator[str]:
    category = leaf(items, row)
    for value in items.attributes[row].values() if category else ():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and (text := short(one)) and len(text.split()) <= 2 and text not in category:
                yield short(f"{text} {category}")


def _ngrams(title: str) -> Iterator[str]:
    for part in _PARTS.split(title[:400]):
        found = words(part)[:MAX_TITLE_WORDS]
        for size in range(2, MAX_NGRAM + 1):
            for at in range(len(found) - size + 1):
                gram = found[at : at + size]
                # A phrase that begins or ends with a small word or a bare number is a torn one.
                if not any(w in _LINKS or w.isdigit() for w in (gram[0], gram[-1])):
                    yield short(" ".join(gram))


def log_stats(log: Iterable[tuple[str, Sequence[Search]]], k: int, vocabulary: Iterable[str] = ()) -> LogStats:
    """Return what at least ``k`` different shoppers typed, and typed one after the other within half an hour.

    Sensitive queries are left out: nobody is led to them. ``vocabulary`` are the words of the catalogue: a query is
    taken for a typo when one of its words is one edit away from a word there, without being in it.
    """
    typed: Counter[str] = Counter()
    spelled: dict[str, Counter[str]] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    for _, searches in log:
        mine: set[str] = set()
        mine_pairs: set[tuple[str, str]] = set()
        before: Search | None = None
        for search in searches:
            text = short(search.text)
            if not text:
                continue
            key = query_key(text)
            if key not in mine:
                spelled.setdefault(key, Counter())[text] += 1
            mine.add(key)
            if before is not None and utc(search.time or 0) - utc(before.time or 0) <= SESSION_SECONDS:
                mine_pairs.add((query_key(before.text), key))
            before = search
        typed.update(mine)
        pairs.update(p for p in mine_pairs if p[0] != p[1])
    known = set(vocabulary)
    shown: dict[str, str] = {}
    for key, n in typed.items():
        text = min(spelled[key], key=lambda t: (-spelled[key][t], t))
        if n >= k and not is_sensitive(text) and not any(is_typo(w, known) for w in text.split()):
            shown[key] = text
    follows: dict[str, list[tuple[str, int]]] = {}
    for (first, then), n in pairs.items():
        if n >= k and first in shown and then in shown:
            follows.setdefault(first, []).append((shown[then], n))
    for listed in follows.values():
        listed.sort(key=lambda pair: (-pair[1], pair[0]))
    return LogStats({text: typed[key] for key, text in shown.items()}, follows)


def is_typo(word: str, known: set[str]) -> bool:
    """Return whether a word is unknown but one edit away from a known one; digits and short words are what they are."""
    if len(word) < 4 or word in known or not word.isalpha():
        return False
    return any(other in known for other in edits(word))


def edits(word: str, letters: str = "abcdefghijklmnopqrstuvwxyz") -> Iterator[str]:
    """Yield what one edit makes of a word: two letters swapped, one left out, another one, or one more.

    The first letter stays: it is rarely mistyped, and keeping it halves the work.
    """
    for i in range(1, len(word) - 1):
        yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    for i in range(1, len(word)):
        yield word[:i] + word[i + 1 :]
    for i in range(1, len(word)):
        for c in letters:
            if c != word[i]:
                yield word[:i] + c + word[i + 1 :]
    for i in range(1, len(word) + 1):
        for c in letters:
            yield word[:i] + c + word[i:]
