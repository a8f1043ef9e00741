"""Chooses what is told of an item: the fact that a reason begins with, and those it goes on with."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from recsys.explain.clean import visible
from recsys.explain.wording import Phrases
from recsys.explain.wording_parts import item_name, short
from recsys.explanation import Case, Confidence, Evidence, Fact

STRONG, MODERATE = 0.7, 0.45
# An event that changes less than this part of the score is no strong reason, however alike the two items are.
LITTLE = 0.02
# A second event is told when it is at least this part as strong as the first.
SECOND = 0.6
_MAX_QUOTES = 2
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that is told.

    Attributes:
        kind: of phrases: see `recsys.explain.wording.LEADS`.
        fact: what it rests on. event: the event that is named in it. value: the shared value that goes with it.
        evidence: all that the words rest on.
    """

    kind: str
    fact: Fact
    evidence: tuple[Evidence, ...]
    event: Evidence | None = None
    value: Evidence | None = None


def plan(case: Case, phrases: Phrases, sentences: int) -> list[Told]:
    """Return what is told, in order; at most ``sentences``, none where no fact can be put into words."""
    facts = sorted(case.facts, key=lambda f: -f.strength)
    out: list[Told] = []
    for fact in facts:
        if len(out) >= sentences:
            break
        told = _told(case, phrases, fact, facts, out)
        if told is not None:
            out.append(told)
    return out


def confidence(told: Sequence[Told]) -> Confidence:
    """Return how sure a reason may sound: as its strongest fact, and weaker when the cited event hardly matters."""
    if not told:
        return "weak"
    lead = told[0].fact
    if lead.strength >= STRONG and (lead.causal_drop is None or lead.causal_drop >= LITTLE):
        return "strong"
    return "moderate" if lead.strength >= MODERATE else "weak"


def _told(case: Case, phrases: Phrases, fact: Fact, facts: Sequence[Fact], before: Sequence[Told]) -> Told | None:
    if fact.kind == "event":
        return _event(case, phrases, fact, facts, before)
    if fact.kind == "attribute":
        return _attribute(case, phrases, fact, facts, before)
    if any(t.fact.kind == fact.kind for t in before):
        return None
    if fact.kind == "aspect":
        return aspect_told(case, fact)
    own = tuple(e for e in fact.evidence if e.kind == fact.kind and e.item_id == case.item_id)
    if fact.kind == "query":
        own = tuple(e for e in own if visible(e.value or ""))
    return Told(fact.kind, fact, own if fact.kind == "query" else own[:1]) if own else None


def _event(case: Case, phrases: Phrases, fact: Fact, facts: Sequence[Fact], before: Sequence[Told]) -> Told | None:
    event = next((e for e in fact.evidence if _sayable(case, phrases, e)), None)
    if event is None:
        return None
    earlier = [t.event for t in before if t.event is not None]
    if earlier:
        same = any(e.item_id == event.item_id or _name(phrases, e) == _name(phrases, event) for e in earlier)
        if same or len(earlier) > 1 or fact.strength < SECOND * before[0].fact.strength:
            return None
    elif not before and event.item_id != case.item_id:
        shared = next((f for f in facts if f.kind == "attribute" and _with(case, f, event) is not None), None)
        if shared is not None and (value := _with(case, shared, event)) is not None:
            return Told("event_attribute", fact, (*_both(value, event), event), event, value)
    return Told("event", fact, (event,), event)


def _attribute(case: Case, phrases: Phrases, fact: Fact, facts: Sequence[Fact], before: Sequence[Told]) -> Told | None:
    told = {(t.value.field, t.value.value) for t in before if t.value is not None}
    own = _own_value(case, fact)
    if own is None or (own.field, own.value) in told or len(told) > 1:
        return None
    touched = [e for e in fact.evidence if e.item_id != case.item_id and _sayable(case, phrases, e)]
    if not touched:
        return None
    named = {t.event.item_id for t in before if t.event is not None}
    causes = {f.evidence[0].item_id: f for f in facts if f.kind == "event"}
    # The event that is known to matter; else one that was not named yet; else the latest.
    event = min(touched, key=lambda e: (e.item_id not in causes, e.item_id in named))
    if not before:
        cause = causes.get(event.item_id)
        drop = cause.causal_drop if cause is not None else None
        lead = replace(fact, causal_drop=drop) if drop is not None else fact
        return Told("event_attribute", lead, (*_both(own, event), event), event, own)
    return Told("attribute", fact, (*_both(own, event), event), event, own)


def aspect_told(case: Case, fact: Fact, quoted: Collection[Evidence] = ()) -> Told | None:
    """Return quotes, with the aspect's name when they hold it: the name alone is no evidence.

    Quotes that were told before (``quoted``) are left out, and so is what reviewers find fault with: it is no reason.
    """
    if (fact.sentiment or 0.0) <= 0:
        return None
    reviews = [
        replace(e, title=case.title) if e.title != case.title else e
        for e in fact.evidence
        if e.kind == "review" and e.item_id == case.item_id and quotable(e.quote or "")
    ]
    reviews = [e for e in reviews if all(e.quote != q.quote for q in quoted)][:_MAX_QUOTES]
    if not reviews:
        return None
    words = set(_WORD.findall((fact.aspect or "").casefold()))
    spoken = {word for e in reviews for word in _WORD.findall((e.quote or "").casefold())}
    kind = "aspect" if words and words <= spoken else "quote"
    return Told(f"{kind}_{'one' if len(reviews) == 1 else 'many'}", fact, tuple(reviews))


def quotable(quote: str, most: int = 160) -> bool:
    """Return whether a quote can stand in a sentence word for word: short, visible, without marks of its own."""
    return quote == visible(quote, most) and len(quote) <= most and any(c.isalnum() for c in quote) and not any(
        c in quote for c in "“”„«»\"<>{}|"
    )  # fmt: skip


def _own_value(case: Case, fact: Fact) -> Evidence | None:
    return next((e for e in fact.evidence if e.kind == "attribute" and e.item_id == case.item_id), None)


def _with(case: Case, fact: Fact, event: Evidence) -> Evidence | None:
    """Return the shared value of an attribute fact that holds of an event's item, too."""
    if any(e.kind == "event" and e.item_id == event.item_id for e in fact.evidence):
        return _own_value(case, fact)
    return None


def _both(own: Evidence, event: Evidence) -> tuple[Evidence, Evidence]:
    """Return that the one item has a value and that the other has it: an attribute fact says no less."""
    theirs = Evidence(kind="attribute", item_id=event.item_id, title=event.title, field=own.field, value=own.value)
    return own, theirs


def _sayable(case: Case, phrases: Phrases, event: Evidence) -> bool:
    if event.kind != "event" or event.event_kind not in phrases.acts:
        return False
    return event.item_id == case.item_id or bool(item_name(phrases, event.title))


def _name(phrases: Phrases, event: Evidence) -> str:
    return short(event.title, phrases.title_chars, phrases.dangling).casefold()
