"""Items: what a shop sells."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from recsys.serving.shapes.base import Id, Moment, Shape, example
from recsys.types import Item, utc

MAX_BATCH = 1_000
Title = Annotated[str, Field(max_length=10_000)]
Body = Annotated[str, Field(max_length=32_768)]
Words = Annotated[str, Field(max_length=256)]
Value = bool | float | Words | list[Words]
Categories = Annotated[tuple[Words, ...], Field(max_length=32)]
Attributes = Annotated[dict[Annotated[str, Field(min_length=1, max_length=64)], Value], Field(max_length=200)]
MAX_STOCK = 2_000_000_000


class ItemFields(Shape):
    """What is known of an item but for its id. Other things may stand in ``attributes``, by name."""

    model_config = ConfigDict(
        extra="forbid", frozen=True,
        json_schema_extra={"examples": [{
            "title": "Trail shoe", "brand": "Acme", "categories": ["Shoes"], "price": 79.5, "stock": 12,
            "attributes": {"colour": "red"},
        }]},
    )  # fmt: skip

    title: Title = ""
    text: Body = ""
    brand: Words | None = None
    categories: Categories = ()
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    stock: int | None = Field(None, ge=0, le=MAX_STOCK)
    parent_id: Id | None = Field(None, description="What the variants of one product have in common.")
    created: Moment | None = None
    attributes: Attributes = {}

    def item(self, item_id: str) -> Item:
        """Return it as the engine has it."""
        given = self.model_dump(exclude_none=True, exclude={"item_id", "created", "attributes"})
        attributes = {n: tuple(v) if isinstance(v, list) else v for n, v in self.attributes.items()}
        created = None if self.created is None else from_second(self.created)
        return Item(item_id=item_id, attributes=attributes, created=created, **given)


class ItemChanges(Shape):
    """Changes of an item: what is not given stays, null takes a value away."""

    model_config = example(price=69.5, stock=3)

    title: Title | None = None
    text: Body | None = None
    brand: Words | None = None
    categories: Categories | None = None
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    stock: int | None = Field(None, ge=0, le=MAX_STOCK)
    parent_id: Id | None = None
    created: Moment | None = None
    attributes: Attributes | None = None

    def over(self, old: Item) -> ItemFields:
        """Return the fields of an item after the changes."""
        known = {name: value for name, value in fields_of(old, True).items() if name in ItemFields.model_fields}
        given = self.model_dump(exclude_unset=True)
        empty = ItemFields()
        given |= {name: getattr(empty, name) for name, value in given.items() if value is None}
        return ItemFields.model_validate(known | given)


class ItemIn(ItemFields):
    """An item of a batch."""

    item_id: Id


class ItemsIn(Shape):
    """A batch of items; each replaces what was known of it."""

    model_config = example(items=[{"item_id": "B01", "title": "Trail shoe", "brand": "Acme", "price": 79.5}])

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]
    all_or_none: bool = Field(False, description="Where one item is wrong, take none: a problem says which it is.")


class WithdrawIn(Shape):
    """Items to be taken off the shelf."""

    model_config = example(item_ids=["B01", "B07"])

    item_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_BATCH)]


class WithdrawOut(Shape):
    """How many items are off the shelf."""

    withdrawn: int


class ItemResult(Shape):
    """What became of one item of a batch; ``index`` is its place, from 0."""

    index: int
    status: str
    item_id: str | None = None
    field: str | None = None
    error: str | None = None


class ItemsOut(Shape):
    """What became of a batch of items."""

    accepted: int
    rejected: int
    results: list[ItemResult]


class ItemOut(ItemIn):
    """An item as the shop has it; ``available`` is false for one that was taken off the shelf."""

    available: bool


def from_second(second: int) -> Any:
    """Return an epoch second as an aware datetime."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(second, UTC)


def fields_of(item: Item, available: bool) -> dict[str, Any]:
    """Return an item as a body says it."""
    return {
        "item_id": item.item_id, "title": item.title, "text": item.text, "brand": item.brand,
        "categories": list(item.categories), "price": item.price, "stock": item.stock, "parent_id": item.parent_id,
        "created": None if item.created is None else utc(item.created), "available": available,
        "attributes": {n: list(v) if isinstance(v, tuple) else v for n, v in item.attributes.items()},
    }  # fmt: skip
