"""Tells with which items something is said to have been done."""

from __future__ import annotations

from recsys.explain.act_words import STOPS, adverb, possessed, yours
from recsys.explain.known import Known
from recsys.explain.reading import Node, Reading


def objects(reading: Reading, act: Node, known: Known) -> list[Node]:
    """Return the items that an act is said to have been done with; none where the text names none."""
    named = reading.low(act.start) in reading.language.grammar["nouns"]
    leads = (named or possessed(reading, act.start)) and any(
        reading.low(k) in reading.language.grammar["after_noun"] for k in (act.end, act.end - 1)
    )
    before = _object_before(reading, act)
    if before is not None and not leads:
        return [before]
    after = _objects_after(reading, act, known)
    if after or act.name == "search":
        return after
    for node in reversed([n for n in reading.in_sentence(reading.sentence[act.start]) if n.start < act.start]):
        if (
            node.kind == "item"
            and node.act is None
            and node.items & known.event_items()
            and known.rec not in node.items
        ):
            return [node]
    return []


def _object_before(reading: Reading, act: Node) -> Node | None:
    """Find "the tent that you bought", "the tent, bought in May", "put the tent in your cart"."""
    between = reading.language.grammar["relative"]
    k = act.start - 1
    while k >= 0 and reading.sentence[k] == reading.sentence[act.start]:
        node = reading.node[k]
        if node is not None:
            if node.kind == "item":
                return node if act.name != "search" else None
            if node.kind not in ("number", "act", "when") or (node.kind == "act" and node.name != act.name):
                return None
            k = node.start - 1
            continue
        low = reading.low(k)
        if low == ",":
            if reading.has(k + 1, "people:you"):
                return None
        elif (
            low not in between
            and low != "("
            and low != "-"
            and not adverb(reading, k)
            and not reading.has(k, "carrier")
        ):
            return None
        k -= 1
    return None


def _objects_after(reading: Reading, act: Node, known: Known) -> list[Node]:
    """Find the items that follow an act: the nearest one, and what is joined to it."""
    grammar = reading.language.grammar
    out: list[Node] = []
    k, gap = act.end, 0
    while k < len(reading.tokens) and reading.sentence[k] == reading.sentence[act.start]:
        node = reading.node[k]
        low = reading.low(k)
        if node is not None:
            if node.kind == "act" and node.name != act.name:
                break
            if node.kind == "item":
                if not node.items & known.event_items() and not _claimed(reading, node, gap, bool(out)):
                    break
                if out and (_own(reading, node) or (act.name not in ("buy", "own") and yours(reading, node.start))):
                    break
                out.append(node)
            k = node.end
            continue
        if low and ((low in STOPS and low != ":") or reading.has(k, "modal")):
            break
        if out and low not in grammar["chain"]:
            break
        if low == "," and not out:
            gap += 3
        gap += low not in grammar["determiners"]
        k += 1
    return out


def _claimed(reading: Reading, node: Node, gap: int, joined: bool) -> bool:
    """Return whether an item that no event is about is yet the object: "you bought it and the Acme lamp in May"."""
    if _own(reading, node):
        return False
    if not joined:
        return gap <= 4
    k = node.start - 1
    while reading.low(k) in reading.language.grammar["determiners"]:
        k -= 1
    after = reading.node[node.end] if node.end < len(reading.tokens) else None
    ends = reading.low(node.end) in reading.language.grammar["ends_claim"] and (after is None or after.kind == "when")
    return ends and reading.low(k) in reading.language.grammar["and"] and reading.low(k - 1) != ","


def _own(reading: Reading, node: Node) -> bool:
    """Return whether an item is the recommended one by its article: "this tent"."""
    return any(reading.low(node.start - back) in reading.language.grammar["this"] for back in (1, 2, 3))
