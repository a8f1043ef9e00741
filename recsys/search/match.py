"""From found products to an answer: which match, what was given up for that, how many of which kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.search import relax
from recsys.search.facets import FacetIndex, Facets
from recsys.search.fold import Parents, cut, fold
from recsys.search.matches import Matches
from recsys.search.plan import Found, Plan, Searcher
from recsys.search.query import Query
from recsys.search.sort import sort
from recsys.types import ItemRows, RowMask, Slates, offsets_of

# Reads a text again, more boldly.
Again = Callable[[str], tuple[Query, Plan]]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One query: everything found, which of it matches, and what was given up."""

    query: Query
    found: Found
    mask: NDArray[np.bool_]
    dropped: tuple[str, ...] = ()
    relaxed: tuple[str, ...] = ()


def answer(searcher: Searcher, query: Query, plan: Plan, allowed: RowMask | None, again: Again) -> Answer:
    """Return what one query finds; where nothing has all of it, what it finds with as little given up as can be.

    A word that no product has is corrected more boldly if that makes everything match. Else the least telling words
    are left out; else words are corrected more boldly and left out; else any word will do.
    """
    found = searcher.every(plan, allowed)
    kept = relax.keep(query, plan, found)
    if not kept.dropped:
        return Answer(query, found, kept.mask)
    bold = None
    if kept.unknown or kept.share < relax.ENOUGH:
        bold = _bold(searcher, query, allowed, again)
    if bold is not None and not bold[2].dropped:
        return _corrected(query, *bold)
    if kept.share >= relax.ENOUGH:
        return Answer(query, found, kept.mask, kept.dropped, (relax.left_out(kept.dropped),))
    if bold is not None and bold[2].share >= relax.ENOUGH:
        return _corrected(query, *bold)
    if bold is not None and len(bold[1].rows) > len(found.rows):
        query, found, kept = bold
    if not kept.words:  # function words at most: that is no answer
        return Answer(query, found, np.zeros(len(found.rows), np.bool_))
    told = (found.bits & plan.needed) > 0
    return Answer(
        query, found, told, tuple(w for w in kept.dropped if w not in kept.words), (relax.any_word(kept.words),)
    )


def _bold(
    searcher: Searcher, query: Query, allowed: RowMask | None, again: Again
) -> tuple[Query, Found, relax.Kept] | None:
    """Return what the query finds when it is read more boldly; None where it reads the same."""
    bold, plan = again(query.text)
    if bold.corrections == query.corrections:
        return None
    found = searcher.every(plan, allowed)
    return bold, found, relax.keep(bold, plan, found)


def _corrected(before: Query, query: Query, found: Found, kept: relax.Kept) -> Answer:
    fresh = {typed: used for typed, used in query.corrections.items() if before.corrections.get(typed) != used}
    said = (relax.read_as(fresh), *((relax.left_out(kept.dropped),) if kept.dropped else ()))
    return Answer(query, found, kept.mask, kept.dropped, said)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """How answers are shown: at most ``n`` each, in which order, folded or not, with facets or not.

    ``key`` gives the values to sort rows by, None sorts by relevance.
    """

    n: int
    key: Callable[[ItemRows], NDArray[np.float64]] | None = None
    parents: Parents | None = None
    facets: FacetIndex | None = None


def matches(answers: Sequence[Answer], shown: Shown) -> Matches:
    """Return answers as they are shown.

    By relevance, products that match in part follow in the order of their scores; any other order is one of the
    products that match: the cheapest product that shares a word with the query is no answer.
    """
    parts = [_listed(a, shown) for a in answers]
    slates = Slates(
        np.concatenate([np.empty(0, np.int32), *(p[0] for p in parts)]).astype(np.int32),
        np.concatenate([np.empty(0, np.float32), *(p[1] for p in parts)]).astype(np.float32),
        offsets_of(np.array([len(p[0]) for p in parts], np.int64)),
        {"matches": np.concatenate([np.empty(0, np.bool_), *(p[2] for p in parts)])},
    )
    if shown.key is not None:
        slates = sort(slates, shown.key(slates.items))
    variants = None
    if shown.parents is not None:
        slates, variants = cut(*fold(slates, shown.parents), shown.n)
    elif shown.key is not None:
        place = slates.places
        kept = place < shown.n
        slates = Slates(
            slates.items[kept], slates.scores[kept], offsets_of(np.minimum(slates.lengths, shown.n)),
            {"matches": slates.columns["matches"][kept]},
        )  # fmt: skip
    counted: list[Facets | None] = [
        None if shown.facets is None else shown.facets.count(a.found.rows[a.mask]) for a in answers
    ]
    return Matches(
        tuple(a.query for a in answers), slates, np.array([int(a.mask.sum()) for a in answers], np.int64),
        tuple(dict(a.query.corrections) for a in answers), tuple(a.dropped for a in answers),
        tuple(a.relaxed for a in answers), tuple(counted), variants,
    )  # fmt: skip


def _listed(a: Answer, shown: Shown) -> tuple[ItemRows, NDArray[np.float32], NDArray[np.bool_]]:
    """Return the rows that are shown, best first, as many as sorting and folding may need."""
    rows, scores, mask = a.found.rows, a.found.scores, a.mask
    if shown.key is not None:
        kept = np.flatnonzero(mask)
    elif shown.parents is None:
        kept = _best(scores, shown.n)
    else:
        kept = _best_products(rows, scores, shown.parents, shown.n)
    rows, scores, mask = rows[kept], scores[kept], mask[kept]
    order = np.lexsort((rows, -scores))
    if shown.key is None and shown.parents is None:
        order = order[: shown.n]
    return rows[order], scores[order], mask[order]


def _best(scores: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    """Return the places of the best ``n`` scores, and of all that tie with the last of them."""
    if n >= len(scores) or n < 1:
        return np.arange(len(scores) if n > 0 else 0)
    least = np.partition(scores, len(scores) - n)[len(scores) - n]
    return np.flatnonzero(scores >= least)


def _best_products(rows: ItemRows, scores: NDArray[np.float32], parents: Parents, n: int) -> NDArray[np.intp]:
    """Return the places of all variants of the best ``n`` products or a few more: the rest need not be sorted."""
    products, wanted = parents.of_rows(rows), n
    while True:
        best = _best(scores, wanted)
        among = np.unique(products[best])
        if len(among) >= n or len(best) == len(rows):
            break
        wanted *= 4
    with_variants = np.zeros(len(parents.names) + 1, np.bool_)
    with_variants[among[among >= 0]] = True
    with_variants[-1] = False
    chosen = with_variants[np.where(products < 0, -1, products)]
    chosen[best] = True
    return np.flatnonzero(chosen)
