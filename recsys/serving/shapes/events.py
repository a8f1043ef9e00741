"""Events: what shops send, in the words that they already use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from recsys.serving.shapes.base import Id, Ids, Moment, Shape, Somebody, Text, example
from recsys.types import KINDS

MAX_BATCH = 1_000
MAX_EXTRA = 32
# Words of a shop for kinds of the engine: the core list, Shopify's pixel, Google's retail events.
ALIASES: Mapping[str, str] = {
    "add_to_cart": "cart", "remove_from_cart": "remove-from-cart", "not_interested": "not-interested",
    "product_viewed": "view", "product_added_to_cart": "cart", "product_removed_from_cart": "remove-from-cart",
    "checkout_completed": "purchase", "search_submitted": "search",
    "detail-page-view": "view", "add-to-cart": "cart", "purchase-complete": "purchase",
}  # fmt: skip
SEARCH, REVIEW = "search", "review"
TYPES = (*KINDS, SEARCH, REVIEW, *ALIASES)

# Shorter than other ids: the events of further items get a number behind it.
EventId = Annotated[Id, Field(max_length=240)]


def kind_of(name: str) -> str | None:
    """Return the engine's kind, "search" or "review" for the type of an event; None for an unknown one."""
    kind = ALIASES.get(name, name)
    return kind if kind in KINDS or kind in (SEARCH, REVIEW) else None


class EventIn(Somebody):
    """One event. Fields that are not known here are kept beside it.

    Of an event on several items (``item_ids``: an impression in the order that was shown, a purchase) one is made for
    each of them.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True,
        json_schema_extra={"examples": [{
            "event_id": "e17", "type": "purchase", "user_id": "u_42", "item_id": "B01", "value": 1,
            "timestamp": "2026-11-20T12:00:00Z", "attribution_token": "at_...",
        }]},
    )  # fmt: skip

    type: Annotated[str, Field(min_length=1, max_length=64, description=f"One of {', '.join(TYPES)}.")]
    event_id: EventId | None = Field(None, description="Sent again it changes nothing: safe to retry.")
    item_id: Id | None = None
    item_ids: Ids = ()
    timestamp: Moment | None = Field(None, description="RFC 3339, epoch seconds or milliseconds; none is now.")
    value: float = Field(1.0, allow_inf_nan=False, description="A rating, else a quantity.")
    position: int | None = Field(None, ge=1, le=10_000, description="Place in the list that was shown, from 1.")
    query: Text | None = Field(None, description="Of a search: what was typed.")
    text: Annotated[str, Field(max_length=20_000)] | None = Field(None, description="Of a review.")
    attribution_token: Annotated[str, Field(max_length=2_000)] | None = Field(
        None, description="Of the list that the item was chosen from."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> EventIn:
        kind = kind_of(self.type)
        if kind is None:
            raise ValueError(f"type must be one of {', '.join(TYPES)}")
        if self.item_id is not None and self.item_ids:
            raise ValueError("give item_id or item_ids, not both")
        if kind == SEARCH:
            if not (self.query or "").strip():
                raise ValueError("query: a search needs the text that was typed")
        elif not self.about:
            raise ValueError("item_id: an event needs the item that it is about")
        if kind == REVIEW and not (self.text or "").strip():
            raise ValueError("text: a review needs one")
        if len(self.extra) > MAX_EXTRA:
            raise ValueError(f"at most {MAX_EXTRA} further fields are kept")
        return self

    @property
    def kind(self) -> str:
        """The engine's kind, "search" or "review"."""
        return kind_of(self.type) or ""

    @property
    def about(self) -> tuple[str, ...]:
        """The items that it is about, in order."""
        return self.item_ids or (() if self.item_id is None else (self.item_id,))

    @property
    def extra(self) -> dict[str, Any]:
        """The fields that are not known here."""
        return dict(self.model_extra or {})


class EventsIn(Shape):
    """A batch; each event is judged by itself: wrong ones are named in the answer and hold up none of the others."""

    model_config = example(events=[{"event_id": "e17", "type": "purchase", "user_id": "u_42", "item_id": "B01"}])

    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]
    all_or_none: bool = Field(False, description="Where one event is wrong, log none: a problem says which it is.")
    validate_only: bool = Field(False, description="Say what would happen, and log nothing.")


class EventOut(Shape):
    """What became of one event; ``index`` is its place in the batch, from 0."""

    index: int
    status: Literal["accepted", "duplicate", "rejected"]
    event_id: str | None = None
    field: str | None = None
    error: str | None = None


class EventsOut(Shape):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: int
    results: list[EventOut]
