"""Finds what a text says that somebody did: the act, whose it is, with which items, and when."""

from __future__ import annotations

from recsys.explain.known import Known
from recsys.explain.reading import Node, Reading

_HARD = ";:(—"
_STOPS = ".!?;:"


def find_acts(reading: Reading, known: Known) -> None:
    """Add a node for every act that is claimed, with its items and dates."""
    for i, token in enumerate(reading.tokens):
        if reading.node[i] is not None or not token.word:
            continue
        name = reading.any_of(i, "act:")
        if name:
            name = _meant(reading, known, i, name)
        if name and (who := subject(reading, i, name)):
            end = i + 1
            while end < len(reading.tokens) and reading.categories[end] == {"inside"} and reading.node[end] is None:
                end += 1
            reading.add(Node("act", i, end, name=name, who=who))
    reading.nodes.sort(key=lambda node: node.start)
    for node in reading.nodes:
        if node.kind == "act" and node.who == "you":
            for item in objects(reading, node, known):
                item.act = node
    _bind_dates(reading, known)


def _meant(reading: Reading, known: Known, i: int, name: str) -> str:
    """Return which act a word means where it stands, "" where it is none: "like a tent", "you have looked at"."""
    low, words = reading.low(i), reading.language.grammar
    named = reading.categories[i]
    if low in words["never_acts"] or (low in words["needs_you"] and not _yours(reading, i)):
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
            _before(reading, i, "people:you") or (noun and _yours(reading, i)) or _before(reading, i, "people:crowd")
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


def _yours(reading: Reading, i: int) -> bool:
    """Return whether "you" or "your" stands closely before ``i``."""
    return any(reading.has(k, "people:you") and reading.low(k + 1) != "," for k in (i - 1, i - 2, i - 3, i - 4))


def _possessed(reading: Reading, i: int) -> bool:
    return any(reading.low(k) in reading.language.grammar["possessive"] for k in (i - 1, i - 2))


def _phrase_after(reading: Reading, i: int) -> bool:
    """Return whether "you have" only leads to another act: "have a look at", "have the earbuds in your cart"."""
    for k in range(i, min(i + 9, len(reading.tokens))):
        if reading.tokens[k].low in _STOPS or (reading.has(k, "people:you") and not reading.any_of(k, "act:")):
            return False
        other = reading.any_of(k, "act:")
        if other in ("cart", "view", "wish", "rate", "search", "like"):
            return True
    return False


def _before(reading: Reading, i: int, category: str) -> bool:
    """Return whether a word of a category stands before ``i``, with nothing but adverbs between."""
    between = reading.language.grammar["already"]
    k = i - 1
    while k >= 0 and (reading.low(k) in between or (reading.language.adverb and _adverb(reading, k))):
        k -= 1
    return reading.has(k, category)


def _adverb(reading: Reading, i: int) -> bool:
    return reading.low(i).endswith(reading.language.adverb) and len(reading.low(i)) > 4


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
    while k >= 0 and reading.tokens[k].low not in _STOPS:
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
    while k >= 0 and (reading.low(k) in words["already"] or _adverb(reading, k) or reading.low(k) in words["be"]):
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


def objects(reading: Reading, act: Node, known: Known) -> list[Node]:
    """Return the items that an act is said to have been done with; none where the text names none."""
    named = reading.low(act.start) in reading.language.grammar["nouns"]
    leads = (named or _possessed(reading, act.start)) and any(
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
            and not _adverb(reading, k)
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
                if out and (_own(reading, node) or (act.name not in ("buy", "own") and _yours(reading, node.start))):
                    break
                out.append(node)
            k = node.end
            continue
        if low and ((low in _STOPS and low != ":") or reading.has(k, "modal")):
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


def _bind_dates(reading: Reading, known: Known) -> None:
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
