"""Holds what a text names against the evidence: acts, times, numbers, quotes, values, and every word beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from recsys.explain.acts import find_acts
from recsys.explain.dates import recently
from recsys.explain.known import ItemId, Known, Quote, quoted
from recsys.explain.reading import Node, Reading, read
from recsys.explanation import Evidence

ClaimKind = Literal["event", "attribute", "quote", "opinion", "count", "time", "comparison", "query", "filler"]
_POSITIVE = 4.0  # a rating from here on is a good one
_SCOPE = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out at token ``at``: a claim of a kind, and the evidence for it or the reason against it."""

    at: int
    kind: ClaimKind
    reason: str = ""
    evidence: tuple[int, ...] = ()


@dataclass(slots=True)
class Judge:
    """Judges one text; the findings are in no order."""

    known: Known
    reading: Reading
    now: int | None
    findings: list[Finding] = field(default_factory=list)
    explained: set[int] = field(default_factory=set)

    def no(self, at: int, kind: ClaimKind, reason: str) -> None:
        """Note a claim that nothing supports."""
        self.findings.append(Finding(at, kind, reason))

    def yes(self, at: int, kind: ClaimKind, evidence: Sequence[int] = ()) -> None:
        """Note a claim and what supports it."""
        self.findings.append(Finding(at, kind, "", tuple(evidence)))


def judge(text: str, known: Known, now: int | None) -> Judge:
    """Return the findings about every claim of ``text``."""
    reading = read(text, known)
    find_acts(reading, known)
    made = Judge(known, reading, now)
    for node in reading.nodes:
        if node.kind == "item":
            _item(made, node)
        elif node.kind == "act":
            _act(made, node)
        elif node.kind == "number":
            _number(made, node)
        elif node.kind == "quote":
            _quote(made, node)
    _dates(made)
    _values(made)
    _words(made)
    return made


# Items and acts


def _item(made: Judge, node: Node) -> None:
    """Two names side by side are one item's: among Acme boots and Beam lamps there is no "Acme lamp"."""
    reading, known = made.reading, made.known
    after = reading.node[node.end] if node.end < len(reading.tokens) else None
    if after is not None and after.kind == "item" and not after.items & node.items:
        made.no(node.start, "event", f"no item is called “{_span(made, node.start, after.end)}”")
    elif node.act is None and not node.dates:
        used = [i for i, e in enumerate(known.evidence) if e.item_id in node.items]
        values = [i for i, e, stems in known.values if e.item_id in node.items and stems & set(node.stems)]
        if values:
            made.yes(node.start, "attribute", values)
        elif known.rec not in node.items:
            made.yes(node.start, "comparison", used[:1])
    elif node.act is None and known.rec not in node.items:
        _event(made, node.start, [e for e in known.events if e[1].item_id in node.items], None, node.dates, node)


def _act(made: Judge, node: Node) -> None:
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
    if _denied(made, node.start):
        made.no(node.start, "event", "the evidence does not say that it was not so")
        return
    items = [n for n in reading.nodes if n.kind == "item" and n.act is node]
    if not items:
        _event(made, node.start, known.events, node, node.dates, None)
    for item in items:
        mine = [e for e in known.events if e[1].item_id in item.items]
        _event(made, node.start, mine, node, [*node.dates, *item.dates], item)


def _event(
    made: Judge, at: int, events: Sequence[tuple[int, Evidence]], act: Node | None, dates: Sequence[Node],
    item: Node | None,
) -> None:  # fmt: skip
    """Look for an event of a kind, item and time among ``events``."""
    if not events:
        name = _span(made, item.start, item.end) if item else "such an item"
        made.no(at, "event", f"no event with “{name}” is known")
        return
    if act is not None:
        events = [e for e in events if _accepts(made, act.name, e[1])]
        if not events:
            made.no(at, "event", f"no event of this kind is known ({_span(made, act.start, act.end)})")
            return
    timed = [
        e for e in events
        if not dates or (e[1].time is not None and all(d.when and d.when.holds(e[1].time, made.now) for d in dates))
    ]  # fmt: skip
    for date in dates:
        made.explained.add(id(date))
    if not timed:
        made.no(at, "time", f"the time is not that of the event ({_span(made, dates[0].start, dates[0].end)})")
        return
    sentence = [k for k in range(len(made.reading.tokens)) if made.reading.sentence[k] == made.reading.sentence[at]]
    if any(made.reading.low(k) in made.reading.language.grammar["recent"] for k in sentence) and act is not None:
        timed = [e for e in timed if e[1].time is not None and recently(e[1].time, made.now)]
        if not timed:
            made.no(at, "time", "not known to be recent")
            return
    made.yes(at, "event", [timed[0][0]])


def _accepts(made: Judge, act: str, event: Evidence) -> bool:
    kinds = made.known.language.accepts.get(act, frozenset())
    if event.event_kind in kinds:
        return True
    return act == "like" and event.event_kind == "rating" and (_stars(event) or 0) >= _POSITIVE


def _stars(event: Evidence) -> float | None:
    try:
        return float(event.value) if event.value is not None else None
    except ValueError:
        return None


def _search(made: Judge, node: Node) -> None:
    """A search is true when the words that follow are words of the query."""
    reading, known = made.reading, made.known
    if node.who in ("crowd", "reviewer", "we"):
        return
    if not known.query:
        made.no(node.start, "query", "no query is known")
        return
    if _denied(made, node.start):
        made.no(node.start, "query", "the evidence does not say that it was not so")
        return
    used: list[int] = []
    for k in range(node.end, len(reading.tokens)):
        low, stem = reading.low(k), reading.tokens[k].stem
        owner = reading.node[k]
        if (owner is not None and owner.kind in ("quote", "act")) or low in reading.language.grammar["ends_query"]:
            break
        if reading.sentence[k] != reading.sentence[node.start]:
            break
        if stem in known.query:
            used.append(known.query[stem])
        elif stem in known.everything and not _neutral(made, k):
            made.no(k, "query", f"“{low}” is not in the query")
            return
    made.yes(node.start, "query", used or [next(iter(known.query.values()))])


def _others(made: Judge, node: Node) -> None:
    """What shoppers did is known as a number of them; what reviewers did, from what they write."""
    known = made.known
    opinion = _opinion(made, node.start)
    if opinion and known.quotes and node.name not in ("return", "dislike", "rate", "remove", "wish"):
        return
    if not known.popular:
        made.no(node.start, "count", "nothing is known about other shoppers")
        return
    if _denied(made, node.start):
        made.no(node.start, "count", "the evidence does not say that it was not so")
        return
    for index, e in known.popular:
        if node.name == "choose" or (e.event_kind and e.event_kind in known.language.accepts.get(node.name, ())):
            made.yes(node.start, "count", [index])
            return
    made.no(node.start, "count", "the number is not one of shoppers who did this")


# Numbers and times


def _number(made: Judge, node: Node) -> None:
    reading, known = made.reading, made.known
    assert node.number is not None
    unit = reading.tokens[node.end].stem if node.end < len(reading.tokens) else ""
    if unit in reading.language.units and reading.low(node.end + 1) in reading.language.grammar["before_after"]:
        return  # "two days before Christmas": the time is judged by itself
    if reading.low(node.end) in reading.language.grammar["generic"]:
        return  # "two things"
    if reading.low(node.start - 1) == "/" and reading.node[node.start - 2] is not None:
        return  # "5/5": the first one counts
    near = range(max(0, node.start - 3), min(len(reading.tokens), node.end + 4))
    if _of_title(made, node):
        return
    rated = any(reading.any_of(k, "act:") == "rate" for k in (*range(node.start - 2, node.end + 4),) if k >= 0)
    if rated or reading.low(node.end) == "/" or any(reading.low(k) in reading.language.grammar["stars"] for k in near):
        stars = [(i, _stars(e)) for i, e in known.events if e.event_kind == "rating"]
        right = [i for i, value in stars if value is not None and node.number.holds(value)]
        _count(made, node, right, "the rating is not this")
        return
    if any(
        reading.has(k, "people:reviewer") and not reading.has(k, "people:crowd") for k in range(node.end, node.end + 3)
    ):
        reviews = {q.review: q.index for q in known.quotes}
        _count(
            made,
            node,
            list(reviews.values()) if node.number.holds(len(reviews)) else [],
            "not so many reviews are known",
        )
        return
    after = reading.node[node.end] if node.end < len(reading.tokens) else None
    if after is not None and after.kind == "item" and after.items & known.event_items():
        same = [i for i, e in known.events if e.item_id in after.items]
        if known.rec in after.items and node.number.holds(len(after.items)):  # "the two aprons"
            made.yes(node.start, "comparison", same)
            return
        _count(made, node, same if node.number.holds(len(same)) else [], "not so many events are known")
        return
    if after is not None and after.kind == "act" and after.who == "you":  # "those two purchases"
        same = [i for i, e in known.events if _accepts(made, after.name, e)]
        _count(made, node, same if node.number.holds(len(same)) else [], "not so many events are known")
        return
    if node.number.value == 2 and len(known.events) > 1 and not known.popular:
        made.yes(node.start, "comparison", [i for i, _ in known.events])
        return
    right = [i for i, e in known.popular if e.count is not None and node.number.holds(e.count)]
    _count(made, node, right if _of_shoppers(made, node) else [], "the number is not known")


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
        made.no(node.start, "count", f"{reason} ({_span(made, node.start, node.end)})")


def _dates(made: Judge) -> None:
    """Times that belong to no act are those at which the recommended item came in."""
    for node in made.reading.nodes:
        if node.kind != "when" or id(node) in made.explained or node.when is None:
            continue
        owners = [n for n in made.reading.nodes if node in n.dates]
        if owners and owners[0].kind == "item" and made.known.rec not in owners[0].items:
            continue  # judged with its item
        right = [i for i, e in made.known.novel if e.time is not None and node.when.holds(e.time, made.now)]
        if not right and owners and owners[0].kind == "item":
            mine = [(i, e) for i, e in made.known.events if e.item_id in owners[0].items]
            right = [i for i, e in mine if e.time is not None and node.when.holds(e.time, made.now)]
        today = node.when.days == 0 and (not owners or owners[0].kind == "item")  # "today: ink"
        if right or today:
            made.yes(node.start, "time", right[:1])
        else:
            made.no(node.start, "time", f"the time is not known ({_span(made, node.start, node.end)})")


# Quotes and opinions


def _quote(made: Judge, node: Node) -> None:
    known, reading = made.known, made.reading
    text = reading.tokens[node.start].low
    stems = _stems(made, text)
    titled = known.titled(stems) if stems else frozenset[str]()
    if titled:
        node.items = titled
        if all(s in known.query for s in stems):
            made.yes(node.start, "query", [known.query[s] for s in stems])
        else:
            made.yes(node.start, "attribute", [i for i, e in enumerate(known.evidence) if e.item_id in titled][:1])
        return
    if stems and known.query and all(s in known.query for s in stems):
        made.yes(node.start, "query", [known.query[s] for s in stems])
        return
    found = [q for q in known.quotes if quoted(text, q, known.language)]
    if not found:
        made.no(node.start, "quote", "no review says so in these words")
        return
    target = _target(made, node.start)
    right = [q for q in found if q.item in target]
    if right:
        made.yes(node.start, "quote", [right[0].index])
    else:
        made.no(node.start, "quote", "the review is about another item")


def _stems(made: Judge, text: str) -> tuple[str, ...]:
    from recsys.explain.tokens import stems_of

    return stems_of(text, made.known.language.locale)


def _target(made: Judge, at: int) -> frozenset[ItemId]:
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


def _opinion(made: Judge, at: int) -> bool:
    """Return whether the sentence tells what reviewers say."""
    reading = made.reading
    inside = [k for k in range(len(reading.tokens)) if reading.sentence[k] == reading.sentence[at]]
    if any(reading.tokens[k].quote for k in inside):
        return True
    spoken = any(reading.has(k, "speech") for k in inside)
    return any(reading.has(k, "people:reviewer") and (spoken or not reading.has(k, "people:crowd")) for k in inside)


# Values, and words of no node


def _values(made: Judge) -> None:
    """What is said to be of a value has it; what is said to be shared is of both."""
    reading, known, grammar = made.reading, made.known, made.reading.language.grammar
    for node in reading.nodes:
        if node.kind != "item" or node.act is not None:
            continue
        k = node.start - 1
        while reading.low(k) in grammar["before_value"]:
            k -= 1
        if reading.low(k) not in grammar["be"] and not (reading.low(k) in grammar["made"] and k < node.start - 1):
            continue
        if _denied(made, node.start):
            made.no(node.start, "attribute", "the evidence does not say that it was not so")
        elif _of_both(made, k, node.items):
            made.no(node.start, "comparison", f"not both are ({_span(made, node.start, node.end)})")
        elif not _of(made, k, node) & node.items and not (known.rec in node.items and _article(made, node)):
            made.no(node.start, "attribute", f"this is not said of the item ({_span(made, node.start, node.end)})")
    for sentence in {reading.sentence[n.start] for n in reading.nodes}:
        _shared(made, sentence, known)


def _of_both(made: Judge, k: int, holders: frozenset[ItemId]) -> bool:
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
                made.no(k, "comparison", f"the items do not share this ({_span(made, value.start, value.end)})")
        elif any(reading.any_of(m, "field:") for m in range(k + 1, k + 3) if m < len(reading.tokens)):
            _same_field(made, k, known)


def _same_field(made: Judge, k: int, known: Known) -> None:
    rec = known.sequences.get(known.rec, [])
    others = [s for item in known.event_items() for s in known.sequences.get(item, [])]
    if not any(set(a) & set(b) for a in rec for b in others):
        made.no(k, "comparison", "nothing that the items share is known")


def _words(made: Judge) -> None:
    """Every word beside is one that claims nothing, or one of a cited review."""
    reading = made.reading
    for k, token in enumerate(reading.tokens):
        if token.low in "\"'" and not token.quote and not (k and token.start == reading.tokens[k - 1].end):
            made.no(k, "quote", "a quote that does not end")
        if reading.node[k] is not None or not token.word:
            continue
        named = reading.categories[k]
        if "idiom" in named or named == {"inside"}:
            continue
        if "negation" in named:
            _negation(made, k)
        elif not _review_word(made, k):
            _plain_word(made, k)
        if _compound(made, k):
            made.no(k, "attribute", f"nothing in the evidence says this ({_span(made, k, k + 3)})")


def _compound(made: Judge, k: int) -> bool:
    """Return whether two words that claim nothing by themselves are joined to one that may: "travel-sized"."""
    reading = made.reading
    if reading.low(k + 1) != "-" or k + 2 >= len(reading.tokens):
        return False
    first, mark, second = reading.tokens[k : k + 3]
    if first.end != mark.start or second.start != mark.end or reading.node[k + 2] is not None or not second.word:
        return False
    plain = {"neutral", "setting"}
    if not (plain & reading.categories[k] and plain & reading.categories[k + 2]):
        return False
    return f"{first.low} {second.low}" not in reading.language.grammar["compounds"]


def _negation(made: Judge, k: int) -> None:
    """A negation is true when a cited review denies the same; acts and values judge their own."""
    reach = _reach(made, k)
    twice = any(made.reading.has(at, "negation") for at in reach)
    if not twice and any(_review_of(made, at, denied=True) is not None for at in reach):
        return
    if not any(f.reason and f.at in reach for f in made.findings):
        made.no(k, "opinion", "the evidence does not say that it was not so")


def _reach(made: Judge, k: int) -> list[int]:
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


def _denied(made: Judge, at: int) -> bool:
    """Return whether a negation before ``at`` denies what stands there."""
    reading = made.reading
    for k in range(at - 1, max(-1, at - 6), -1):
        if reading.tokens[k].low in ".;:!?," or reading.tokens[k].quote:
            return False
        if reading.has(k, "negation") and reading.node[k] is None:
            return at in _reach(made, k) or at - k <= 2
    return False


def _review_of(made: Judge, k: int, denied: bool) -> Quote | None:
    """Return the cited review, of the item that is spoken of, that says or denies the word at ``k``."""
    stem = made.reading.tokens[k].stem
    for quote in made.known.quotes:
        if stem in (quote.denied if denied else quote.said):
            return quote if quote.item in _target(made, k) else None
    return None


def _review_word(made: Judge, k: int) -> bool:
    """Judge a word of a cited review; False when it is none, or stands there for nothing in particular."""
    reading = made.reading
    if reading.has(k, "function") or not made.known.quotes:
        return False
    denied = _denied(made, k)
    if (quote := _review_of(made, k, denied)) is not None:
        made.yes(k, "opinion", [quote.index])
        return True
    if _neutral(made, k) and not denied:
        return False
    if _review_of(made, k, not denied) is not None:
        made.no(k, "opinion", f"the review says the opposite ({reading.low(k)})")
        return True
    if any(reading.tokens[k].stem in q.said | q.denied for q in made.known.quotes) and not _neutral(made, k):
        made.no(k, "opinion", "the review is about another item")
        return True
    return False


def _plain_word(made: Judge, k: int) -> None:
    reading, known = made.reading, made.known
    token, named = reading.tokens[k], reading.categories[k]
    if (reason := reading.any_of(k, "policy:")) and not (reading.has(k, "carrier") and _rated_after(made, k)):
        made.no(k, "attribute", f"nothing is said of this: {reason} ({token.low})")
    elif "number:universal" in named and _of_people(made, k):
        made.no(k, "count", f"not known of so many ({token.low})")
    elif "number:wrong" in named and not _conjunction(made, k):
        made.no(k, "count", f"not known ({token.low})")
    elif "popularity" in named or ("number:vague" in named and _of_people(made, k)):
        _popular(made, k)
    elif "novelty" in named:
        _novel(made, k)
    elif any(c.startswith("people:") for c in named):
        _people(made, k)
    elif _a_name(made, k):
        made.no(k, "attribute", f"a name that no evidence holds ({token.low})")
    elif (
        "property" in named
        and (_manner(made, k) or _of_item(made, k))
        and not _titled(made, k)
        or not _neutral(made, k)
        and not any(_explanations(made, k))
    ):
        made.no(k, "attribute", f"nothing in the evidence says this ({token.low})")
    if named and "came" in named and known.novel:
        made.yes(k, "time", [known.novel[0][0]])


def _rated_after(made: Judge, k: int) -> bool:
    """Return whether what is awarded are stars."""
    return any(made.reading.any_of(m, "act:") == "rate" for m in range(k + 1, k + 7))


def _conjunction(made: Judge, k: int) -> bool:
    """Return whether a word as "once" begins a clause: "once you had bought"."""
    after = made.reading.categories[k + 1] if k + 1 < len(made.reading.tokens) else frozenset[str]()
    return made.reading.low(k) in made.reading.language.grammar["once"] and any(
        c.startswith(("people:you", "people:we", "pronoun:")) for c in after
    )


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
    return stem in known.query or (
        stem in known.names.get(known.rec, ()) and not _of_both(made, k, _items(known, stem))
    )


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


def _a_name(made: Judge, k: int) -> bool:
    token, language = made.reading.tokens[k], made.reading.language
    if language.nouns_capital and _neutral(made, k):
        return False
    return token.capital and len(token.low) > 1 and not _sayable(made, k)


def _sayable(made: Judge, k: int) -> bool:
    stem = made.reading.tokens[k].stem
    return stem in made.known.query or made.reading.low(k) in made.reading.language.grammar["capitals"]


def _neutral(made: Judge, k: int) -> bool:
    named = made.reading.categories[k]
    return bool(
        {"neutral", "function", "carrier", "modal", "came", "same", "speech"} & named
        or any(c.startswith(("pronoun:", "field:", "number:", "people:", "act:")) for c in named)
    )


def _explanations(made: Judge, k: int) -> Iterator[bool]:
    """Yield whether a word may stand there though no list holds it."""
    reading, known = made.reading, made.known
    token = reading.tokens[k]
    language = reading.language
    yield token.number is not None
    yield token.stem in known.query
    yield token.stem in known.names.get(known.rec, ())
    # where a shopper lives is nothing of the item's, but what a section is called is
    yield reading.has(k, "setting") and _about_life(made, k)
    yield not known.quotes and token.stem in language.units
    yield token.low.endswith(language.adverb) and len(token.low) > 5
    # "might brighten up": a verb of what is only possible
    back = k - 1
    while back > 0 and (
        reading.low(back).endswith(language.adverb) or reading.low(back) in language.grammar["already"]
    ):
        back -= 1
    yield reading.has(back, "modal") and reading.low(back) in language.grammar["possible"]
    # "one hiker says"
    yield bool(known.quotes) and token.low.endswith(tuple(language.grammar["persons"])) and _said_by(made, k)


def _about_life(made: Judge, k: int) -> bool:
    """Return whether a word as "kitchen" tells where or when something is used, and not what it is."""
    reading, grammar = made.reading, made.reading.language.grammar
    if reading.low(k + 1) in grammar["fields_after"] or reading.low(k - 1) in grammar["this"]:
        return False
    back = k - 1
    while reading.low(back) in grammar["before_value"] and reading.low(back) not in grammar["for"]:
        back -= 1
    return reading.low(back) not in grammar["be"]


def _said_by(made: Judge, k: int) -> bool:
    if made.reading.low(k - 1) not in made.reading.language.grammar["a_person"]:
        return False
    return any(made.reading.has(m, "speech") and made.reading.node[m] is None for m in (k - 2, k + 1))


def _of_people(made: Judge, k: int) -> bool:
    """Return whether a word as "every" or "many" counts people."""
    reading = made.reading
    if reading.low(k) in reading.language.grammar["everybody"]:
        return True
    return any(reading.has(m, c) for m in (k + 1, k + 2, k + 3) for c in ("people:crowd", "people:reviewer"))


def _popular(made: Judge, k: int) -> None:
    if made.known.popular and not _denied(made, k):
        made.yes(k, "count", [made.known.popular[0][0]])
    elif not (made.reading.has(k, "act:like") and _opinion(made, k)):
        made.no(k, "count", f"nothing is known about other shoppers ({made.reading.low(k)})")


def _novel(made: Judge, k: int) -> None:
    if made.known.novel and not _denied(made, k):
        made.yes(k, "time", [made.known.novel[0][0]])
    else:
        made.no(k, "time", f"not known to be new ({made.reading.low(k)})")


def _people(made: Judge, k: int) -> None:
    """Who is spoken of must be known from somewhere: reviewers from reviews, shoppers from their number."""
    reading, known = made.reading, made.known
    if reading.has(k, "people:you") or reading.has(k, "people:we") or reading.has(k, "people:reader"):
        return
    if reading.has(k, "people:reviewer") and known.quotes:
        return
    if reading.has(k, "people:crowd") and known.popular:
        return
    if reading.has(k, "neutral") or reading.has(k, "function"):
        return
    made.no(k, "opinion", f"nothing is known of what others say or do ({reading.low(k)})")


def _span(made: Judge, start: int, end: int) -> str:
    found = made.reading.tokens
    return made.reading.text[found[start].start : found[end - 1].end]
