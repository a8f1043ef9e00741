"""What a tenant's shoppers ask for: lists, their next pages, similar items, searches, ranks, reasons.

Each function takes the body of a request and returns that of its response. It runs in a worker's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

from recsys.engine import Engine
from recsys.errors import DataError
from recsys.result import Result, Trace
from recsys.rules import Page
from recsys.serving.attribution import CURSOR, Attribution, read
from recsys.serving.experiments import assigned
from recsys.serving.listlog import ListRecord
from recsys.serving.problems import not_found
from recsys.serving.responses import Told, list_body, reason_body, search_body
from recsys.serving.shapes.base import shown
from recsys.serving.shapes.lists import (
    Asked,
    ExplainIn,
    NextIn,
    RankIn,
    RecommendIn,
    SearchIn,
    SimilarIn,
)
from recsys.serving.tenant import Generation, Tenant, known, within, worded
from recsys.types import now_seconds

WORDS_S = 5.0  # how long reasons by a slow model are waited for where a request names no time


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is known of a call beside its body.

    ``forced`` is the filter of the caller's key, "" for none. ``begun`` is when the request was read, of
    `time.perf_counter`; ``budget_ms`` what was left of its time when its work began. ``seen`` hears of every trace.
    """

    tenant: Tenant
    forced: str = ""
    begun: float = field(default_factory=time.perf_counter)
    budget_ms: float | None = None
    seen: Callable[[Trace], None] = lambda trace: None

    def within(self, budget_ms: float | None) -> Call:
        """Return the call as its work begins, with what is left of its time."""
        return self if budget_ms is None else replace(self, budget_ms=budget_ms)


def recommend(call: Call, body: RecommendIn, *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return a list for a shopper."""
    call = call.within(budget_ms)
    return _recommended(call, body, _new("recommend", call, body, body.placement), body.limit)


def next_page(call: Call, list_id: str, body: NextIn, *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return the next page of a list, without what its pages so far have shown.

    Raises:
        Problem: 404, there is no such list any more.
        DataError: the cursor is not one of this list.
    """
    call = call.within(budget_ms)
    cursor = read(call.tenant.tokens, body.cursor, call.tenant.name, cursor=True)
    if cursor.list_id != list_id:
        raise DataError("cursor: is not one of this list")
    listed = call.tenant.lists.get(list_id)
    if listed is None or not 0 < cursor.page <= len(listed.pages):
        raise not_found("list")
    # A page that is asked for again is made again from what came before it.
    before, later = listed.pages[: cursor.page], listed.pages[cursor.page + 1 :]
    listed = replace(listed, pages=before)
    asked = RecommendIn.model_validate({**listed.request, **({} if listed.user is None else shown(listed.user))})
    return _recommended(call, asked, listed, body.limit or asked.limit, later)


def _recommended(
    call: Call, body: RecommendIn, listed: ListRecord, limit: int, later: tuple[tuple[str, ...], ...] = ()
) -> dict[str, Any]:
    now = call.tenant.generation
    context, missing = known(now.engine, (*body.context.item_ids, *body.context.cart))
    options = _options(call, body, listed)

    def ask(engine: Engine) -> Result:
        return engine.recommend(
            body.who, limit, context=context, exclude=body.exclusions(), rules=body.asked_rules(),
            page=_page(body, listed.shown), **options,
        )  # fmt: skip

    result = _answered(call, now, body, ask)
    return _told(call, now.engine, body, listed, result, missing, later=later)


def similar(call: Call, item_id: str, body: SimilarIn, *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return what goes with an item.

    Raises:
        Problem: 404, the shop has no such item.
    """
    call = call.within(budget_ms)
    engine = call.tenant.engine
    if known(engine, [item_id])[1]:
        raise not_found("item")
    listed = replace(_new("similar", call, body, "similar"), variant=engine.config.variant)
    result = engine.similar_items(
        item_id, body.limit, where=within(call.forced, body.where), rules=body.rules, page=_page(body), now=body.now,
        strict=body.strict,
    )  # fmt: skip
    call.seen(result.trace)
    return _told(call, engine, body, listed, result, [], more=False)


def search(call: Call, body: SearchIn, *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return the answer of a search."""
    call = call.within(budget_ms)
    now = call.tenant.generation
    listed = _new("search", call, body, body.placement)
    options = _options(call, body, listed)

    def ask(engine: Engine) -> Result:
        return engine.search(
            body.query, body.who, body.limit, sort=body.sort, fold=body.fold, facets=body.facets, rules=body.rules,
            page=_page(body), **options,
        )  # fmt: skip

    result = _answered(call, now, body, ask)
    return _told(call, now.engine, body, listed, result, [], make=search_body, more=False)


def suggest(
    call: Call, typed: str, user: str | None, k: int, after: bool = False, *, budget_ms: float | None = None
) -> dict[str, Any]:
    """Return texts that go on from what is being typed, or (``after``) what may be asked next."""
    begin = time.perf_counter()
    engine = call.tenant.engine
    found = (engine.suggest_next if after else engine.suggest)(typed, user, k)
    took_ms = round((time.perf_counter() - begin) * 1000, 3)
    return {"suggestions": [{"text": s.text, "source": s.source} for s in found], "took_ms": took_ms}


def rank(call: Call, body: RankIn, *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return the given items in the shopper's order; ids that the shop does not have are named, not ranked."""
    call = call.within(budget_ms)
    engine = call.tenant.engine
    ids, missing = known(engine, body.item_ids)
    listed = _new("rank", call, body, body.placement)
    if not ids:
        return _told(call, engine, body, listed, Result(()), missing, more=False)
    options: dict[str, Any] = {"workings": True} if body.debug else {}
    result = engine.rank(
        body.who, ids, body.limit, variant=listed.variant, now=body.now, strict=body.strict,
        budget_ms=_budget(call, body.timeout_ms), **options,
    )  # fmt: skip
    call.seen(result.trace)
    return _told(call, engine, body, listed, result, missing, more=False)


def explain(call: Call, body: ExplainIn, *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return why a shopper would want each of the items: by the plan of the list, where a token names one.

    Raises:
        Problem: 404, the list that the token names is not there any more.
        DataError: the token is not ours.
    """
    begin, call = time.perf_counter(), call.within(budget_ms)
    engine = call.tenant.engine
    user, variant = body.who, body.variant
    if body.attribution_token is not None:
        list_id = read(call.tenant.tokens, body.attribution_token, call.tenant.name).list_id
        listed = call.tenant.lists.get(list_id)
        if listed is None:
            raise not_found("list")
        user, variant = listed.user, variant or listed.variant
    ids, missing = known(engine, body.item_ids)
    said = engine.explain(user, ids, variant=variant, now=body.now, strict=body.strict)
    if body.explain == "generated" and engine.reasons_queued:
        engine.wait_for_reasons(_seconds(call, body.timeout_ms))
        said = engine.explain(user, ids, variant=variant, now=body.now, strict=body.strict)
    return {
        "explanations": [
            {"item_id": i, "explanation": reason_body(one, body.trace)} for i, one in zip(ids, said, strict=True)
        ],
        "missing_ids": missing, "model": {"name": variant or engine.config.variant, "version": engine.bundle_id},
        "took_ms": round((time.perf_counter() - begin) * 1000, 3),
    }  # fmt: skip


def _new(kind: str, call: Call, body: Any, placement: str) -> ListRecord:
    """Return the record of a list that is about to be made, with the variant that the shopper gets."""
    tenant, now = call.tenant, now_seconds() if body.now is None else body.now
    # Who names a variant is not part of an experiment: they would be counted for an arm that they did not get.
    arm = None if getattr(body, "variant", None) else assigned(tenant.experiments, placement, body.who, now)
    experiment, name, variant = arm or ("", "", getattr(body, "variant", None) or tenant.engine.config.variant)
    return ListRecord(
        list_id=f"l_{token_hex(12)}", user=body.who, created=now, kind=kind, bundle="", variant=variant,
        placement=placement, experiment=experiment, arm=name,
        request=_kept(body) if kind == "recommend" else {},
    )  # fmt: skip


def _kept(body: RecommendIn) -> dict[str, Any]:
    """Return what the next page of a list needs to know; who asked is kept by the list itself."""
    return body.model_dump(mode="json", exclude_unset=True, exclude={"user_id", "anonymous_id"})


def _options(call: Call, body: Asked, listed: ListRecord) -> dict[str, Any]:
    options: dict[str, Any] = {
        # Where nobody named one, the shadow has its own.
        "variant": listed.variant if listed.experiment else body.variant,
        "where": within(call.forced, body.where), "explain": _explained(body), "now": body.now,
        "budget_ms": _budget(call, body.timeout_ms), "strict": body.strict,
    }  # fmt: skip
    return options | ({"workings": True} if body.debug else {})


def _page(body: Asked, shown: Sequence[str] = ()) -> Page | None:
    """Return what the page shows already, ``shown`` being earlier pages of the list; None where that is nothing."""
    if body.shown_item_ids is None and not shown:
        return None
    return Page((*(body.shown_item_ids or ()), *shown))


def _explained(body: Asked) -> bool | str:
    return (body.explainer or True) if body.explain != "none" else False


def _budget(call: Call, timeout_ms: float | None) -> float | None:
    limits = [ms for ms in (call.budget_ms, timeout_ms) if ms is not None]
    return min(limits, default=None)


def _seconds(call: Call, timeout_ms: float | None) -> float:
    budget = _budget(call, timeout_ms)
    return WORDS_S if budget is None else budget / 1000


def _answered(call: Call, now: Generation, body: Asked, ask: Callable[[Engine], Result]) -> Result:
    """Return what the serving engine answers; the shadow is asked the same, later and by itself."""
    engine = now.engine
    if body.explain == "generated":
        result = worded(engine, lambda: ask(engine), _seconds(call, body.timeout_ms))
    else:
        result = ask(engine)
    call.seen(result.trace)
    if now.shadow is not None:
        now.shadow.compare(ask, result)
    return result


def _told(
    call: Call, engine: Engine, body: Any, listed: ListRecord, result: Result, missing: list[str], *,
    make: Callable[..., dict[str, Any]] = list_body, more: bool = True, later: tuple[tuple[str, ...], ...] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return the body of a list, and keep its record; ``later`` are pages behind this one that were shown before."""
    page = tuple(row.item_id for row in result.items)
    following = Attribution(tenant=call.tenant.name, list_id=listed.list_id, kind=CURSOR, page=len(listed.pages) + 1)
    listed = replace(listed, bundle=result.trace.bundle, pages=(*listed.pages, page, *later))
    call.tenant.lists.add(listed, written=call.tenant.remembers(listed.user))
    carried = Attribution(
        tenant=call.tenant.name, list_id=listed.list_id, kind=listed.kind, bundle=listed.bundle,
        variant=listed.variant, experiment=listed.experiment, arm=listed.arm, issued_at=listed.created,
    )  # fmt: skip
    tokens = call.tenant.tokens
    told = Told(
        list_id=listed.list_id, token=carried.signed(tokens),
        cursor=following.signed(tokens) if more and page else None,
        variant=listed.variant, experiment=(listed.experiment, listed.arm) if listed.experiment else None,
        missing=missing, total_ms=(time.perf_counter() - call.begun) * 1000, trace=body.trace,
    )  # fmt: skip
    return make(result, engine.store.items(), getattr(body, "return_fields", ()), told)
