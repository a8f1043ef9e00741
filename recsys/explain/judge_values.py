"""Judges what is said to be of a value, and what items are said to share."""

from __future__ import annotations

from recsys.explain.findings import Judge, span
from recsys.explain.judge_context import denied
from recsys.explain.known import ItemId, Known
from recsys.explain.reading import Node


def judge_values(made: Judge) -> None:
    """What is said to be of a value has it; what is said to be shared is of both."""
    reading, known, grammar = made.reading, made.known, made.reading.language.grammar
    for node in reading.nodes:
        if node.kind != "item" or node.act is not None:
            continue
        k = node.start - 1
        while reading.low(k) in grammar["before_value"]:
            k -= 1
        linked = reading.low(k) in grammar["be"] or (reading.low(k) in grammar["made"] and k < node.start - 1)
        if not linked and not (k == node.start - 1 and reading.low(k) in grammar["holds"] and _item_at(made, k - 1)):
            continue
        if denied(made, node.start):
            made.no(node.start, "attribute", "the evidence does not say that it was not so")
        elif of_both(made, k, node.items):
            made.no(node.start, "comparison", f"not both are ({span(made, node.start, node.end)})")
        elif not _of(made, k, node) & node.items and not (known.rec in node.items and _article(made, node)):
            made.no(node.start, "attribute", f"this is not said of the item ({span(made, node.start, node.end)})")
    for sentence in {reading.sentence[n.start] for n in reading.nodes}:
        _shared(made, sentence, known)


def _item_at(made: Judge, k: int) -> bool:
    node = made.reading.node[k] if k >= 0 else None
    return (node is not None and node.kind == "item") or (
        k >= 0 and made.reading.low(k) in made.reading.language.grammar["it"]
    )


def of_both(made: Judge, k: int, holders: frozenset[ItemId]) -> bool:
    """Return whether "both" are said to have a value that only one of the items has."""
    reading, known = made.reading, made.known
    both = any(
        reading.low(m) in reading.language.grammar["both"] and reading.sentence[m] == reading.sentence[k]
        for m in range(max(0, k - 4), k)
    )
    return both and len(holders & {known.rec, *known.event_items()}) < 2


def _article(made: Judge, node: Node) -> bool:
    return made.reading.low(node.start - 1) in made.reading.language.grammar["articles"]


def _of(made: Judge, k: int, value: Node) -> frozenset[ItemId]:
    """Return what a value behind the verb at ``k`` is said of: the last item before it, else the recommended one."""
    reading = made.reading
    for back in range(k - 1, -1, -1):
        if reading.sentence[back] != reading.sentence[k]:
            break
        node = reading.node[back]
        if node is not None and node.kind == "item" and node is not value:
            return node.items
        if reading.has(back, "pronoun:rec"):
            break
    return frozenset((made.known.rec,))


def _shared(made: Judge, sentence: int, known: Known) -> None:
    """ "The same aluminium as your pencils": whatever else is named there has the value, too."""
    reading = made.reading
    nodes = [n for n in reading.in_sentence(sentence) if n.kind == "item"]
    inside = [k for k in range(len(reading.tokens)) if reading.sentence[k] == sentence]
    for k in inside:
        if not reading.has(k, "same") or reading.low(k) in reading.language.grammar["both"]:
            continue
        value = next((n for n in nodes if n.start == k + 1), None)
        if value is not None:
            if any(not n.items & value.items for n in nodes):
                made.no(k, "comparison", f"the items do not share this ({span(made, value.start, value.end)})")
        elif any(reading.any_of(m, "field:") for m in range(k + 1, k + 3) if m < len(reading.tokens)):
            _same_field(made, k, known)


def _same_field(made: Judge, k: int, known: Known) -> None:
    rec = known.sequences.get(known.rec, [])
    others = [s for item in known.event_items() for s in known.sequences.get(item, [])]
    if not any(set(a) & set(b) for a in rec for b in others):
        made.no(k, "comparison", "nothing that the items share is known")
