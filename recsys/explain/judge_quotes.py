"""Judges quotes, and words that are said or denied by a cited review."""

from __future__ import annotations

from recsys.explain.findings import Judge
from recsys.explain.judge_context import denied, neutral, reach, target, tells_opinion
from recsys.explain.known import Quote, quoted
from recsys.explain.reading import Node
from recsys.explain.tokens import stems_of


def judge_quote(made: Judge, node: Node) -> None:
    """Judge a quote: of a title, of the query, or of a cited review of the item that is spoken of."""
    known, reading = made.known, made.reading
    text = reading.tokens[node.start].low
    stems = stems_of(text, made.known.language.locale)
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
    about = target(made, node.start)
    right = [q for q in found if q.item in about]
    if right:
        made.yes(node.start, "quote", [right[0].index])
    else:
        made.no(node.start, "quote", "the review is about another item")


def judge_review_word(made: Judge, k: int) -> bool:
    """Judge a word of a cited review; False when it is none, or stands there for nothing in particular."""
    reading = made.reading
    if reading.has(k, "function") or not made.known.quotes:
        return False
    no = denied(made, k)
    if (quote := _review_of(made, k, no)) is not None:
        made.yes(k, "opinion", [quote.index])
        return True
    if neutral(made, k) and not no and (reading.has(k, "speech") or not tells_opinion(made, k)):
        return False
    if _review_of(made, k, not no) is not None:
        made.no(k, "opinion", f"the review says the opposite ({reading.low(k)})")
        return True
    if any(reading.tokens[k].stem in q.said | q.denied for q in made.known.quotes) and not neutral(made, k):
        made.no(k, "opinion", "the review is about another item")
        return True
    return False


def _review_of(made: Judge, k: int, denied: bool) -> Quote | None:
    """Return the cited review, of the item that is spoken of, that says or denies the word at ``k``."""
    stem = made.reading.tokens[k].stem
    for quote in made.known.quotes:
        if stem in (quote.denied if denied else quote.said) and quote.item in target(made, k):
            return quote
    return None


def judge_negation(made: Judge, k: int) -> None:
    """A negation is true when a cited review denies the same; acts and values judge their own."""
    denies = reach(made, k)
    twice = any(made.reading.has(at, "negation") for at in denies)
    if not twice and any(_review_of(made, at, denied=True) is not None for at in denies):
        return
    if not any(f.reason and f.at in denies for f in made.findings):
        made.no(k, "opinion", "the evidence does not say that it was not so")
