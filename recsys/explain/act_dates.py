"""Gives every date to the act or item that it dates."""

from __future__ import annotations

from recsys.explain.known import Known
from recsys.explain.reading import Node, Reading


def bind_dates(reading: Reading, known: Known) -> None:
    """Give every date to the act or item that it dates."""
    grammar = reading.language.grammar
    for node in reading.nodes:
        if node.kind != "when":
            continue
        start = node.start - 1
        while reading.low(start) in grammar["before_date"]:
            start -= 1
        opens = start < 0 or reading.low(start) in (",", ".", ";", ":", "(", "—", "!", "?", *grammar["and"])
        earlier = _anchors(reading, node, start, -1, bool(known.novel))
        later = _anchors(reading, node, node.end, 1, bool(known.novel))
        if reading.low(start) == "(" and start > 0:
            inside = reading.node[start - 1]
            earlier = inside if inside is not None and inside.kind == "item" else earlier
        after = node.end + (reading.low(node.end) == ",")
        leads = later is not None and ((opens and reading.has(after, "people:you")) or later.start == node.end)
        chosen = later if leads else earlier or later
        if chosen is not None:
            chosen.dates.append(node)
            if chosen.kind == "item":
                _share_date(reading, chosen, node)


def _anchors(reading: Reading, date: Node, k: int, step: int, novel: bool) -> Node | None:
    """Return the nearest act or item of the same sentence on one side of a date."""
    while 0 <= k < len(reading.tokens) and reading.sentence[k] == reading.sentence[date.start]:
        node = reading.node[k]
        if node is not None and node.kind in ("act", "item") and (node.kind == "item" or node.who == "you"):
            return node
        if reading.low(k) in ";(" and reading.low(k):
            return None
        if step < 0 and novel and reading.has(k, "came"):
            return None
        k += step
    return None


def _share_date(reading: Reading, item: Node, date: Node) -> None:
    """A date behind several items of one act is the date of all that have none of their own."""
    if item.act is None:
        return
    joined = [n for n in reading.nodes if n.kind == "item" and n.act is item.act and n.start < item.start]
    for other in reversed(joined):
        if other.dates:
            return
        other.dates.append(date)
