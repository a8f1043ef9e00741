"""Every method of the client as the requests that it makes: one place for both classes.

Arguments are those of the methods of the same names; see `recsys.client.client.Client`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from recsys.client import answers
from recsys.client.bodies import (
    MAX_EXPLAINED,
    MAX_TYPED,
    as_text,
    asked,
    budget,
    encoded,
    event_body,
    exclude_body,
    given,
    item_body,
    moment,
    part,
    pieces,
    search_event,
    user_path,
    who,
)
from recsys.client.sending import Call, Calls, one
from recsys.client.values import EventResult, Reranked
from recsys.errors import ConfigError, DataError
from recsys.explanation import Explanation
from recsys.filters import Exclusions
from recsys.profile.lines import Profile
from recsys.result import Result
from recsys.rules import Page
from recsys.suggest.suggester import Suggestion
from recsys.types import Event, Item, Search

T = TypeVar("T")


def _post(name: str, path: str, body: Any, parse: Callable[[Any], T], **more: Any) -> Call[T]:
    content = body if isinstance(body, bytes) else encoded(body)
    return Call(name=name, method="POST", path=path, content=content, parse=parse, **more)


# -- lists -------------------------------------------------------------------------------------------------------------


def recommend(
    user: str | None, k: int, *, context: Sequence[str], exclude: Exclusions | None, page: Page | None,
    budget_ms: float | None, **options: Any,
) -> Calls[Result]:  # fmt: skip
    """One list."""
    return one(_recommend(user, k, context=context, exclude=exclude, page=page, budget_ms=budget_ms, **options))


def _recommend(
    user: str | None, k: int, *, context: Sequence[str], exclude: Exclusions | None, page: Page | None,
    budget_ms: float | None, **options: Any,
) -> Call[Result]:  # fmt: skip
    body = asked(k, page=page, budget_ms=budget_ms, **options) | who(user)
    body |= given(context={"item_ids": list(context)} if context else None, exclude=exclude_body(exclude))
    return _post("recommend", "/v1/recommend", body, lambda b: answers.result(b, page), budget_ms=budget_ms)


def recommend_batch(
    users: Sequence[str | None], k: int, *, page: Page | None, budget_ms: float | None, **options: Any
) -> Calls[list[Result]]:  # fmt: skip
    """One list after the other, each within what is left of the time."""
    if page is not None and len(users) != 1:
        raise ConfigError("a page belongs to one shopper: give one user with it")
    budget(budget_ms)
    end = None if budget_ms is None else time.monotonic() + budget_ms / 1000

    def each() -> Iterator[Call[Result]]:
        for user in users:
            left = None if end is None else max(1.0, (end - time.monotonic()) * 1000)
            yield _recommend(user, k, page=page, budget_ms=left, **options)

    return Calls(each(), list)


def following(listed: Result, k: int | None) -> Calls[Result]:
    """The next page of a list."""
    served = listed.served
    if served is None or served.cursor is None:
        raise DataError("this list has no next page: lists of recommend that are not empty have one")
    body = given(cursor=served.cursor, limit=k)
    return one(_post("next", f"/v1/recommend/{part(served.list_id)}/next", body, answers.result))


def similar_items(item_id: str, k: int, *, page: Page | None, **options: Any) -> Calls[Result]:
    """What goes with an item."""
    path, body = f"/v1/items/{part(item_id)}/similar", asked(k, page=page, **options)
    lacking = f"unknown item_id {item_id!r}"
    return one(_post("similar_items", path, body, lambda b: answers.result(b, page), lacking=lacking))


def search(
    text: str, user: str | None, k: int, *, sort: str, fold: bool, facets: bool, page: Page | None,
    budget_ms: float | None, **options: Any,
) -> Calls[Result]:  # fmt: skip
    """The answer of a search."""
    body = asked(k, page=page, budget_ms=budget_ms, **options) | who(user)
    body |= {"query": text, "sort": sort, "fold": fold, "facets": facets}
    return one(_post("search", "/v1/search", body, lambda b: answers.result(b, page), budget_ms=budget_ms))


def suggest(text: str, user: str | None, k: int, after: bool) -> Calls[list[Suggestion]]:
    """What may be typed next, or (``after``) asked next."""
    params = {"q": text[:MAX_TYPED], "limit": k, **who(user), **({"after": "true"} if after else {})}
    return one(Call(name="suggest", method="GET", path="/v1/suggest", params=params, parse=_suggestions))


def _suggestions(body: answers.Body) -> list[Suggestion]:
    return [Suggestion(each["text"], each["source"]) for each in body["suggestions"]]


def rank(
    user: str | None, item_ids: Sequence[str], k: int | None, *, variant: str | None, now: Any,
    budget_ms: float | None, strict: bool, workings: bool,
) -> Calls[Result]:  # fmt: skip
    """The shop's own candidates in order."""
    options = asked(1, variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings)
    if not _distinct(item_ids):
        return Calls((), lambda _: Result(()))
    del options["limit"]
    body = options | who(user) | given(item_ids=list(item_ids), limit=k)
    return one(_post("rank", "/v1/rank", body, answers.result, budget_ms=budget_ms))


def explain(
    user: str | None, item_ids: Sequence[str], *, variant: str | None, now: Any, strict: bool
) -> Calls[list[Explanation]]:  # fmt: skip
    """Reasons."""
    ids, shared = _distinct(item_ids), who(user)
    shared |= given(variant=variant or None, now=moment(now), strict=strict or None, trace=True)
    calls = [
        _post("explain", "/v1/explain", {**shared, "item_ids": ids[i : i + MAX_EXPLAINED]}, answers.explanations)
        for i in range(0, len(ids), MAX_EXPLAINED)
    ]
    return Calls(calls, lambda found: [reason for some in found for reason in some])


def _distinct(item_ids: Sequence[str]) -> list[str]:
    if len(set(item_ids)) != len(item_ids):
        raise DataError("item_ids names an item twice")
    return list(item_ids)


def rerank(
    query: str, documents: Sequence[str], user: str | None, top_n: int | None, model: str | None
) -> Calls[list[Reranked]]:  # fmt: skip
    """Texts in the order in which they answer a query."""
    body = given(query=query, documents=list(documents), top_n=top_n, model=model) | who(user)
    return one(_post("rerank", "/v1/rerank", body, _reranked))


def _reranked(body: answers.Body) -> list[Reranked]:
    return [Reranked(each["index"], each["relevance_score"]) for each in body["results"]]


# -- what a shop tells -------------------------------------------------------------------------------------------------


def add_items(items: Sequence[Item]) -> Calls[None]:
    """Items, all or none of each request."""
    calls = [
        _post("add_items", "/v1/items:batch", content, lambda _: None, before=start)
        for start, content in pieces("items", [item_body(item) for item in items], all_or_none=True)
    ]
    return Calls(calls, lambda _: None)


def withdraw(item_ids: Sequence[str]) -> Calls[None]:
    """Items off the shelf."""
    size = 1_000
    bodies = [{"item_ids": list(item_ids[i : i + size])} for i in range(0, len(item_ids), size)]
    return Calls([_post("withdraw", "/v1/items:withdraw", body, lambda _: None) for body in bodies], lambda _: None)


def add_events(events: Sequence[Event], listed: Result | None) -> Calls[int]:
    """Events, all or none of each request; how many were new."""
    return _logged("add_events", [event_body(e, listed) for e in events], [not e.event_id for e in events])


def add_each(events: Sequence[Event], listed: Result | None) -> Calls[list[EventResult]]:
    """Events, each judged by itself; what became of each."""
    bodies = [event_body(e, listed) for e in events]
    ours = [not e.event_id for e in events]
    calls = [
        _post("add_events", "/v1/events", content, _told_from(start, bodies, ours), before=start)
        for start, content in pieces("events", bodies)
    ]
    return Calls(calls, lambda found: [each for some in found for each in some])


def _told_from(start: int, bodies: Sequence[Any], ours: Sequence[bool]) -> Callable[[Any], list[EventResult]]:
    """Return what reads an answer about the entries from ``start`` on; ``ours`` says which ids were given here."""

    def read(body: answers.Body) -> list[EventResult]:
        return [result(start + r["index"], r) for r in body["results"]]

    def result(index: int, said: answers.Body) -> EventResult:
        # An id that was given here is known already only where an earlier answer was lost on its way.
        status: Any = "accepted" if said["status"] == "duplicate" and ours[index] else said["status"]
        return EventResult(index, status, bodies[index]["event_id"], said["field"], said["error"])

    return read


def _logged(name: str, bodies: Sequence[dict[str, Any]], ours: Sequence[bool]) -> Calls[int]:
    calls = [
        _post(name, "/v1/events", content, _told_from(start, bodies, ours), before=start)
        for start, content in pieces("events", bodies, all_or_none=True)
    ]
    return Calls(calls, lambda found: sum(each.status == "accepted" for some in found for each in some))


def add_searches(searches: Sequence[Search]) -> Calls[int]:
    """Searches, which the service takes as events."""
    return _logged("add_searches", [search_event(s) for s in searches], [not s.search_id for s in searches])


# -- people ------------------------------------------------------------------------------------------------------------


def merge(guest: str, customer: str) -> Calls[int]:
    """A visitor who turned out to be a customer."""
    path, params = user_path(customer, ":merge")
    body = who(guest)
    return one(_post("merge", path, body, lambda b: int(b["moved"]), params=params, repeatable=False))


def erase(user: str) -> Calls[int]:
    """Forgetting somebody for good."""
    path, params = user_path(user)

    def gone(body: answers.Body) -> int:
        return int(body["removed"].get("event", 0))

    return one(Call(name="erase", method="DELETE", path=path, params=params, parse=gone, repeatable=False))


def export(user: str) -> Calls[list[dict[str, Any]]]:
    """All that is known of somebody."""
    path, params = user_path(user, "/export")
    return one(Call(name="export", method="GET", path=path, params=params, parse=lambda b: list(b["records"])))


def profile(user: str, now: Any) -> Calls[Profile]:
    """What the shop believes of somebody."""
    path, params = user_path(user, "/profile")
    params |= given(now=as_text(now))
    return one(Call(name="profile", method="GET", path=path, params=params, parse=answers.profile))


def _edit(name: str, user: str, edit: dict[str, str], now: Any, parse: Callable[[Any], T]) -> Calls[T]:
    path, params = user_path(user, "/profile")
    content = encoded({"edits": [edit]} | given(now=moment(now)))
    # Forgetting a line twice is an error, and undoing a change twice changes nothing the second time.
    return one(
        Call(
            name=name, method="PUT", path=path, params=params, content=content,
            parse=lambda body: parse(body["edits"][0]), repeatable=edit["action"] == "edit",
        )
    )  # fmt: skip


def edit_profile(user: str, line_id: str, text: str, now: Any) -> Calls[None]:
    """A line in the shopper's own words."""
    edit = {"line_id": line_id, "action": "edit", "text": text}
    return _edit("edit_profile", user, edit, now, lambda _: None)


def forget(user: str, line_id: str, now: Any) -> Calls[tuple[str, ...]]:
    """A line taken out."""
    edit = {"line_id": line_id, "action": "forget"}
    return _edit("forget", user, edit, now, lambda done: tuple(done["item_ids"]))


def restore_line(user: str, line_id: str) -> Calls[bool]:
    """A change of a line undone."""
    edit = {"line_id": line_id, "action": "restore"}
    return _edit("restore_line", user, edit, None, lambda done: bool(done["changed"]))


def remove_reason(user: str, reason: Explanation | str, now: Any) -> Calls[tuple[str, ...]]:
    """Events that are to count no more, one request for each item that they are on."""
    cited = [e.item_id for e in reason.evidence if e.kind == "event"] if isinstance(reason, Explanation) else [reason]
    ids = tuple(dict.fromkeys(cited))
    if not ids:
        raise DataError("the reason cites no event of the shopper: there is nothing to forget")
    return Calls([_feedback("remove_reason", user, item_id, now) for item_id in ids], lambda _: ids)


def not_interested(user: str, item_id: str, now: Any) -> Calls[None]:
    """Something that a shopper does not want."""
    return one(_feedback("not_interested", user, item_id, now))


def _feedback(action: str, user: str, item_id: str, now: Any) -> Call[None]:
    body = who(user) | given(item_id=item_id, action=action, now=moment(now))
    return _post(action, "/v1/feedback", body, lambda _: None, repeatable=False)
