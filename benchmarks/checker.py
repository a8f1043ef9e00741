"""What the checker of explanations catches and keeps on its challenge set, beside two checkers that cost nothing."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.timing import rounded
from recsys.explain.challenge.corrupt import INJECTED, KINDS
from recsys.explain.challenge.load import NOW, SPLIT_NAMES, Challenge, load
from recsys.explain.challenge.measure import Judgement, Outcome, Verdict, checked, outcomes, wilson
from recsys.explain.challenge.words import MONTHS, day
from recsys.explain.check import check
from recsys.explain.lexicon import lexicon
from recsys.explain.tokens import stems_of

CHECKERS = ("accept all", "word overlap", "check")
SHARES = tuple(i / 20 for i in range(1, 21))
# What an overlap of words cannot know of itself: how people call the kinds of events.
EVENTS = {
    "purchase": "bought ordered purchased", "view": "viewed looked browsed", "cart": "cart basket added",
    "rating": "rated rating stars gave", "like": "liked like",
}  # fmt: skip


def cases(quick: bool) -> list[dict[str, Any]]:
    return [{"checker": name, "split": split} for name in CHECKERS for split in SPLIT_NAMES]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    name, split = case["checker"], case["split"]
    judgement, parameters = judgement_of(name)
    took = speed(split) if name == "check" else {}
    found = outcomes(split, judgement)
    texts = {"true": sum(o.challenge.kind == "true" for o in found), "corrupted": 0}
    texts["corrupted"] = len(found) - texts["true"]
    parameters = {"split": split, **texts, **parameters}
    return [{"name": name, "parameters": parameters, "figures": {**figures_of(found), **took}}]


def judgement_of(name: str) -> tuple[Judgement, dict[str, Any]]:
    """Return a checker, and what was chosen for it on the development split."""
    if name == "check":
        return checked, {}
    if name == "accept all":
        return (lambda challenge: Verdict(True)), {}
    least = best_share()
    return (lambda challenge: Verdict(overlap(challenge) >= least)), {"least_share": least}


def figures_of(found: Sequence[Outcome]) -> dict[str, Any]:
    """Return the shares of true texts kept and of corruptions caught, in all and by kind, with 95 % intervals."""
    true = [o.right for o in found if o.challenge.kind == "true"]
    false = [o for o in found if o.challenge.kind != "true"]
    placed = [o.located for o in false if o.located is not None]
    by_kind = {
        kind: share([o.right for o in false if o.challenge.kind == kind])
        for kind in (*KINDS, INJECTED)
    }  # fmt: skip
    return {
        "keeps": share(true),
        "catches": share([o.right for o in false]),
        "located": share(placed),
        "kinds": by_kind,
    }


def share(right: Sequence[bool]) -> dict[str, Any]:
    """Return how many of how many, and the share with its interval; no share where nothing was counted."""
    if not right:
        return {"right": 0, "of": 0}
    low, high = wilson(sum(right), len(right))
    return {
        "right": sum(right), "of": len(right), "share": rounded(sum(right) / len(right)),
        "ci95": [rounded(low), rounded(high)],
    }  # fmt: skip


def speed(split: str) -> dict[str, float]:
    """Return processor milliseconds for a text: in the first round, when most of its words are new, and later ones."""
    texts = [c for c in load(split) if c.kind == "true"]

    def everything() -> float:
        begin = time.process_time()
        for challenge in texts:
            check(challenge.text, challenge.evidence, challenge.title, now=NOW)
        return 1000 * (time.process_time() - begin) / len(texts)

    check("", (), now=NOW)  # reads the lexicon
    first, *later = (everything() for _ in range(6))
    return {"first_ms": rounded(first), "ms": rounded(min(later))}


@cache
def best_share() -> float:
    """Return the least share of known words that keeps and catches the most on the development split.

    Injected texts are left out: no share could tell them, and they would be chosen at the cost of the others.
    """
    texts = [(overlap(c), c.kind == "true") for c in load("dev") if c.kind != INJECTED]
    of = Counter(true for _, true in texts)

    def balance(least: float) -> float:
        return sum((1 / of[true]) * ((known >= least) == true) for known, true in texts)

    return max(SHARES, key=balance)


def overlap(challenge: Challenge) -> float:
    """Return the share of the content words of a text that its evidence holds: titles, values, quotes, acts, times."""
    language = lexicon("en")
    known = set(stems_of(evidence_text(challenge), "en"))
    words = [w for w in stems_of(challenge.text, "en") if not language.has(w, "function")]
    return sum(w in known for w in words) / len(words) if words else 1.0


def evidence_text(challenge: Challenge) -> str:
    """Return everything that the evidence says as one text."""
    parts = [challenge.title]
    for e in challenge.evidence:
        parts += [e.title, e.value or "", e.quote or "", EVENTS.get(e.event_kind or "", "")]
        parts += [str(e.count)] if e.count is not None else []
        if e.time is not None:
            year, month, number = day(e.time)
            parts.append(f"{number} {MONTHS[month - 1]} {year}")
    return re.sub(r"\s+", " ", " ".join(parts))
