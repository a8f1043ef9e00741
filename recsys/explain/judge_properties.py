"""Judges words that tell what something is like, where they are said of an item."""

from __future__ import annotations

from recsys.explain.findings import Judge
from recsys.explain.judge_values import of_both
from recsys.explain.known import ItemId, Known


def _manner(made: Judge, k: int) -> bool:
    """Return whether an adverb tells how something works: "dries quickly", and not "could easily"."""
    reading, grammar = made.reading, made.reading.language.grammar
    if reading.low(k) not in grammar["manners"]:
        return False
    return not any(
        reading.low(m) in grammar["possible"] and reading.sentence[m] == reading.sentence[k] for m in range(k)
    )


def _titled(made: Judge, k: int) -> bool:
    known, stem = made.known, made.reading.tokens[k].stem
    return stem in known.query or (stem in known.names.get(known.rec, ()) and not of_both(made, k, _items(known, stem)))


def _items(known: Known, stem: str) -> frozenset[ItemId]:
    return frozenset(item for item, names in known.names.items() if stem in names)


def _of_item(made: Judge, k: int) -> bool:
    """Return whether a property is said of an item: "it is quick", "found them warm", "the original cable"."""
    reading, grammar = made.reading, made.reading.language.grammar
    after = reading.node[k + 1] if k + 1 < len(reading.tokens) else None
    if after is not None and after.kind == "item":
        return True
    back = k - 1
    while back >= 0 and reading.node[back] is None and (_beside(made, back)):
        back -= 1
    if _subject_item(made, back):  # "found them warm"
        return True
    if reading.low(back) not in grammar["be"] and not reading.has(back, "seems"):
        return False
    if after is None and reading.has(k + 1, "neutral") and not reading.has(k + 1, "property"):
        return False  # "it is a natural step"
    return _subject_item(made, back - 1)


def _beside(made: Judge, k: int) -> bool:
    """Return whether a word may stand between a verb and the property that it links: "is also very", "quick and"."""
    reading, grammar = made.reading, made.reading.language.grammar
    return (
        reading.has(k, "property")
        or reading.low(k) in grammar["already"]
        or reading.low(k) in grammar["degree"]
        or (len(reading.low(k)) > 4 and reading.low(k).endswith(reading.language.adverb))
    )


def _subject_item(made: Judge, k: int) -> bool:
    """Return whether an item, or a word for one, stands at ``k``."""
    if k < 0:
        return False
    node = made.reading.node[k]
    return (node is not None and node.kind == "item") or made.reading.low(k) in made.reading.language.grammar["it"]
