"""How the workings of a list are printed: under each item, stage after stage, what was said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.output import table

if TYPE_CHECKING:
    from recsys.result import Result
    from recsys.workings import Placed, Preranked, Workings

ShowWorkings = Annotated[
    bool, typer.Option("--workings", help="Show how each item came to its place: sources, features, rules, moves.")
]


def workings_table(result: Result) -> Any:
    """Return the workings of a list as a rich table, one row an item."""
    head = ("#", "item", "sources: place (share of the best)", "stages: place, score (places up or down)")
    lines = [
        (str(r.rank), r.item_id, "\n".join(_sources(r.workings)), "\n".join(_stages(r.workings)))
        for r in result
        if r.workings is not None
    ]
    return table("workings", head, lines, numbers=(0,))


def _sources(way: Workings) -> list[str]:
    heard = [(name, s) for name, s in way.sources.items() if s.found or s.share]
    found = sorted(heard, key=lambda named: named[1].rank)
    return [f"{name} {s.rank} ({s.share:.2f}){'' if s.found else ', asked'}" for name, s in found] or ["none"]


def _stages(way: Workings) -> list[str]:
    out = [] if way.fused is None else [f"fused {_place(way.fused)}"]
    if way.prerank is not None:
        out.append(f"{way.prerank.name} {_place(way.prerank)}{_moved(way, 'prerank')}")
        out += [f"  {f.contribution:+.3f} {f.label}{_value(f.value)}" for f in way.prerank.features]
        if way.prerank.rest is not None:
            out.append(f"  {way.prerank.rest:+.3f} all else, {way.prerank.expected:+.3f} to begin with")
    if way.rerank is not None:
        out.append(f"{way.rerank.name} {_place(way.rerank)}{_moved(way, 'rerank')}")
    if way.moves.get("refound"):
        out.append(f"chosen for this search before{_moved(way, 'refound')}")
    if way.moves.get("fold"):
        out.append(f"variants of one product in one row{_moved(way, 'fold')}")
    if way.rules or way.moves.get("rules"):
        out.append(f"rules{_moved(way, 'rules')}: {', '.join(way.rules) or 'others made room'}")
    return out


def _place(said: Placed | Preranked) -> str:
    return f"{said.rank}" if said.score is None else f"{said.rank}, {said.score:.4f}"


def _moved(way: Workings, stage: str) -> str:
    places = way.moves.get(stage, 0)
    return f" ({places:+d})" if places else ""


def _value(value: float | None) -> str:
    return "" if value is None else f" = {value:.3g}"
