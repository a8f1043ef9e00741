"""Cases for tests of explainers: by hand, and drawn by Hypothesis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from recsys.explanation import Case, Evidence, Fact

NOW = 1_779_400_000  # 21 May 2026
DAY = 86_400
TITLE = "Trailhead Ridge Trousers"
KINDS_OF_ACT = ("purchase", "view", "click", "cart", "like", "rating", "interaction")
WORDS = (
    "Trailhead", "Ridge", "Storm", "Copper", "Willow", "Juniper", "Kettle", "Jacket", "Trousers", "Lamp", "Notebook",
    "Harness", "Steel", "Oak", "Wool", "Speaker", "Garden", "No.", "500", "&", "of", "the", "A6", "R20", "Waterproof",
)  # fmt: skip
# what a reviewer wrote -> the aspect that it is about
QUOTES = {
    "the pockets are deep": "pockets", "lasts two days": "battery life", "very light": "weight", "So quiet!": "noise",
    "does not leak": "leak", "kept me warm all winter": "warmth", "easy to clean, even for me": "cleaning",
    "Great fit.": "fit", "it's sturdy": "build", "no smell at all": "smell", "The fabric is soft": "fabric",
}  # fmt: skip
VALUES = {
    "brand": ("Trailhead", "Nib & Feather", "Björkhammar"), "category": ("Outdoor", "Bags & Travel", "Tea & Coffee"),
    "material": ("Merino Wool", "Oak", "Vegetable-tanned Leather"), "colour": ("Slate", "Fire Red"),
    "size": ("A6", "600 lumens", "Regular"), "features": ("weighted", "wooden-handled"), "author": ("Ines Varga",),
    "genre": ("Crime",), "power": ("Mains",),
}  # fmt: skip


def event(kind: str, days: float = 40, item_id: str = "h", title: str = "Trailhead Storm Rain Jacket, M") -> Evidence:
    return Evidence(
        kind="event", item_id=item_id, title=title, event_kind=kind, time=NOW - int(days * DAY), event_id=f"e-{item_id}"
    )


def review(quote: str, review_id: str = "v1") -> Evidence:
    return Evidence(kind="review", item_id="r", title=TITLE, review_id=review_id, start=0, end=len(quote), quote=quote)


def fact(kind: Any, strength: float, *evidence: Evidence, **more: Any) -> Fact:
    return Fact(kind=kind, strength=strength, evidence=evidence, **more)


def shared(field: str, value: str, strength: float, *events: Evidence, title: str = TITLE) -> Fact:
    own = Evidence(kind="attribute", item_id="r", title=title, field=field, value=value)
    return fact("attribute", strength, own, *(events or (event("purchase"),)))


def case(*facts: Fact, **more: Any) -> Case:
    return Case(**{"item_id": "r", "title": TITLE, "facts": facts, "now": NOW, "user": "me", **more})


def titles() -> st.SearchStrategy[str]:
    name = st.lists(st.sampled_from(WORDS), min_size=2, max_size=9, unique=True).map(" ".join)
    tail = st.sampled_from(["", ", M", ", set of 5, Slate", " (3 pairs)", " - blue", " | Kitchen", "!"])
    return st.builds(lambda a, b: a + b, name.filter(lambda t: any(w[0].isupper() for w in t.split())), tail)


@st.composite
def cases(draw: st.DrawFn, locales: Any = ("en", "de")) -> Case:
    """Any case whose facts are as `recsys.explain.facts` makes them; some items are in several facts."""
    title = draw(titles())
    strengths = st.floats(0.01, 1.0)
    events = [
        replace(
            event(draw(st.sampled_from(KINDS_OF_ACT)), draw(st.floats(0, 900)), f"h{i}", draw(titles())),
            **({} if draw(st.integers(0, 5)) else {"item_id": "r", "title": title}),
        )
        for i in range(draw(st.integers(0, 3)))
    ]
    drops = st.none() | st.floats(0.001, 0.9)
    facts = [fact("event", draw(strengths), e, causal_drop=draw(drops)) for e in events]
    others = [e for e in events if e.item_id != "r"]
    for field in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=2, unique=True)) if others else ():
        value = draw(st.sampled_from(VALUES[field]))
        some = draw(st.lists(st.sampled_from(others), min_size=1, max_size=2, unique=True))
        facts.append(shared(field, value, draw(strengths), *some, title=title))
    for n in range(draw(st.integers(0, 2))):
        quotes = draw(st.lists(st.sampled_from(sorted(QUOTES)), min_size=1, max_size=2, unique=True))
        said = [replace(review(q, f"v{n}{i}"), title=title) for i, q in enumerate(quotes)]
        facts.append(fact("aspect", draw(strengths), *said, aspect=QUOTES[quotes[0]], sentiment=draw(st.floats(-1, 1))))
    if draw(st.booleans()):
        words = draw(st.lists(st.sampled_from(title.split()), min_size=1, max_size=3, unique=True))
        found = [
            Evidence(kind="query", item_id="r", title=title, field=draw(st.sampled_from(["title", "brand", "x"])),
                     value=w.lower(), quote=w)
            for w in words
        ]  # fmt: skip
        facts.append(fact("query", draw(strengths), *found))
    if draw(st.booleans()):
        count = draw(st.integers(1, 9)) * 10 ** draw(st.integers(1, 4))
        facts.append(
            fact("popularity", draw(strengths), Evidence(kind="popularity", item_id="r", title=title, count=count))
        )
    if draw(st.booleans()):
        came = NOW - draw(st.integers(0, 30)) * DAY
        facts.append(fact("novelty", draw(strengths), Evidence(kind="novelty", item_id="r", title=title, time=came)))
    return Case(
        item_id="r", title=title, facts=tuple(sorted(facts, key=lambda f: -f.strength)), user="me", now=NOW,
        locale=draw(st.sampled_from(list(locales))), register=draw(st.sampled_from(["plain", "friendly", "brief"])),
        seed=draw(st.integers(0, 99)),
    )  # fmt: skip
