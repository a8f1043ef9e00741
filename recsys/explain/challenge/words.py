"""The words that corruptions are made of: opposites of acts, numbers, verbs and what quotes say."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
NUMBERS = (
    ("a hundred and fifty", "three hundred"), ("three hundred", "nine hundred"), ("two hundred", "six hundred"),
    ("a hundred", "five hundred"), ("eighty", "two hundred"), ("five", "three"),
)  # fmt: skip
BOUGHT = ("looked at", "rated", "returned", "clicked on", "liked")
VIEWED = ("bought", "ordered", "rated", "returned", "liked")
OTHER_ACTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(
        ("bought", "purchased", "ordered", "picked up", "got", "own", "have bought", "got yourself"), BOUGHT
    ),
    **dict.fromkeys(("treated yourself to", "took home", "have"), BOUGHT),
    **dict.fromkeys(("looked at", "viewed", "browsed", "checked out", "had a look at", "peeked at"), VIEWED),
    **dict.fromkeys(("clicked through to view", "had an eye on"), VIEWED),
    **dict.fromkeys(("purchase", "order"), ("review", "return", "rating")),
    "purchases": ("reviews", "returns"),
    "visit": ("order",),
    "viewing": ("buying", "rating"),
    "ordering": ("viewing", "returning"),
    **dict.fromkeys(("in your cart", "in your basket", "in your shopping bag"), ("on your wish list", "in your order")),
    **dict.fromkeys(("to your cart", "to your basket", "to your bag"), ("to your favourites", "to your order")),
    **dict.fromkeys(("rated", "reviewed"), ("bought", "viewed", "put in your cart")),
    "rating": ("purchase", "order"),
    "liked": ("bought", "returned", "rated", "disliked"),
    "like": ("purchase", "order"),
    "favourited": ("bought", "returned"),
    "hit like on": ("bought", "returned"),
    "added to your cart": ("bought", "viewed", "liked"),
}
AUXILIARIES = ("is", "are", "was", "were", "has", "have", "can", "will")
CONTRACTED: Mapping[str, str] = {"can": "can't", "will": "won't"}
BASES: Mapping[str, str] = {
    "works": "work", "comes": "come", "shares": "share", "makes": "make", "matches": "match", "fits": "fit",
    "says": "say", "reports": "report", "lasts": "last", "shows": "show", "mentions": "mention", "suits": "suit",
    "describes": "describe", "appears": "appear", "meets": "meet", "answers": "answer", "calls": "call",
    "leads": "lead", "gets": "get", "rinses": "rinse",
}  # fmt: skip
PLURALS = ("say", "praise", "speak", "share", "come", "enjoy", "mention", "call", "keep", "like", "ask")
PAST: Mapping[str, str] = {
    "bought": "buy", "ordered": "order", "purchased": "purchase", "picked up": "pick up", "got": "get", "liked": "like",
    "looked at": "look at", "viewed": "view", "browsed": "browse", "rated": "rate", "chose": "choose", "put": "put",
    "added": "add", "gave": "give", "joined": "join", "arrived": "arrive", "came": "come", "searched": "search",
    "appeared": "appear", "made": "make", "checked out": "check out", "turned": "turn",
}  # fmt: skip
OPPOSITES: Mapping[str, str] = {
    "clean": "dirty", "light": "heavy", "easy": "hard", "clear": "confusing", "comfortable": "painful",
    "steady": "shaky", "great": "poor", "sharp": "blurred", "lovely": "awful", "wonderfully": "terribly",
    "well": "badly", "every": "no", "everything": "nothing", "nothing": "everything", "unharmed": "broken",
    "week": "month", "hours": "minutes", "year": "month", "care": "haste", "room": "weight", "money": "looks",
}  # fmt: skip
STRANGE = ("tractor", "velvet", "yesterday", "cheaper", "seldom", "purple", "winter", "expensive", "grandmother")


def day(time: int) -> tuple[int, int, int]:
    """Return year, month and day of epoch seconds."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.year, moment.month, moment.day


def negated(surface: str, way: int) -> str | None:
    """Return a verb with a negation, written in one of three ways; None for what is no verb of ours."""
    low = surface.lower()
    if low in AUXILIARIES:
        out = [f"{low} not", CONTRACTED.get(low, f"{low}n't"), f"{low} never"][way]
    elif low in BASES:
        out = [f"does not {BASES[low]}", f"doesn't {BASES[low]}", f"never {low}"][way]
    elif low in PLURALS:
        out = [f"do not {low}", f"don't {low}", f"never {low}"][way]
    elif low in PAST:
        out = [f"did not {PAST[low]}", f"didn't {PAST[low]}", f"never {low}"][way]
    else:
        return None
    return out[0].upper() + out[1:] if surface[0].isupper() else out


def opposite(word: str, rng: random.Random) -> str:
    """Return a word that says something else."""
    other = OPPOSITES.get(word.lower()) or rng.choice(STRANGE)
    return other[0].upper() + other[1:] if word[0].isupper() else other
