"""From the engine's results to the bodies of responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recsys.dataset import ItemTable
from recsys.explanation import Explanation
from recsys.result import Recommendation, Result, Trace
from recsys.serving.shapes.items import fields_of as item_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of a list beside its rows."""

    list_id: str
    token: str
    cursor: str | None
    variant: str
    experiment: tuple[str, str] | None = None
    missing: Sequence[str] = ()
    total_ms: float = 0.0
    trace: bool = False


def list_body(result: Result, items: ItemTable, fields: Sequence[str], told: Told) -> dict[str, Any]:
    """Return the body of a list; ``fields`` of the items are read from ``items``, the catalogue as it is now."""
    trace = result.trace
    took: dict[str, float] = {}
    for stage in trace.stages:
        took[stage.stage] = round(took.get(stage.stage, 0.0) + stage.took_ms, 3)
    took["total"] = round(told.total_ms, 3)
    arm = told.experiment
    return {
        "list_id": told.list_id, "attribution_token": told.token,
        "model": {"name": told.variant, "version": trace.bundle},
        "experiment": None if arm is None else {"name": arm[0], "arm": arm[1]},
        "items": [row_body(row, fields_of(items, row.item_id, fields), told.trace) for row in result.items],
        "next_cursor": told.cursor, "took_ms": took, "degraded": list(trace.degraded),
        "warnings": list(trace.warnings), "applied_rules": list(trace.applied_rules),
        "missing_ids": list(told.missing), "pending_explanations": result.pending,
        "trace": trace_body(trace) if told.trace else None,
    }  # fmt: skip


def search_body(result: Result, items: ItemTable, fields: Sequence[str], told: Told) -> dict[str, Any]:
    """Return the body of a search's answer."""
    return list_body(result, items, fields, told) | {
        "total": result.total or 0, "facets": dict(result.facets), "corrections": dict(result.corrections),
        "relaxed": list(result.relaxed), "refound": list(result.refound), "price": result.price,
    }  # fmt: skip


def trace_body(trace: Trace) -> dict[str, Any]:
    """Return the body of what a call did."""
    return {"stages": [asdict(stage) for stage in trace.stages], "counts": dict(trace.counts)}


def row_body(row: Recommendation, fields: Mapping[str, Any], trace: bool = False) -> dict[str, Any]:
    """Return the body of one row; a score that is no number, of a stage that failed, is 0."""
    workings = getattr(row, "workings", None)
    return {
        "rank": row.rank, "item_id": row.item_id, "score": row.score if row.score == row.score else 0.0,
        "sources": list(row.sources), "fields": dict(fields), "variants": list(row.variants),
        "explanation": None if row.explanation is None else reason_body(row.explanation, trace),
        "stages": None if workings is None else workings.to_dict(),
    }  # fmt: skip


def reason_body(reason: Explanation, trace: bool = False) -> dict[str, Any]:
    """Return the body of a reason; only with ``trace`` come the statements that a check took out, for no reader."""
    return reason.to_dict() | ({"removed": list(reason.removed)} if trace else {})


def fields_of(items: ItemTable, item_id: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the named fields of an item, ready for JSON."""
    if not names:
        return {}
    row = int(items.vocabulary.rows([item_id])[0])
    known = item_body(items.item(row), bool(items.available[row]))
    return {name: known[name] for name in names}
