"""From ranked rows back to what the shop knows: ids, titles, prices, and where each item came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from recsys.candidates.fuse import FOUND
from recsys.data.text import clean_text
from recsys.dataset import ItemTable
from recsys.explaining import Said
from recsys.funnel import Plan, Stopwatch
from recsys.result import MAX_TITLE, Recommendation, Result, Trace
from recsys.searching import Answer
from recsys.types import Slates
from recsys.workings import Workings


def results(slates: Slates, items: ItemTable, plan: Plan, watch: Stopwatch, bundle_id: str = "") -> list[Result]:
    """Return one `Result` per list; all share the stages that ``watch`` timed, for the batch was one run."""
    names = list(plan.generators)
    return [_result(slate, items, names, watch, bundle_id) for slate in slates]


def _result(slate: Slates, items: ItemTable, names: Iterable[str], watch: Stopwatch, bundle_id: str) -> Result:
    notes = slate.notes[0] if slate.notes else None
    trace = Trace(
        tuple(watch.stages), bundle_id, notes.degraded if notes else (), notes.warnings if notes else (),
        notes.applied if notes else (), notes.counts if notes else {},
    )  # fmt: skip
    ids = items.vocabulary.ids(slate.items)
    rows = tuple(
        Recommendation(
            rank=place + 1, item_id=ids[place], title=clean_text(items.titles[row], MAX_TITLE),
            score=float(slate.scores[place]), sources=sources(slate, place, names),
            price=None if np.isnan(items.prices[row]) else round(float(items.prices[row]), 2),
            stock=None if items.stock[row] < 0 else int(items.stock[row]),
        )
        for place, row in enumerate(slate.items.tolist())
    )  # fmt: skip
    return Result(rows, trace)


def sources(slate: Slates, place: int, names: Iterable[str]) -> tuple[str, ...]:
    """Return the generators whose own list held the entry, the one that ranked it highest first."""
    if FOUND not in slate.columns:
        return ()
    mask = int(slate.columns[FOUND][place])
    found = [n for bit, n in enumerate(names) if mask >> bit & 1]
    return tuple(sorted(found, key=lambda n: float(slate.columns[f"{n}_rank"][place])))


def with_matches(result: Result, found: Answer, items: ItemTable, price: str = "") -> Result:
    """Return the result of a search with what its words matched, what is folded under each item, and its price."""
    matches, ids = found.matches, items.vocabulary.ids
    listed = items.vocabulary.rows([row.item_id for row in result.items]).tolist()
    rows = tuple(
        replace(row, variants=tuple(ids(found.below[r]))) if r in found.below else row
        for row, r in zip(result.items, listed, strict=True)
    )
    facets, shown = matches.facets[0], {row.item_id for row in rows}
    return replace(
        result, items=rows, total=int(matches.totals[0]), corrections=dict(matches.corrections[0]),
        relaxed=matches.relaxed[0],
        refound=tuple(i for i in ids(np.array(found.refound, dtype=np.int32)) if i in shown),
        facets={} if facets is None else facets.to_dict(), price=price,
    )  # fmt: skip


def with_workings(
    lists: Sequence[Result], workings: Sequence[Sequence[Workings]], degraded: tuple[str, ...] = ()
) -> list[Result]:
    """Return the results with the way of each row through the stages; one list of workings for each."""
    return [
        replace(
            one,
            items=tuple(replace(row, workings=w) for row, w in zip(one.items, way, strict=True)),
            trace=replace(one.trace, degraded=one.trace.degraded + degraded),
        )
        for one, way in zip(lists, workings, strict=True)
    ]


def with_reasons(lists: Sequence[Result], said: Said) -> list[Result]:
    """Return the results with a reason on each row; ``said`` has one for each row of all lists, in their order."""
    left, late = iter(said.explanations), iter(said.pending or (False,) * len(said.explanations))
    return [
        replace(
            one,
            items=tuple(replace(row, explanation=next(left)) for row in one.items),
            pending=sum(next(late) for _ in one.items),
            trace=replace(one.trace, degraded=one.trace.degraded + said.degraded),
        )
        for one in lists
    ]  # fmt: skip
