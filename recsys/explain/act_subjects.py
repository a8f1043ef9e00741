"""Tells who did something: the shopper, other shoppers, reviewers, somebody else, or nobody yet."""

from __future__ import annotations

from recsys.explain.act_words import STOPS, adverb
from recsys.explain.reading import Reading


def subject(reading: Reading, i: int, name: str) -> str:
    """Return who did the act at ``i``: "you", "crowd", "reviewer" or "we"; "" where nobody is said to have done it."""
    words = reading.language.grammar
    if name in ("cart", "wish") or _with_your(reading, i):
        return "you"
    if _hypothetical(reading, i):
        return ""
    by = i + 1
    while reading.categories[by : by + 1] == [frozenset(("inside",))]:
        by += 1
    if reading.low(by) in words["by"]:
        who = _person(reading, by + 1, 4)
        if who:
            return who
    past = _past(reading, i)
    noun = reading.low(i) in words["nouns"] or name == "rate"
    k = i - 1
    while k >= 0 and reading.tokens[k].low not in STOPS:
        for person in ("kin", "you", "reader", "we", "reviewer", "crowd"):
            if reading.low(k - 1) in words["not_subject"] and reading.low(k) in words["you"]:
                continue
            if reading.has(k, f"people:{person}") and reading.node[k] is None:
                return _who(reading, i, k, person, past, noun)
        k -= 1
    if reading.low(i) in words["noun_claims"]:
        return "you"
    if name in ("choose", "interest") or not past:
        return ""
    return "you"


def _with_your(reading: Reading, i: int) -> bool:
    """Return whether a phrase says itself whose act it is: "in your order"."""
    k = i + 1
    while k < len(reading.tokens) and "inside" in reading.categories[k]:
        if reading.low(k) in reading.language.raw["people"]["you"]:
            return True
        k += 1
    return False


def _who(reading: Reading, i: int, k: int, person: str, past: bool, noun: bool) -> str:
    """Return whose act stands at ``i`` when ``person`` at ``k`` is the nearest before it."""
    if person == "kin" and reading.low(k + 1) not in (reading.low(i), *reading.language.grammar["already"]):
        return "you" if past else ""
    if person == "reader":
        if reading.has(k, "people:reviewer") and _speaks(reading, i):
            return "reviewer"
        return "you" if past or i - k <= 3 else ""
    if person == "you":
        if reading.low(k - 1) in reading.language.grammar["if"] and not past:
            return ""
        near = all(reading.low(m) != "," or reading.node[m] is not None for m in range(k + 1, i))
        own = i - k <= 4 and all(reading.node[m] is None for m in range(k + 1, i) if not _number(reading, m))
        return "you" if past or (noun and own) or (near and i - k <= 3) else ""
    return person


def _number(reading: Reading, i: int) -> bool:
    node = reading.node[i]
    return node is not None and node.kind in ("number", "when", "act")


def _speaks(reading: Reading, i: int) -> bool:
    """Return whether somebody who did something goes on to tell of it: "someone who owns it reports"."""
    for k in range(i + 1, min(i + 6, len(reading.tokens))):
        if not reading.tokens[k].word:
            return False
        if reading.has(k, "speech"):
            return True
    return False


def _person(reading: Reading, i: int, reach: int) -> str:
    for k in range(i, min(i + reach, len(reading.tokens))):
        for person in ("you", "we", "crowd", "reviewer"):
            if reading.has(k, f"people:{person}"):
                return person
    return ""


def _hypothetical(reading: Reading, i: int) -> bool:
    """Return whether an act is only possible: "may like", "to look at"."""
    words = reading.language.grammar
    k = i - 1
    if reading.language.verb_last:
        while k >= 0 and (reading.tokens[k].word or reading.tokens[k].quote):
            if reading.has(k, "modal"):
                return True
            k -= 1
        return False
    while k >= 0 and (reading.low(k) in words["already"] or adverb(reading, k) or reading.low(k) in words["be"]):
        k -= 1
    if k < 0 or reading.node[k] is not None:
        return False
    if reading.has(k, "modal"):
        return not _past(reading, i) or reading.low(i - 1) in words["be"]
    return reading.low(k) in words["infinitive"] and not _past(reading, i) and reading.low(i) not in words["nouns"]


def _past(reading: Reading, i: int) -> bool:
    """Return whether a word tells of what was done: "bought", "viewing", and not "buy"."""
    low, words = reading.low(i), reading.language.grammar
    return low in words["past"] or any(low.endswith(end) and len(low) > len(end) + 1 for end in words["endings"])
