"""Pairs that the explanation writer learns from: facts of a shop's shoppers, varied, and reasons out of the grammar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from recsys.data.shop import Shop
from recsys.engine import Engine
from recsys.eval.cases import collected
from recsys.explain.slots import TURNS, Draft, draft
from recsys.explain.template import Template
from recsys.explanation import Case, Fact
from recsys_fine_tuned.corpus import Grammar, kept

TONES = ("plain", "friendly", "brief")
ACTS = ("purchase", "view", "click", "cart", "rating", "like", "interaction")
# Every so many-th combination of facts is never learnt: validation reads those alone.
HELD_OUT = 10
_RARE = ("query", "novelty")
_RARE_SHARE, _AS_IS = 0.15, 0.2
_DRAWS = 4  # times as many draws as pairs, at most
_SEARCHES = (
    "rain jacket", "steel kettle", "fountain pen", "dog harness", "wool blanket", "board game", "headphones",
    "garden gloves", "yoga mat", "hand cream", "trekking poles", "cotton shirt", "desk lamp", "water bottle",
    "running shoes", "oak shelf", "leather wallet", "cat bed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """What the writer reads, ``draft`` without names, and a reason with slots; ``held`` ones are for validation."""

    draft: Draft
    text: str
    held: bool


@dataclass(slots=True)
class Kept:
    """How many reasons the grammar gave, and how many of them the checker supports in every statement."""

    given: int = 0
    kept: int = 0

    @property
    def share(self) -> float:
        """The part that was kept."""
        return self.kept / self.given if self.given else 0.0


def shop_cases(shop: Shop, engine: Engine, now: int, shoppers: Sequence[str], searches: int = 0) -> list[Case]:
    """Return the cases of the lists that an engine fitted on a shop gives these shoppers.

    Args:
        shop: the sample shop. engine: fitted on it.
        now: epoch seconds of the requests.
        shoppers: user ids.
        searches: so many of them also search for something.
    """
    asked = [(user, _SEARCHES[place % len(_SEARCHES)]) for place, user in enumerate(shoppers[:searches])]
    return collected(engine, shoppers, now, asked)


def shoppers_of(shop: Shop, n: int, *, learnt: bool, seed: int = 0) -> list[str]:
    """Return ``n`` shoppers drawn by seed: even-numbered ones are learnt from, odd-numbered ones are reported on."""
    users = list(shop.dataset.log.users)
    order = np.random.default_rng(seed).permutation(len(users))
    return [users[i] for i in order.tolist() if i % 2 != int(learnt)][:n]


def varied(case: Case, rng: np.random.Generator, *, as_is: bool = False) -> Case:
    """Return the case in a drawn tone; unless ``as_is``, with some of its facts, in another order, with other acts."""
    case = replace(case, register=TONES[int(rng.integers(len(TONES)))], seed=int(rng.integers(TURNS)))
    if as_is:
        return case
    facts = [_acted(f, rng) for f in case.facts if rng.random() < 0.75]
    # What is public keeps its strength: it never comes before what is personal.
    facts = [f if f.kind in ("popularity", "novelty") else replace(f, strength=float(rng.random())) for f in facts]
    return replace(case, facts=tuple(facts))


def frame(one: Draft) -> str:
    """Return which facts a draft tells in which tone: what it has in common with drafts about other items."""
    lines = (f"{line.kind}/{line.act}/{line.family}/{'when' in line.roles}" for line in one.lines)
    return f"{one.tone} {' '.join(lines)}"


def held_out(one: Draft) -> bool:
    """Whether this combination of facts and tone is kept for validation."""
    return crc32(frame(one).encode()) % HELD_OUT == 0


def pairs(
    cases: Sequence[Case], grammar: Grammar, n: int, seed: int, counted: Kept | None = None, *, most: int = 40
) -> Iterator[Pair]:
    """Yield at most ``n`` pairs whose reasons hold, of cases drawn by seed, some of them as they are.

    Every combination of facts is drawn at most ``most`` times: what is rare in lists has to be learnt as well. Facts
    that few cases have (words of a search, a new item) are drawn more often than they occur.
    """
    template, counted = Template(), counted or Kept()
    rng = np.random.default_rng(seed)
    rare = [case for case in cases if any(f.kind in _RARE for f in case.facts)] or cases
    drawn: Counter[str] = Counter()
    for _ in range(_DRAWS * n):
        if counted.given >= n:
            return
        pool = rare if rng.random() < _RARE_SHARE else cases
        case = varied(pool[int(rng.integers(len(pool)))], rng, as_is=rng.random() < _AS_IS)
        one = draft(case, template.phrases_for(case))
        if one is None or drawn[frame(one)] >= most:
            continue
        drawn[frame(one)] += 1
        text = grammar.say(one, rng)
        good = kept(one, text)
        counted.given += 1
        counted.kept += good
        if good:
            yield Pair(one, text, held_out(one))


def _acted(fact: Fact, rng: np.random.Generator) -> Fact:
    """Return the fact with another kind of act in it, most of the time."""
    if rng.random() < 0.4:
        return fact
    act = ACTS[int(rng.integers(len(ACTS)))]
    return replace(fact, evidence=tuple(replace(e, event_kind=act) if e.kind == "event" else e for e in fact.evidence))
