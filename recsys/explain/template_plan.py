"""Chooses what is told of an item: the fact that a reason begins with, and those it goes on with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from recsys.explain.claims import value_claims
from recsys.explain.clean import visible
from recsys.explain.facts_text import clean
from recsys.explain.wording import Phrases
from recsys.explain.wording_parts import VALUE_CHARS, item_name, short
from recsys.explanation import Case, Confidence, Evidence, Fact

STRONG, MODERATE = 0.7, 0.45
# An event that changes less than this part of the score is no strong reason, however alike the two items are.
LITTLE = 0.02
# A second event is told when it is at least this part as strong as the first.
SECOND = 0.6
_MAX_QUOTES = 2
_ALIKE = 4  # words that have so many first letters in common may be taken for one another
# Two quotes that are longer than this together make a reason tiresome: one is told.
BOTH_CHARS = 64
_PUBLIC = ("popularity", "novelty")
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
    # What is true whoever looks comes last, however many chose it: it says nothing about the two.
    facts = sorted(case.facts, key=lambda f: (f.kind in _PUBLIC, -f.strength))
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
        return aspect_told(case, phrases, fact, before)
    own = tuple(e for e in fact.evidence if e.kind == fact.kind and e.item_id == case.item_id)
    if fact.kind == "query":
        own = tuple(e for e in own if _sayable_value(phrases, e.value))
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
        values = [v for f in facts if f.kind == "attribute" and (v := _with(case, phrases, f, event)) is not None]
        if values:
            value = min(values, key=lambda v: minor(phrases, v))
            return Told("event_attribute", fact, (*_both(value, event), event), event, value)
    return Told("event", fact, (event,), event)


def _attribute(case: Case, phrases: Phrases, fact: Fact, facts: Sequence[Fact], before: Sequence[Told]) -> Told | None:
    told = {t.value.field for t in before if t.value is not None}
    own = _own_value(case, fact)
    if own is None or own.field in told or len(told) > 1 or not _sayable_value(phrases, own.value):
        return None
    if before and minor(phrases, own):
        return None
    # No item is named twice.
    named = {_name(phrases, t.event) for t in before if t.event is not None}
    touched = [e for e in fact.evidence if e.item_id != case.item_id and _sayable(case, phrases, e)]
    touched = [e for e in touched if _name(phrases, e) not in named]
    if not touched:
        return None
    causes = {f.evidence[0].item_id: f for f in facts if f.kind == "event"}
    # The event that is known to matter, else the first, which is the latest.
    event = min(touched, key=lambda e: e.item_id not in causes)
    cause = causes.get(event.item_id)
    if not before and cause is not None and cause.causal_drop is not None:
        lead = replace(fact, causal_drop=cause.causal_drop)
        return Told("event_attribute", lead, (*_both(own, event), event), event, own)
    # Of an event that was not measured nothing is known but that the two are alike: no "because".
    return Told("attribute", fact, (*_both(own, event), event), event, own)


def aspect_told(case: Case, phrases: Phrases, fact: Fact, before: Sequence[Told] = ()) -> Told | None:
    """Return quotes, with the aspect's name where they hold it.

    Quotes that were told ``before`` are left out, and so is what reviewers find fault with: it is no reason.
    """
    if (fact.sentiment or 0.0) <= 0:
        return None
    quoted = {e.quote for t in before for e in t.evidence}
    reviews = [
        replace(e, title=case.title) if e.title != case.title else e
        for e in fact.evidence
        if e.kind == "review" and e.item_id == case.item_id and e.quote not in quoted and quotable(e.quote or "")
    ][:_MAX_QUOTES]
    if not reviews:
        return None
    kind = "aspect" if _nameable(phrases, fact.aspect or "", reviews, before) else "quote"
    if kind == "quote" and sum(len(e.quote or "") for e in reviews) > BOTH_CHARS:
        turn = case.seed % len(reviews)
        reviews = reviews[turn : turn + 1]
    return Told(f"{kind}_{'one' if len(reviews) == 1 else 'many'}", fact, tuple(reviews))


def _nameable(phrases: Phrases, aspect: str, reviews: Sequence[Evidence], before: Sequence[Told]) -> bool:
    """Return whether quotes may be announced by their aspect: they hold its name, and do not deny it.

    A name that begins like a word of another item's title ("packaging", "3-pack") would be taken for that.
    """
    words = set(_WORD.findall(aspect.casefold()))
    spoken = [word for e in reviews for word in _WORD.findall((e.quote or "").casefold())]
    if not words or not words <= set(spoken) or not phrases.negations.isdisjoint(spoken):
        return False
    if aspect.casefold() in phrases.drawbacks or not aspect.replace(" ", "").isalpha():
        return False
    elsewhere = {
        w[:_ALIKE] for t in before for e in t.evidence for w in _WORD.findall(f"{e.title} {e.value}".casefold())
    }
    return elsewhere.isdisjoint(w[:_ALIKE] for w in words)


def quotable(quote: str, most: int = 160) -> bool:
    """Return whether a quote can stand in a sentence word for word: short, visible, without marks of its own."""
    return quote == visible(quote, most) and len(quote) <= most and any(c.isalnum() for c in quote) and not any(
        c in quote for c in "“”„«»\"<>{}|"
    )  # fmt: skip


def minor(phrases: Phrases, value: Evidence) -> bool:
    """Return whether a shared value is worth telling only for want of others: a size, say."""
    field = (value.field or "").casefold()
    return field in phrases.minor or (field not in phrases.fields and "other" in phrases.minor)


def _sayable_value(phrases: Phrases, value: str | None) -> bool:
    """Return whether a value is a short name, and no prose, markup or claim."""
    shown = clean(value or "", VALUE_CHARS)
    short = any(c.isalnum() for c in shown) and len(shown) < VALUE_CHARS
    return short and not value_claims(shown, phrases.locale)


def _own_value(case: Case, fact: Fact) -> Evidence | None:
    return next((e for e in fact.evidence if e.kind == "attribute" and e.item_id == case.item_id), None)


def _with(case: Case, phrases: Phrases, fact: Fact, event: Evidence) -> Evidence | None:
    """Return the shared value of an attribute fact that holds of an event's item, too."""
    own = _own_value(case, fact)
    if own is None or not _sayable_value(phrases, own.value):
        return None
    return own if any(e.kind == "event" and e.item_id == event.item_id for e in fact.evidence) else None


def _both(own: Evidence, event: Evidence) -> tuple[Evidence, Evidence]:
    """Return that the one item has a value and that the other has it: an attribute fact says no less."""
    theirs = Evidence(kind="attribute", item_id=event.item_id, title=event.title, field=own.field, value=own.value)
    return own, theirs


def _sayable(case: Case, phrases: Phrases, event: Evidence) -> bool:
    if event.kind != "event" or event.event_kind not in phrases.acts:
        return False
    return event.item_id == case.item_id or bool(item_name(phrases, event.title))


def _name(phrases: Phrases, event: Evidence) -> str:
    return short(event.title, phrases.title_chars, phrases.dangling, phrases.cuts).casefold()
