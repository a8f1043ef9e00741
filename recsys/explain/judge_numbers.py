"""Judges numbers: of shoppers, stars, reviews, events and pieces."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.explain.findings import Judge, span
from recsys.explain.judge_context import accepts, stars_of
from recsys.explain.reading import Node


def judge_number(made: Judge, node: Node) -> None:
    """Judge what a number counts."""
    if _counts_nothing(made, node) or _of_title(made, node):
        return
    if _of_stars(made, node):
        _stars(made, node)
    elif _of_reviews(made, node):
        _reviews(made, node)
    elif not _events(made, node):
        _shoppers(made, node)


def _counts_nothing(made: Judge, node: Node) -> bool:
    reading = made.reading
    grammar = reading.language.grammar
    unit = reading.tokens[node.end].stem if node.end < len(reading.tokens) else ""
    if unit in reading.language.units and reading.low(node.end + 1) in grammar["before_after"]:
        return True  # "two days before Christmas": the time is judged by itself
    if reading.low(node.end) in grammar["generic"]:
        return True  # "two things"
    return (
        reading.low(node.start - 1) == "/" and reading.node[node.start - 2] is not None
    )  # "5/5": the first one counts


def _of_stars(made: Judge, node: Node) -> bool:
    reading = made.reading
    here = reading.sentence[node.start]
    reach = range(max(0, node.start - 3), min(len(reading.tokens), node.end + 4))
    near = [k for k in reach if reading.sentence[k] == here]
    rated = any(reading.any_of(k, "act:") == "rate" for k in near if k >= node.start - 2)
    return (
        rated or reading.low(node.end) == "/" or any(reading.low(k) in reading.language.grammar["stars"] for k in near)
    )


def _stars(made: Judge, node: Node) -> None:
    assert node.number is not None
    stars = [(i, stars_of(e)) for i, e in made.known.events if e.event_kind == "rating"]
    right = [i for i, value in stars if value is not None and node.number.holds(value)]
    _count(made, node, right, "the rating is not this")


def _of_reviews(made: Judge, node: Node) -> bool:
    reading = made.reading
    end = min(len(reading.tokens), node.end + 3)
    after = [k for k in range(node.end, end) if reading.sentence[k] == reading.sentence[node.start]]
    return any(reading.has(k, "people:reviewer") and not reading.has(k, "people:crowd") for k in after)


def _reviews(made: Judge, node: Node) -> None:
    assert node.number is not None
    reviews = {q.review: q.index for q in made.known.quotes}
    right = list(reviews.values()) if node.number.holds(len(reviews)) else []
    _count(made, node, right, "not so many reviews are known")


def _events(made: Judge, node: Node) -> bool:
    """Judge a number of events: "three tents", "those two purchases"; False when it counts none."""
    reading, known = made.reading, made.known
    assert node.number is not None
    after = reading.node[node.end] if node.end < len(reading.tokens) else None
    if after is not None and after.kind == "item" and after.items & known.event_items():
        same = [i for i, e in known.events if e.item_id in after.items]
        if known.rec in after.items and node.number.holds(len(after.items)):  # "the two aprons"
            made.yes(node.start, "comparison", same)
            return True
    elif after is not None and after.kind == "act" and after.who == "you":
        same = [i for i, e in known.events if accepts(made, after.name, e)]
    elif node.number.value == 2 and len(known.events) > 1 and not known.popular:
        made.yes(node.start, "comparison", [i for i, _ in known.events])
        return True
    else:
        return False
    _count(made, node, same if node.number.holds(len(same)) else [], "not so many events are known")
    return True


def _shoppers(made: Judge, node: Node) -> None:
    assert node.number is not None
    counts = [(i, e.count) for i, e in made.known.popular if e.count is not None]
    right = [i for i, count in counts if node.number.holds(count) and not _too_exact(made, node, count)]
    _count(made, node, right if _of_shoppers(made, node) else [], "the number is not known")


def _too_exact(made: Judge, node: Node, count: int) -> bool:
    """Return whether more is said of a round number than that there are at least so many: "exactly 10", "under 20".

    Counts of shoppers are rounded down: 10 are any number from 10 to 19.
    """
    assert node.number is not None
    reading = made.reading
    if len(str(count).rstrip("0")) > 1:
        return False
    if node.number.op in ("<", "-", "~"):
        return True
    near = [*range(node.start - 2, node.start), *range(node.end, node.end + 4)]
    exactly = reading.language.grammar["exactly"]
    return node.number.op == "=" and any(
        reading.low(k) in exactly or reading.has(k, "number:less") or reading.has(k, "number:about") for k in near
    )


def _of_title(made: Judge, node: Node) -> bool:
    """Return whether a number is one of a title: "forty-eight pencils" are pencils, 48."""
    reading, known = made.reading, made.known
    assert node.number is not None
    for k in range(node.end, min(node.end + 4, len(reading.tokens))):
        owner = reading.node[k]
        if owner is not None and owner.kind == "item":
            return any(str(node.number.value) in known.names.get(item, ()) for item in owner.items)
        if owner is not None or not reading.tokens[k].word:
            return False
    return False


def _of_shoppers(made: Judge, node: Node) -> bool:
    """Return whether a number counts shoppers: "40 of them chose it", and not "for people over 40"."""
    reading = made.reading
    if any(reading.any_of(k, "people:") in ("crowd", "reviewer") for k in (node.start - 1, node.start - 2)):
        return False
    near = [k for k in range(node.start - 6, node.end + 6) if 0 <= k < len(reading.tokens)]
    return any(reading.has(k, "people:crowd") or "act:choose" in reading.categories[k] for k in near)


def _count(made: Judge, node: Node, right: Sequence[int], reason: str) -> None:
    if right:
        made.yes(node.start, "count", right[:1])
    else:
        made.no(node.start, "count", f"{reason} ({span(made, node.start, node.end)})")
