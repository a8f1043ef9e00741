"""Judges every word that names nothing: it claims nothing, or something has to be known that it says."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.explain.findings import Judge, span
from recsys.explain.judge_context import counts_people, denied, neutral, tells_opinion
from recsys.explain.judge_properties import _manner, _of_item, _titled
from recsys.explain.judge_quotes import judge_negation, judge_review_word


def judge_words(made: Judge) -> None:
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
            judge_negation(made, k)
        elif not judge_review_word(made, k):
            _plain_word(made, k)
        if _compound(made, k):
            made.no(k, "attribute", f"nothing in the evidence says this ({span(made, k, k + 3)})")


def _compound(made: Judge, k: int) -> bool:
    """Return whether two words that claim nothing by themselves are joined to one that may: "travel-sized"."""
    reading = made.reading
    if reading.low(k + 1) != "-" or k + 2 >= len(reading.tokens):
        return False
    first, mark, second = reading.tokens[k : k + 3]
    if first.end != mark.start or second.start != mark.end or reading.node[k + 2] is not None or not second.word:
        return False
    plain = {"neutral", "setting", "carrier", "property"}
    if not (plain & reading.categories[k] and plain & reading.categories[k + 2]):
        return False
    return f"{first.low} {second.low}" not in reading.language.grammar["compounds"]


def _plain_word(made: Judge, k: int) -> None:
    reading, known = made.reading, made.known
    token, named = reading.tokens[k], reading.categories[k]
    if (reason := reading.any_of(k, "policy:")) and not (reading.has(k, "carrier") and _rated_after(made, k)):
        made.no(k, "attribute", f"nothing is said of this: {reason} ({token.low})")
    elif _of_strangers(made, k):
        made.no(k, "opinion", f"nothing is known of what others do ({reading.low(k - 1)} {token.low})")
    elif "number:universal" in named and (counts_people(made, k) or _of_all(made, k)):
        made.no(k, "count", f"not known of so many ({token.low})")
    elif "number:wrong" in named and not _conjunction(made, k):
        made.no(k, "count", f"not known ({token.low})")
    elif "popularity" in named or ("number:vague" in named and counts_people(made, k)):
        _popular(made, k)
    elif "novelty" in named:
        _novel(made, k)
    elif any(c.startswith("people:") for c in named):
        _people(made, k)
    elif _a_name(made, k):
        made.no(k, "attribute", f"a name that no evidence holds ({token.low})")
    elif (_property(made, k) and (_manner(made, k) or _of_item(made, k)) and not _titled(made, k)) or (
        not neutral(made, k) and not any(_explanations(made, k))
    ):
        made.no(k, "attribute", f"nothing in the evidence says this ({token.low})")
    if named and "came" in named and known.novel:
        made.yes(k, "time", [known.novel[0][0]])


def _of_strangers(made: Judge, k: int) -> bool:
    """Return whether somebody is said to love something of whom nothing is known: "chefs love this pan"."""
    reading = made.reading
    if reading.low(k) not in reading.language.grammar["like"] or reading.low(k) == "like":
        return False
    named = reading.categories[k - 1] if k else frozenset[str]()
    plain = bool({"neutral", "setting"} & named) and "function" not in named
    return plain and reading.low(k - 1).endswith("s") and not reading.any_of(k - 1, "people:")


def _of_all(made: Judge, k: int) -> bool:
    """Return whether something is said of all of a kind: "every detail"."""
    reading = made.reading
    if reading.low(k) not in reading.language.grammar["all"]:
        return False
    of = reading.has(k + 1, "neutral") or reading.has(k + 1, "setting")
    return of and reading.low(k + 1) not in reading.language.grammar["any_time"]


def _property(made: Judge, k: int) -> bool:
    """Return whether a word tells what something is like: it is listed as such, or derived from a word of the lists."""
    token, language = made.reading.tokens[k], made.reading.language
    if made.reading.has(k, "property"):
        return True
    return token.low not in language.surfaces and token.low.endswith(tuple(language.grammar["describing"]))


def _rated_after(made: Judge, k: int) -> bool:
    """Return whether what is awarded are stars."""
    return any(made.reading.any_of(m, "act:") == "rate" for m in range(k + 1, k + 7))


def _conjunction(made: Judge, k: int) -> bool:
    """Return whether a word as "once" begins a clause: "once you had bought"."""
    after = made.reading.categories[k + 1] if k + 1 < len(made.reading.tokens) else frozenset[str]()
    return made.reading.low(k) in made.reading.language.grammar["once"] and any(
        c.startswith(("people:you", "people:we", "pronoun:")) for c in after
    )


def _a_name(made: Judge, k: int) -> bool:
    token, language = made.reading.tokens[k], made.reading.language
    if language.nouns_capital and neutral(made, k):
        return False
    return token.capital and len(token.low) > 1 and not _sayable(made, k)


def _sayable(made: Judge, k: int) -> bool:
    stem = made.reading.tokens[k].stem
    return stem in made.known.query or made.reading.low(k) in made.reading.language.grammar["capitals"]


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


def _popular(made: Judge, k: int) -> None:
    if made.known.popular and not denied(made, k):
        made.yes(k, "count", [made.known.popular[0][0]])
    elif not (made.reading.has(k, "act:like") and tells_opinion(made, k)):
        made.no(k, "count", f"nothing is known about other shoppers ({made.reading.low(k)})")


def _novel(made: Judge, k: int) -> None:
    if made.known.novel and not denied(made, k):
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
