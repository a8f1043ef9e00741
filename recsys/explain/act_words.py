"""Tells which words are acts where they stand: "you have looked at", and not "like a tent"."""

from __future__ import annotations

from recsys.explain.known import Known
from recsys.explain.reading import Reading

STOPS = ".!?;:"


def meant(reading: Reading, known: Known, i: int, name: str) -> str:
    """Return which act a word means where it stands, "" where it is none: "like a tent", "you have looked at"."""
    low, words = reading.low(i), reading.language.grammar
    named = reading.categories[i]
    if low in words["never_acts"] or (low in words["needs_you"] and not yours(reading, i)):
        return ""
    if name == "search" and low in words["needs_query"] and not known.query:
        return ""
    if _commanded(reading, i):
        return ""
    back = reading.node[i - 1] if i else None
    if back is not None and back.kind == "when" and low in words["saw"]:
        return ""  # "April saw its arrival"
    if name == "buy" and low in words["got"] and _phrase_after(reading, i + 1):
        return ""
    if name == "own" and low in words["having"]:
        return ""
    if name == "own" and low in words["have"]:
        if not _before(reading, i, "people:you"):
            return ""
        after = i + 1
        while reading.low(after) in words["already"]:
            after += 1
        token = reading.node[after] if after < len(reading.tokens) else None
        holds = (token is not None and token.kind in ("item", "number")) or reading.low(after) in words["determiners"]
        return name if holds and not _phrase_after(reading, after) else ""
    if name == "like" and low in words["like"]:
        noun = reading.low(i - 1) in words["articles"]
        claims = (
            _before(reading, i, "people:you") or (noun and yours(reading, i)) or _before(reading, i, "people:crowd")
        )
        return name if claims and not _wishes(reading, i) else ""
    if len(named) > 1 and "popularity" in named and not _before(reading, i, "people:you"):
        return ""
    return name


def _commanded(reading: Reading, i: int) -> bool:
    """Return whether the text asks for an act instead of telling of it: "have a look at", "take a peek at"."""
    k = i - 1
    while k >= 0 and reading.low(k) in reading.language.grammar["asks_between"]:
        k -= 1
    return k < i - 1 and reading.low(k + 1) in reading.language.grammar["asks"] and reading.low(k) in ("", *",.;:!?—")


def _wishes(reading: Reading, i: int) -> bool:
    """Return whether "like" goes on with a verb: "you like to draw"."""
    return reading.low(i - 1) not in reading.language.grammar["articles"] and (
        reading.low(i + 1) in reading.language.grammar["infinitive"]
    )


def yours(reading: Reading, i: int) -> bool:
    """Return whether "you" or "your" stands closely before ``i``."""
    return any(reading.has(k, "people:you") and reading.low(k + 1) != "," for k in (i - 1, i - 2, i - 3, i - 4))


def possessed(reading: Reading, i: int) -> bool:
    """Return whether "your" stands closely before ``i``."""
    return any(reading.low(k) in reading.language.grammar["possessive"] for k in (i - 1, i - 2))


def _phrase_after(reading: Reading, i: int) -> bool:
    """Return whether "you have" only leads to another act: "have a look at", "have the earbuds in your cart"."""
    for k in range(i, min(i + 9, len(reading.tokens))):
        if reading.tokens[k].low in STOPS or (reading.has(k, "people:you") and not reading.any_of(k, "act:")):
            return False
        other = reading.any_of(k, "act:")
        if other in ("cart", "view", "wish", "rate", "search", "like"):
            return True
    return False


def _before(reading: Reading, i: int, category: str) -> bool:
    """Return whether a word of a category stands before ``i``, with nothing but adverbs between."""
    between = reading.language.grammar["already"]
    k = i - 1
    while k >= 0 and (reading.low(k) in between or (reading.language.adverb and adverb(reading, k))):
        k -= 1
    return reading.has(k, category)


def adverb(reading: Reading, i: int) -> bool:
    """Return whether token ``i`` ends as adverbs do."""
    return reading.low(i).endswith(reading.language.adverb) and len(reading.low(i)) > 4
