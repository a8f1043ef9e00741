"""From the engine's values to what a request says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from recsys.errors import ConfigError, DataError
from recsys.filters import Exclusions, from_filter, to_json
from recsys.filters.expr import Exists, all_of
from recsys.filters.where import Where
from recsys.result import Result
from recsys.rules import Page, Rules
from recsys.types import Event, Filter, Item, Search, utc

# How the service calls visitors: `recsys.serving.shapes.base`, which a client does not import.
GUEST = "guest:"
# Of one request; a body may have 1 MiB.
MAX_BATCH, MAX_BYTES = 1_000, 900_000
MAX_EXPLAINED = 100
MAX_TYPED = 200


def who(user: str | None) -> dict[str, str]:
    """Return who a shopper of the engine is, as a body says it."""
    if user is None:
        return {}
    guest = isinstance(user, str) and user.startswith(GUEST)
    return {"anonymous_id": user[len(GUEST) :]} if guest else {"user_id": user}


def user_path(user: str, rest: str = "") -> tuple[str, dict[str, str]]:
    """Return the path of a shopper and the parameters that say whether it is a visitor's."""
    named = who(user)
    anonymous = "anonymous_id" in named
    return f"/v1/users/{part(next(iter(named.values())))}{rest}", {"anonymous": "true"} if anonymous else {}


def part(value: str) -> str:
    """Return an id as one part of a path.

    Raises:
        DataError: it is no id, or one that no path can hold.
    """
    if not isinstance(value, str) or not value:
        raise DataError(f"an id must be a non-empty string, got {value!r}")
    try:
        # Parts of dots alone mean other folders wherever paths are tidied.
        return quote(value, safe="") if value.strip(".") else value.replace(".", "%2E")
    except UnicodeEncodeError as error:
        raise DataError(f"an id must be Unicode text, got {value!r}") from error


def where_body(where: Where) -> Any:
    """Return a filter as JSON; text and JSON go as they are, for the service to judge.

    Raises:
        DataError: the bounds of a `Filter` make no sense.
    """
    if isinstance(where, Filter):
        tree = from_filter(where)
        # A filter that does not speak of availability asks for what is in stock.
        return to_json(tree if where.in_stock else all_of((Exists("availability"), tree)))
    return to_json(where) if is_dataclass(where) else where


def asked(
    k: int, *, where: Where = None, rules: Rules | None = None, page: Page | None = None, explain: bool | str = False,
    variant: str | None = None, now: Any = None, budget_ms: float | None = None, strict: bool = False,
    workings: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return what every list can be asked, without what is as usual.

    Raises:
        ConfigError: a budget that is none. DataError: a moment that is none.
    """
    return given(
        limit=k, filter=where_body(where), rules=rules_body(rules),
        shown_item_ids=None if page is None else page.item_ids, explain="short" if explain else None,
        explainer=explain if isinstance(explain, str) and explain else None, variant=variant or None,
        now=moment(now), timeout_ms=budget(budget_ms), strict=strict or None, debug=workings or None, trace=True,
        return_fields=("title", "price", "stock"),
    )  # fmt: skip


def given(**values: Any) -> dict[str, Any]:
    """Return what is not None."""
    return {name: value for name, value in values.items() if value is not None}


def rules_body(rules: Rules | None) -> dict[str, Any] | None:
    """Return rules as they were set: what is set to its default counts as set."""
    return None if rules is None else rules.model_dump(mode="json", by_alias=True, exclude_unset=True)


def exclude_body(exclude: Exclusions | None) -> dict[str, Any] | None:
    """Return exclusions as plain values."""
    return None if exclude is None else exclude.model_dump(mode="json")


def moment(now: Any, name: str = "now") -> int | None:
    """Return the epoch second of a moment."""
    return None if now is None else utc(now, name)


def as_text(now: Any) -> str | None:
    """Return a moment as RFC 3339, for where there are no numbers: in a query."""
    return None if now is None else datetime.fromtimestamp(utc(now, "now"), UTC).isoformat()


def budget(budget_ms: float | None) -> float | None:
    """Return a time that a request may take."""
    if budget_ms is not None and not budget_ms > 0:
        raise ConfigError(f"budget_ms must be above 0, got {budget_ms}")
    return budget_ms


def event_body(event: Event, listed: Result | None = None) -> dict[str, Any]:
    """Return an event; one without an id gets one, so that it is stored once however often it is sent."""
    if listed is not None and listed.served is None:
        raise DataError("listed: is a list of an engine, not of a service: no event can be joined to it")
    return given(
        type=event.kind, **who(event.user_id), item_id=event.item_id, value=event.value,
        timestamp=moment(event.time, "time"), event_id=event.event_id or uuid4().hex, position=event.position,
        attribution_token=None if listed is None or listed.served is None else listed.served.attribution_token,
    )  # fmt: skip


def search_event(search: Search) -> dict[str, Any]:
    """Return a search as an event."""
    return given(
        type="search", **who(search.user_id), query=search.text, timestamp=moment(search.time, "time"),
        item_ids=search.chosen, event_id=search.search_id or uuid4().hex,
    )  # fmt: skip


def item_body(item: Item) -> dict[str, Any]:
    """Return an item; what is not known of it is left out."""
    known = {f.name: getattr(item, f.name) for f in fields(item)}
    known |= {"created": moment(item.created, "created"), "attributes": dict(item.attributes)}
    return given(**known)


def encoded(body: Any) -> bytes:
    """Return a body as JSON.

    Raises:
        DataError: a value that JSON does not have.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"this cannot be sent as JSON: {error}") from error


def pieces(name: str, entries: Sequence[Mapping[str, Any]], **more: Any) -> Iterator[tuple[int, bytes]]:
    """Yield (place of the first entry, body ``{name: entries, **more}``) of as many requests as a batch needs."""
    tail, start, size, part = encoded(more)[1:], 0, 0, list[bytes]()
    for entry in entries:
        text = encoded(entry)
        if part and (len(part) == MAX_BATCH or size + len(text) > MAX_BYTES):
            yield start, _joined(name, part, tail)
            start, size, part = start + len(part), 0, []
        part.append(text)
        size += len(text) + 1
    if part:
        yield start, _joined(name, part, tail)


def _joined(name: str, entries: Sequence[bytes], tail: bytes) -> bytes:
    comma = b"" if tail == b"}" else b","
    return b'{"' + name.encode() + b'":[' + b",".join(entries) + b"]" + comma + tail
