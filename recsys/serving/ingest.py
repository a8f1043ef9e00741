"""What a shop tells: events and items, each judged by itself; nothing that is accepted is lost.

Each function takes the body of a request and returns that of its response; what it says is accepted is in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from recsys.engine import Engine
from recsys.errors import DataError
from recsys.serving.attribution import read
from recsys.serving.problems import invalid, not_found
from recsys.serving.shapes.events import REVIEW, SEARCH, EventIn, EventsIn
from recsys.serving.shapes.items import ItemChanges, ItemFields, ItemIn, ItemsIn, WithdrawIn, fields_of
from recsys.serving.tenant import Tenant, known
from recsys.store.sql.events import Logged
from recsys.types import Event, Item, Review, Search, now_seconds

AHEAD_S = 86_400  # clocks of clients go wrong; what comes from further in the future would stay the latest for ever
Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Read:
    """One entry of a batch: what was given, what the engine gets of it, or what is wrong with it."""

    given: EventIn | None = None
    events: tuple[Event, ...] = ()
    status: str = "accepted"
    field: str | None = None
    error: str | None = None

    def refuse(self, field: str | None, error: str) -> None:
        """Say what is wrong."""
        self.status, self.field, self.error = "rejected", field, error


def log_events(tenant: Tenant, body: EventsIn) -> dict[str, Any]:
    """Log a batch; return what became of each event, in order.

    An event that was sent before is a duplicate and no error, so a client may send a batch again until it is answered.
    """
    engine = tenant.engine
    entries = [_read(raw, tenant) for raw in body.events]
    _refuse_unknown_items(engine, entries)
    _mark_duplicates(engine, entries)
    if body.all_or_none:
        _first_wrong("events", ((one.status, one.field, one.error) for one in entries))
    if not body.validate_only:
        _log(engine, [one for one in entries if one.status == "accepted"])
    counts = {status: sum(one.status == status for one in entries) for status in ("accepted", "duplicate", "rejected")}
    return {
        "accepted": counts["accepted"], "duplicates": counts["duplicate"], "rejected": counts["rejected"],
        "results": [
            {"index": i, "status": one.status, "event_id": None if one.given is None else one.given.event_id,
             "field": one.field, "error": one.error}
            for i, one in enumerate(entries)
        ],
    }  # fmt: skip


def put_items(tenant: Tenant, body: ItemsIn) -> dict[str, Any]:
    """Add or change items; return what became of each, in order. The last one of an id counts."""
    items: list[Item] = []
    results: list[dict[str, Any]] = []
    for index, raw in enumerate(body.items):
        given, field, error = _parsed(ItemIn, raw)
        if given is not None:
            items.append(given.item(given.item_id))
        results.append(
            {"index": index, "status": "rejected" if given is None else "accepted",
             "item_id": None if given is None else given.item_id, "field": field, "error": error}
        )  # fmt: skip
    if body.all_or_none:
        _first_wrong("items", ((one["status"], one["field"], one["error"]) for one in results))
    if items:
        tenant.engine.add_items(items)
    return {"accepted": len(items), "rejected": len(results) - len(items), "results": results}


def put_item(tenant: Tenant, item_id: str, body: ItemFields) -> dict[str, Any]:
    """Add or replace an item and return it."""
    tenant.engine.add_items([body.item(item_id)])
    return _shown(tenant.engine, item_id)


def change_item(tenant: Tenant, item_id: str, body: ItemChanges) -> dict[str, Any]:
    """Change some fields of an item and return it; one that is off the shelf stays there.

    Raises:
        Problem: 404, the shop has no such item.
    """
    # Two changes of one item at a time would each write back what the other had not changed yet.
    with tenant.changing:
        old = item(tenant, item_id)
        if old is None:
            raise not_found("item")
        engine = tenant.engine
        items = engine.store.items()
        engine.add_items([body.over(items.item(int(items.vocabulary.rows([item_id])[0]))).item(item_id)])
        if not old["available"]:
            engine.withdraw([item_id])
        return _shown(engine, item_id)


def withdraw(tenant: Tenant, item_id: str) -> None:
    """Take an item off the shelf.

    Raises:
        Problem: 404, the shop has no such item.
    """
    if known(tenant.engine, [item_id])[1]:
        raise not_found("item")
    tenant.engine.withdraw([item_id])


def withdraw_many(tenant: Tenant, body: WithdrawIn) -> dict[str, int]:
    """Take items off the shelf.

    Raises:
        DataError: the shop lacks one of them; then none is taken.
    """
    tenant.engine.withdraw(list(body.item_ids))
    return {"withdrawn": len(set(body.item_ids))}


def item(tenant: Tenant, item_id: str) -> dict[str, Any] | None:
    """Return what is known of an item, None for an unknown one."""
    return None if known(tenant.engine, [item_id])[1] else _shown(tenant.engine, item_id)


def _first_wrong(name: str, entries: Iterable[tuple[str, str | None, str | None]]) -> None:
    """Raise the problem of the first entry that is wrong, if one is."""
    for index, (status, field, error) in enumerate(entries):
        if status == "rejected":
            raise invalid(error or "", ".".join(filter(None, ("body", name, str(index), field))))


def _shown(engine: Engine, item_id: str) -> dict[str, Any]:
    items = engine.store.items()
    row = int(items.vocabulary.rows([item_id])[0])
    return fields_of(items.item(row), bool(items.available[row]))


def _read(raw: Mapping[str, Any], tenant: Tenant) -> Read:
    given, field, error = _parsed(EventIn, raw)
    one = Read(given)
    if given is None:
        one.refuse(field, error or "")
        return one
    if given.timestamp is not None and given.timestamp > now_seconds() + AHEAD_S:
        one.refuse("timestamp", "is more than a day in the future: is the clock right, and the unit?")
        return one
    list_id = None
    if given.attribution_token is not None:
        try:
            list_id = read(tenant.tokens, given.attribution_token, tenant.name).list_id
        except DataError:  # the act happened, whatever list it came from
            one.field, one.error = "attribution_token", "is not one of ours: the event counts, for no list"
    one.events = _events(given, list_id)
    return one


def _events(given: EventIn, list_id: str | None) -> tuple[Event, ...]:
    """Return one event of the engine for each item; of several, all but the first get the event's id with a number."""
    if given.kind in (SEARCH, REVIEW):
        return ()
    several = len(given.about) > 1
    return tuple(
        Logged(
            user_id=given.who or "", item_id=item_id, kind=given.kind, value=given.value, time=given.timestamp,
            event_id=given.event_id if not place or given.event_id is None else f"{given.event_id}#{place + 1}",
            position=given.position or (place + 1 if several and given.kind == "impression" else None),
            list_id=list_id, extra=given.extra or None,
        )
        for place, item_id in enumerate(given.about)
    )  # fmt: skip


def _refuse_unknown_items(engine: Engine, entries: Sequence[Read]) -> None:
    _, missing = known(engine, [i for one in entries if one.given is not None for i in one.given.about])
    lacking = set(missing)
    for one in entries:
        odd = next((i for i in one.given.about if i in lacking), None) if one.given is not None else None
        if odd is not None and one.status == "accepted":
            one.refuse("item_id", "is not known: send the item (PUT /v1/items/{item_id}), then this event again")


def _mark_duplicates(engine: Engine, entries: Sequence[Read]) -> None:
    """Mark the events of which nothing is new; searches and reviews tell when they are logged."""
    events = [e for one in entries if one.status == "accepted" for e in one.events]
    new = {id(e) for e in engine.store.unknown(events)}
    for one in entries:
        if one.status == "accepted" and one.events and not any(id(e) in new for e in one.events):
            one.status = "duplicate"


def _log(engine: Engine, entries: Sequence[Read]) -> None:
    engine.add_events([e for one in entries for e in one.events])
    for one in entries:
        given = one.given
        if given is None or given.kind not in (SEARCH, REVIEW):
            continue
        who, at = given.who or "", now_seconds() if given.timestamp is None else given.timestamp
        if given.kind == SEARCH:
            search = Search(user_id=who, text=given.query or "", time=at, chosen=given.about, search_id=given.event_id)
            count = engine.add_searches([search])
        else:
            review = Review(
                user_id=who, item_id=given.about[0], text=given.text or "", time=at, review_id=given.event_id,
                rating=given.value if "value" in given.model_fields_set else None,
            )  # fmt: skip
            count = engine.store.put_reviews([review])
        if not count:
            one.status = "duplicate"


def _parsed(shape: type[Model], raw: Mapping[str, Any]) -> tuple[Model | None, str | None, str | None]:
    """Return the entry, or None with the field that is wrong and what is wrong with it, never with what was given."""
    try:
        return shape.model_validate(raw), None, None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        message = str(first["msg"]).removeprefix("Value error, ")
        field = ".".join(str(part) for part in first["loc"])
        if not field and ":" in message:  # a rule about several fields names the one to look at
            field, message = (part.strip() for part in message.split(":", 1))
        return None, field or None, message
