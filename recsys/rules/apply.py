"""Rules over ranked lists, in this order:

1. What may not be shown is taken out: rows that the request's mask forbids, withdrawn and hidden items, what the
   page shows already, repeats. Pins and new items that the list lacks are brought in, if they may be shown.
2. Boosts and burials: an item at place p counts as being at p / factor, the factors of all rules that meet it
   multiplied; of equal places the more boosted item goes first. Places are used because scores of rankers have no
   common scale and may be negative: twice as good then means half as far down, whatever the model.
   Where lists show one variant of each product, it is chosen here: the pinned one, else the first in this order.
3. Diversity or calibration orders the best of what came out of 2.
4. The list is filled from the top: a pin that is due, else a new item where a place is kept for one, else the next
   item that no cap forbids. Pins count for the caps but are not bound by them; new items are bound.

So the mask is above every rule, pins are above caps, caps above exploration, boosts and diversity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from recsys.candidates.fuse import FOUND
from recsys.dataset import ItemTable
from recsys.rank.calibrate import calibrated
from recsys.rank.diversify import varied
from recsys.rank.places import Places, Pool, arranged, taken
from recsys.rules.extra import allowed_entries, draw, extra, widened
from recsys.rules.fill import Filled, Wishes, fill
from recsys.rules.model import Aimed, Rules
from recsys.rules.page import Page
from recsys.rules.trace import RULED, Met, Work, names_of, notes_of
from recsys.search.fold import Parents
from recsys.types import NO_ROWS, Request, Slates, Vectors

_ADDED = "_added"  # a column while the work is under way: items that were no candidates
_MOVED = "_moved"  # True where diversity or calibration gave the item another place
_OWN = "_own"  # the score that an item has in the order that was asked for
MOST = 1e9  # all boosts of an item together; what is buried deeper than one part of it comes last
DAY = 86_400


def apply(
    rules: Rules, slates: Slates, requests: Sequence[Request], items: ItemTable, k: int, *,
    page: Page | Iterable[str] | None = None, vectors: Vectors | None = None, in_order: bool = False,
    parents: Parents | None = None, named: bool = False,
) -> Slates:  # fmt: skip
    """Return lists of at most ``k`` that obey the rules; ``notes[i].applied`` names those that had a part in list i.

    No list holds an item that its request forbids, nor one twice. Scores are those of the listed items, sorted, so
    that lists stay best first; one that was not scored counts as the last that was. The column "ranked_score" holds
    each item's own, NaN where it was not scored. A pin that cannot be shown is a warning in the notes.

    Args:
        rules: what the merchant asks for.
        slates: ranked lists, longer than ``k`` where there are more (`Rules.pool`).
        requests: one a list; their ``allowed``, ``now``, ``text``, ``user`` and ``history`` are read.
        items: the catalogue.
        k: how many places a list has.
        page: what the page shows already, if rules say that it is not repeated.
        vectors: (n_items, d) what likeness is measured by; without them categories, brand and parent.
        in_order: whether the shopper asked for the order that the lists have (by price, say): nothing is moved or
            brought in, only what may not be shown and what caps forbid is left out, and scores stay as they are.
        parents: of which products items are variants, if a list shows one variant of each: then the page's variants
            stand for their products too, and of two pinned variants the one that is pinned higher is shown.
        named: whether the column `RULED` is to hold a tuple of the names of the rules about each entry.
    """
    if in_order:
        place = -np.arange(len(slates.items), dtype=np.float32)
        placed = replace(slates, scores=place, columns={**slates.columns, _OWN: slates.scores})
        out = apply(rules.limits(), placed, requests, items, k, page=page, parents=parents, named=named)
        columns = {name: values for name, values in out.columns.items() if name not in (_OWN, "ranked_score")}
        return replace(out, scores=out.columns[_OWN], columns=columns)
    work = _met(rules, requests, items)
    if rules.exclude_shown and page is not None:
        work.shown = (page if isinstance(page, Page) else Page(page)).rows(items)
    weighted = _weighted(work, _permitted(work, slates, k, parents))
    if parents is not None:
        weighted = _one_each(work, weighted, k, parents)
    ordered = _diverse(work, weighted, k, vectors)
    pool = Pool.of(ordered, int(ordered.lengths.max(initial=0)))
    wishes = _wishes(work, pool, k)
    filled = fill(wishes, rules.caps, items)
    out = _listed(pool, filled)
    columns = {name: values for name, values in out.columns.items() if name not in (_ADDED, _MOVED)}
    if named:
        columns[RULED] = names_of(work, out, filled, out.columns.get(_MOVED))
    return replace(out, columns=columns, notes=notes_of(work, wishes.rows, filled, out.notes))


def _met(rules: Rules, requests: Sequence[Request], items: ItemTable) -> Work:
    """Return which items and requests each rule is about."""

    def about(aimed: Sequence[Aimed]) -> list[Met]:
        return [Met(rule.label, rule.mask(items), rule.applies(requests)) for rule in aimed]

    nothing = np.zeros(len(requests), dtype=np.int64)
    return Work(rules, requests, items, about(rules.boost), about(rules.bury), about(rules.hide), NO_ROWS, nothing)


def _permitted(work: Work, slates: Slates, k: int, parents: Parents | None) -> Slates:
    """Return the lists, best first, with what rules bring in and without what may not be shown."""
    marked = replace(slates, columns={**slates.columns, _ADDED: np.zeros(len(slates.items), dtype=np.bool_)})
    more = extra(work.rules, slates, work.requests, work.items, k)
    marks = np.ones(len(more.items), dtype=np.bool_)
    wide = widened(marked, replace(more, columns={**more.columns, _ADDED: marks}))
    if FOUND not in slates.columns:
        wide = replace(wide, columns={n: c for n, c in wide.columns.items() if n != FOUND})
    wide = wide.ordered(wide.scores, ranked_score=wide.scores.copy())
    owner, rows = wide.request_index, wide.items
    keep = allowed_entries(work.requests, wide, work.items)
    for met in work.hidden:
        keep[keep] &= ~(met.mask[rows[keep]] & met.holds[owner[keep]])
    shown = work.shown
    repeated = np.isin(rows, shown) if parents is None else np.isin(parents.of_rows(rows), parents.of_rows(shown))
    repeated &= keep
    work.repeats += np.bincount(owner[repeated & ~wide.columns[_ADDED]], minlength=len(slates))
    keep &= ~repeated
    once = np.zeros(len(rows), dtype=np.bool_)
    once[np.unique(owner * np.int64(max(len(work.items), rows.max(initial=0) + 1)) + rows, return_index=True)[1]] = True
    entries = np.flatnonzero(keep & once)
    return taken(wide, entries, np.bincount(owner[entries], minlength=len(slates)))


def _weighted(work: Work, slates: Slates) -> Slates:
    """Return the lists in the order of their boosted places."""
    if not (work.rules.boost or work.rules.bury):
        return slates
    owner = slates.request_index
    factor = np.ones(len(slates.items))
    factors = [*(rule.by for rule in work.rules.boost), *(rule.by for rule in work.rules.bury)]
    for by, met in zip(factors, (*work.lifted, *work.lowered), strict=True):
        factor[met.mask[slates.items] & met.holds[owner]] *= by
        np.minimum(factor, MOST, out=factor)
    place = slates.places
    last = factor < 1 / MOST
    boosted = np.where(last, np.inf, (place + 1) / np.where(last, 1, factor))
    # An item that was not scored has no place to be lifted from.
    boosted[slates.columns[_ADDED]] = np.inf
    return taken(slates, np.lexsort((place, -factor, boosted, owner)), slates.lengths)


def _one_each(work: Work, slates: Slates, k: int, parents: Parents) -> Slates:
    """Return the lists with one variant of each product: the one that is pinned highest, else the first."""
    owner, rows = slates.request_index, slates.items
    turn = np.full(len(rows), len(work.rules.pin))
    # As in `_wishes`: the higher pin first, of equal ones the one that was named first.
    pins = sorted(work.rules.pin, key=lambda pin: pin.position)
    for number, pin in reversed([*enumerate(pins)]):
        if pin.position <= k:
            turn[(rows == work.items.vocabulary.row(pin.item_id)) & pin.applies(work.requests)[owner]] = number
    product = parents.of_rows(rows)
    order = np.lexsort((np.arange(len(rows)), turn, product, owner))
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (product[order][1:] != product[order][:-1]) | (owner[order][1:] != owner[order][:-1])
    kept = np.sort(order[first])
    return taken(slates, kept, np.bincount(owner[kept], minlength=len(slates)))


def _diverse(work: Work, slates: Slates, k: int, vectors: Vectors | None) -> Slates:
    """Return the lists with their best in the order of diversity or calibration."""
    rules = work.rules
    if not (rules.diversity or rules.calibration):
        return slates
    pool = Pool.of(slates, max(5 * k, 100))
    added = np.where(pool.entries >= 0, slates.columns[_ADDED][pool.entries], True) if len(slates.items) else True
    rows = np.where(added, -1, pool.rows).astype(np.int32)
    # Caps may leave out some, so more than k are put in order.
    n = 3 * k
    if rules.diversity:
        picks = varied(work.items, rows, rules.diversity, n, vectors)
    else:
        picks = calibrated(work.items, work.requests, rows, rules.calibration, n)
    order = pool.order(picks)
    out = taken(slates, order, slates.lengths)
    return replace(out, columns={**out.columns, _MOVED: order != np.arange(len(order))})


def _wishes(work: Work, pool: Pool, k: int) -> Wishes:
    """Return what each list is to be made of."""
    rules, rows, requests = work.rules, pool.rows, work.requests
    added = np.zeros(rows.shape, dtype=np.bool_)
    if len(pool.slates.items):
        added = (rows >= 0) & pool.slates.columns[_ADDED][pool.entries]
    pinned = np.full(rows.shape, -1, dtype=np.int64)
    turn = np.full(rows.shape, np.iinfo(np.int64).max)
    for number, pin in enumerate(rules.pin):
        row = work.items.vocabulary.row(pin.item_id)
        if pin.position > k or row < 0:
            continue
        here = (rows == row) & pin.applies(requests)[:, None] & (pinned < 0)
        pinned[here] = pin.position - 1
        turn[here] = pin.position * len(rules.pin) + number
    lot = np.full(rows.shape, np.nan)
    slots = np.zeros((len(requests), k), dtype=np.bool_)
    if rules.explore is not None and rows.size:
        holds = rules.explore.applies(requests)
        slots[:, rules.explore.slots(k)] = holds[:, None]
        now = np.array([r.now for r in requests], dtype=np.int64)[:, None]
        created = np.where(rows >= 0, work.items.created[rows], 0)
        new = (created != 0) & (created <= now) & (now - created <= rules.explore.days * DAY) & holds[:, None]
        # Candidates first: something spoke for them.
        lot = np.where(new & (rows >= 0), draw(rules.seed, requests, np.maximum(rows, 0)) + added, np.nan)
    held = np.zeros((len(requests), len(rules.caps)), dtype=np.bool_)
    for c, cap in enumerate(rules.caps):
        held[:, c] = cap.applies(requests)
    return Wishes(rows, pinned, turn, lot, added & (pinned < 0), slots, held)


def _listed(pool: Pool, filled: Filled) -> Slates:
    """Return the picked items as lists, best first."""
    owner, place = np.nonzero(filled.picks >= 0)
    order: Places = pool.entries[owner, filled.picks[owner, place]]
    lengths = np.bincount(owner, minlength=len(filled.picks))
    out = arranged(pool.slates, order, lengths)
    # NaN stands at the end of a list: it takes the last score there is, so that no list ends in nothing.
    missing = np.isnan(out.scores)
    scored = lengths - np.bincount(owner[missing], minlength=len(lengths))
    last = np.maximum(out.offsets[:-1] + scored - 1, 0)
    scores = out.scores.copy()
    scores[missing] = np.where(scored > 0, out.scores[last] if len(scores) else 0, 0)[owner[missing]]
    return replace(out, scores=scores)
