"""Judges what somebody is said to have done, with which item and when."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.explain.dates import recently
from recsys.explain.findings import ClaimKind, Judge, span
from recsys.explain.judge_context import accepts, denied, neutral, tells_opinion
from recsys.explain.reading import Node
from recsys.explain.tokens import stems_of
from recsys.explanation import Evidence


def judge_item(made: Judge, node: Node) -> None:
    """Two names side by side are one item's: among Acme boots and Beam lamps there is no "Acme lamp"."""
    reading, known = made.reading, made.known
    after = reading.node[node.end] if node.end < len(reading.tokens) else None
    if after is not None and after.kind == "item" and not after.items & node.items:
        made.no(node.start, "event", f"no item is called “{span(made, node.start, after.end)}”")
    elif node.act is None and not node.dates:
        used = [i for i, e in enumerate(known.evidence) if e.item_id in node.items]
        values = [i for i, e, stems in known.values if e.item_id in node.items and stems & set(node.stems)]
        if values:
            made.yes(node.start, "attribute", values)
        elif known.rec not in node.items:
            made.yes(node.start, "comparison", used[:1])
    elif node.act is None and known.rec not in node.items:
        _event(made, node.start, [e for e in known.events if e[1].item_id in node.items], None, node.dates, node)


def judge_act(made: Judge, node: Node) -> None:
    """Judge an act: whose it is, that it is not denied, and each item that it is said to have been done with."""
    known, reading = made.known, made.reading
    if node.who == "we":
        return
    if node.name == "search":
        _search(made, node)
        return
    if node.who in ("crowd", "reviewer"):
        _others(made, node)
        return
    if node.who == "kin":
        made.no(node.start, "event", "nothing is known of what others do")
        return
    if _beyond(made, node, "event"):
        return
    items = [n for n in reading.nodes if n.kind == "item" and n.act is node]
    if not items:
        _event(made, node.start, known.events, node, node.dates, None)
    for item in items:
        mine = [e for e in known.events if e[1].item_id in item.items]
        _event(made, node.start, mine, node, [*node.dates, *item.dates], item)


def _beyond(made: Judge, node: Node, kind: ClaimKind) -> bool:
    """Return whether an act is denied or told as a habit, which no evidence ever shows; that is then said."""
    if denied(made, node.start):
        made.no(node.start, kind, "the evidence does not say that it was not so")
        return True
    if _habit(made, node):
        made.no(node.start, kind, "it is not known how often")
        return True
    return False


def _habit(made: Judge, node: Node) -> bool:
    """Return whether an act is told as a habit: "you often search for"."""
    return any(made.reading.low(k) in made.reading.language.grammar["habits"] for k in (node.start - 1, node.start - 2))


def _event(
    made: Judge, at: int, events: Sequence[tuple[int, Evidence]], act: Node | None, dates: Sequence[Node],
    item: Node | None,
) -> None:  # fmt: skip
    """Look for an event of a kind, item and time among ``events``."""
    if not events:
        name = span(made, item.start, item.end) if item else "such an item"
        made.no(at, "event", f"no event with “{name}” is known")
        return
    if act is not None:
        events = [e for e in events if accepts(made, act.name, e[1])]
        if not events:
            made.no(at, "event", f"no event of this kind is known ({span(made, act.start, act.end)})")
            return
    timed = [
        e for e in events
        if not dates or (e[1].time is not None and all(d.when and d.when.holds(e[1].time, made.now) for d in dates))
    ]  # fmt: skip
    for date in dates:
        made.explained.add(id(date))
    if not timed:
        made.no(at, "time", f"the time is not that of the event ({span(made, dates[0].start, dates[0].end)})")
        return
    sentence = [k for k in range(len(made.reading.tokens)) if made.reading.sentence[k] == made.reading.sentence[at]]
    if any(made.reading.low(k) in made.reading.language.grammar["recent"] for k in sentence) and act is not None:
        timed = [e for e in timed if e[1].time is not None and recently(e[1].time, made.now)]
        if not timed:
            made.no(at, "time", "not known to be recent")
            return
    made.yes(at, "event", [timed[0][0]])


def _words_of(made: Judge, k: int) -> tuple[str, ...]:
    return stems_of(made.reading.tokens[k].low, made.known.language.locale)


def _search(made: Judge, node: Node) -> None:
    """A search is true when the words that follow are words of the query."""
    reading, known = made.reading, made.known
    if node.who in ("crowd", "reviewer", "we"):
        return
    if not known.query:
        made.no(node.start, "query", "no query is known")
        return
    if _beyond(made, node, "query"):
        return
    used: list[int] = []
    for k in range(node.end, len(reading.tokens)):
        low, stem = reading.low(k), reading.tokens[k].stem
        owner = reading.node[k]
        if reading.sentence[k] != reading.sentence[node.start]:
            break
        if reading.tokens[k].quote and owner is not None and not all(s in known.query for s in _words_of(made, k)):
            made.no(k, "query", f"this is not what was searched for ({reading.tokens[k].low})")
            return
        if (owner is not None and owner.kind in ("quote", "act")) or low in reading.language.grammar["ends_query"]:
            break
        if stem in known.query:
            used.append(known.query[stem])
        elif stem in known.everything and not neutral(made, k):
            made.no(k, "query", f"“{low}” is not in the query")
            return
    made.yes(node.start, "query", used or [next(iter(known.query.values()))])


def _others(made: Judge, node: Node) -> None:
    """What shoppers did is known as a number of them; what reviewers did, from what they write."""
    known = made.known
    opinion = tells_opinion(made, node.start)
    if opinion and known.quotes and node.name not in ("return", "dislike", "rate", "remove", "wish"):
        return
    if not known.popular:
        made.no(node.start, "count", "nothing is known about other shoppers")
        return
    if denied(made, node.start):
        made.no(node.start, "count", "the evidence does not say that it was not so")
        return
    for index, e in known.popular:
        liked = node.name == "like" and made.reading.low(node.start) in made.reading.language.grammar["like"]
        if (
            node.name == "choose"
            or liked
            or (e.event_kind and e.event_kind in known.language.accepts.get(node.name, ()))
        ):
            made.yes(node.start, "count", [index])
            return
    made.no(node.start, "count", "the number is not one of shoppers who did this")
