"""Which of the found products count as matches, and what of the query was given up for that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.search.plan import Found, Plan
from recsys.search.query import Query

ENOUGH = 0.5  # idf share of a query that products have to keep when words are left out


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Which found products match (m,), and what they all have of the query.

    ``share`` is the idf share of the words that the shop knows, ``dropped`` are the words that were left out,
    ``unknown`` those of them that no product has, ``words`` the others that some found product has.
    """

    mask: NDArray[np.bool_]
    share: float
    dropped: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def complete(plan: Plan, found: Found) -> NDArray[np.bool_]:
    """(m,) which products match every word that is needed."""
    out: NDArray[np.bool_] = (found.bits & plan.needed) == plan.needed
    return out


def keep(query: Query, plan: Plan, found: Found) -> Kept:
    """Return the products that match every word, else those that match what the best of them has of the query."""
    every = complete(plan, found)
    if every.any():
        return Kept(every, 1.0)
    known = sum(1 << int(s) for s in np.unique(plan.slots) if s < plan.n_slots) & int(plan.needed)
    unknown = _words(query, int(plan.needed) & ~known)
    if not len(found.rows):
        return Kept(every, 0.0, _words(query, int(plan.needed)), unknown)
    patterns, which = np.unique(found.bits & plan.needed, return_inverse=True)
    shares = np.array([_share(plan, int(p)) for p in patterns])
    # A word that no product has tells nothing, rare as it is: the share is one of the words that the shop knows.
    whole = _share(plan, known)
    chosen = _chosen(shares, whole, which, found.scores)
    best = int(patterns[chosen])
    kept = (found.bits & np.uint64(best)) == np.uint64(best)
    share = float(shares[chosen]) / whole if whole else 0.0
    seen = _words(query, int(np.bitwise_or.reduce(patterns)))
    return Kept(kept & (best > 0), min(share, 1.0), _words(query, int(plan.needed) & ~best), unknown, seen)


def _chosen(shares: NDArray[np.float64], whole: float, which: NDArray[np.intp], scores: NDArray[np.float32]) -> int:
    """Return which part of the query is kept: of those that tell enough, the one that the best product has.

    A rare word in some text may tell more than the noun that all good answers have in their titles; the list begins
    with these answers, and what is said about it has to fit.
    """
    enough = shares >= ENOUGH * whole
    if not enough.any():
        return int(shares.argmax())
    top = np.full(len(shares), -np.inf)
    np.maximum.at(top, which, scores)
    return int(np.where(enough, top, -np.inf).argmax())


def _words(query: Query, bits: int) -> tuple[str, ...]:
    """Return the typed words of slots, each once."""
    return tuple(dict.fromkeys(slot.typed for s, slot in enumerate(query.slots) if bits >> s & 1))


def _share(plan: Plan, bits: int) -> float:
    return float(sum(plan.shares[s] for s in range(plan.n_slots) if bits >> s & 1))


def left_out(words: tuple[str, ...]) -> str:
    """Say which words were left out."""
    return f"no product has every word: left out {_listed(words)}"


def read_as(corrections: dict[str, str]) -> str:
    """Say which words were read as others."""
    return "; ".join(f"read '{typed}' as '{used}'" for typed, used in corrections.items())


def any_word(words: tuple[str, ...]) -> str:
    """Say that products with one of the words count."""
    return f"no product has most of the words: any product with {_listed(words, 'or')}"


def _listed(words: tuple[str, ...], between: str = "and") -> str:
    quoted = [f"'{w}'" for w in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {between} {quoted[-1]}"
