"""From the bodies of responses to the engine's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.explanation import Evidence, Explanation
from recsys.profile.lines import Line, Profile
from recsys.result import MAX_TITLE, Recommendation, Result, Served, StageTrace, Trace
from recsys.rules import Page
from recsys.workings import Workings

Body = Mapping[str, Any]
_EVIDENCE = frozenset(f.name for f in fields(Evidence))


def all_known(body: Body) -> None:
    """Raise `DataError` where the request named an item that the shop does not have, as the engine does."""
    if body["missing_ids"]:
        raise DataError(f"unknown item_id {body['missing_ids'][0]!r}")


def result(body: Body, page: Page | None = None) -> Result:
    """Return a list, and add it to the page that it is shown on."""
    all_known(body)
    rows = tuple(_row(one) for one in body["items"])
    if page is not None:
        page.add(row.item_id for row in rows)
    experiment = body["experiment"]
    served = Served(
        list_id=body["list_id"], attribution_token=body["attribution_token"], cursor=body["next_cursor"],
        variant=body["model"]["name"], took_ms=body["took_ms"]["total"],
        experiment=None if experiment is None else (experiment["name"], experiment["arm"]),
    )  # fmt: skip
    return Result(rows, _trace(body), pending=body["pending_explanations"], served=served, **_found(body))


def _found(body: Body) -> dict[str, Any]:
    """Return what only a search says."""
    if "total" not in body:
        return {}
    return {
        "total": body["total"], "facets": body["facets"], "corrections": body["corrections"],
        "relaxed": tuple(body["relaxed"]), "refound": tuple(body["refound"]), "price": body["price"],
    }  # fmt: skip


def _trace(body: Body) -> Trace:
    did = body["trace"]
    return Trace(
        tuple(StageTrace(s["stage"], s["plugin"], s["took_ms"], s["n_in"], s["n_out"]) for s in did["stages"]),
        body["model"]["version"], tuple(body["degraded"]), tuple(body["warnings"]), tuple(body["applied_rules"]),
        did["counts"],
    )  # fmt: skip


def _row(row: Body) -> Recommendation:
    known, price = row["fields"], row["fields"]["price"]
    return Recommendation(
        rank=row["rank"], item_id=row["item_id"], title=clean_text(known["title"], MAX_TITLE), score=row["score"],
        sources=tuple(row["sources"]), price=None if price is None else round(price, 2), stock=known["stock"],
        explanation=None if row["explanation"] is None else explanation(row["explanation"]),
        variants=tuple(row["variants"]), workings=None if row["stages"] is None else Workings.of(row["stages"]),
    )  # fmt: skip


def explanation(body: Body) -> Explanation:
    """Return a reason."""
    return Explanation(
        text=body["text"], kind=body["kind"], evidence=_evidence(body["evidence"]), causal_drop=body["causal_drop"],
        confidence=body["confidence"], removed=tuple(body["removed"] or ()),
    )  # fmt: skip


def _evidence(found: Sequence[Body]) -> tuple[Evidence, ...]:
    return tuple(Evidence(**{n: v for n, v in one.items() if n in _EVIDENCE}) for one in found)


def explanations(body: Body) -> list[Explanation]:
    """Return reasons in the order in which they were asked for."""
    all_known(body)
    return [explanation(one["explanation"]) for one in body["explanations"]]


def profile(body: Body) -> Profile:
    """Return a profile."""
    lines = tuple(
        Line(
            line_id=one["line_id"], kind=one["kind"], text=one["text"], weight=one["weight"],
            evidence=_evidence(one["evidence"]), item_ids=tuple(one["item_ids"]), edited=one["edited"],
        )
        for one in body["lines"]
    )  # fmt: skip
    return Profile(user=body["user_id"], lines=lines, hidden=tuple(body["hidden"]))
