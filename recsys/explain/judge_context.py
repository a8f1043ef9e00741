"""What the sentence around a word makes of it: whether it is denied, what it is about, whether it claims anything."""

from __future__ import annotations

from functools import lru_cache

from recsys.explain.findings import Judge
from recsys.explain.known import ItemId
from recsys.explanation import Evidence

_POSITIVE = 4.0  # a rating from here on is a good one
_SCOPE = 4


def reach(made: Judge, k: int) -> list[int]:
    """Return the places of the words that a negation at ``k`` denies."""
    out: list[int] = []
    for at in range(k + 1, len(made.reading.tokens)):
        token = made.reading.tokens[at]
        if token.low in ",.;:!?" or made.reading.sentence[at] != made.reading.sentence[k] or len(out) >= _SCOPE:
            break
        if out and token.low in made.reading.language.grammar["scope_ends"]:
            break
        if token.word and not made.reading.has(at, "function"):
            out.append(at)
    return out


def denied(made: Judge, at: int) -> bool:
    """Return whether a negation before ``at`` denies what stands there."""
    reading = made.reading
    for k in range(at - 1, max(-1, at - 6), -1):
        if reading.tokens[k].low in ".;:!?," or reading.tokens[k].quote:
            return False
        if reading.has(k, "negation") and reading.node[k] is None:
            return at in reach(made, k) or at - k <= 2
    return False


def target(made: Judge, at: int) -> frozenset[ItemId]:
    """Return the items that an opinion or quote at token ``at`` may be about."""
    reading, known, grammar = made.reading, made.known, made.reading.language.grammar
    nodes = [n for n in reading.in_sentence(reading.sentence[at]) if n.kind == "item"]
    for node in nodes:
        k = node.start - 1
        while reading.low(k) in grammar["determiners"] and reading.low(k) not in grammar["about"]:
            k -= 1
        if reading.low(k) in grammar["about"]:
            spoken = any(
                reading.has(m, "people:reviewer")
                or (reading.has(m, "speech") and reading.low(m) in grammar["opinions"])
                for m in range(max(0, k - 3), k)
            )
            if spoken or k == 0 or reading.sentence[k - 1] != reading.sentence[k]:
                return node.items
    topics = [
        n for n in nodes if n.act is None and reading.low(n.start - 1) not in grammar["aside"]
        and reading.low(n.start - 2) not in grammar["aside"]
    ]  # fmt: skip
    if topics:
        return min(topics, key=lambda n: abs(n.start - at)).items
    return frozenset((known.rec,))


def tells_opinion(made: Judge, at: int) -> bool:
    """Return whether the sentence tells what reviewers say."""
    reading = made.reading
    inside = [k for k in range(len(reading.tokens)) if reading.sentence[k] == reading.sentence[at]]
    if any(reading.tokens[k].quote for k in inside):
        return True
    spoken = any(reading.has(k, "speech") for k in inside)
    return any(reading.has(k, "people:reviewer") and (spoken or not reading.has(k, "people:crowd")) for k in inside)


def neutral(made: Judge, k: int) -> bool:
    """Return whether the word at ``k`` claims nothing by itself."""
    return _claims_nothing(made.reading.categories[k])


@lru_cache(maxsize=4096)
def _claims_nothing(named: frozenset[str]) -> bool:
    return bool(
        {"neutral", "function", "carrier", "modal", "came", "same", "speech"} & named
        or any(c.startswith(("pronoun:", "field:", "number:", "people:", "act:")) for c in named)
    )


def counts_people(made: Judge, k: int) -> bool:
    """Return whether a word as "every" or "many" counts people."""
    reading = made.reading
    if reading.low(k) in reading.language.grammar["everybody"]:
        return True
    return any(reading.has(m, c) for m in (k + 1, k + 2, k + 3) for c in ("people:crowd", "people:reviewer"))


def accepts(made: Judge, act: str, event: Evidence) -> bool:
    """Return whether an event is one of the acts that are called ``act``."""
    kinds = made.known.language.accepts.get(act, frozenset())
    if event.event_kind in kinds:
        return True
    return act == "like" and event.event_kind == "rating" and (stars_of(event) or 0) >= _POSITIVE


def stars_of(event: Evidence) -> float | None:
    """Return the stars of a rating, None where the event has none."""
    try:
        return float(event.value) if event.value is not None else None
    except ValueError:
        return None
