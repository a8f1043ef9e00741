"""What callers hand in as a filter, and what a filter names that the catalogue does not have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from recsys.dataset import ItemTable
from recsys.errors import DataError
from recsys.filters.columns import columns_of
from recsys.filters.errors import FilterError, shown
from recsys.filters.expr import (
    NOTHING,
    And,
    Between,
    Compare,
    Exists,
    Expr,
    Not,
    OneOf,
    Or,
    all_of,
    conditions,
    values_of,
)
from recsys.filters.fields import ATTRIBUTES, IN_STOCK, nearest
from recsys.filters.json_form import from_json, from_json_text
from recsys.filters.text_form import from_text
from recsys.types import Filter

Where = Filter | Expr | Mapping[str, Any] | str | None
AVAILABLE = Compare("eq", "availability", IN_STOCK)


def parse(value: Expr | Mapping[str, Any] | str) -> Expr:
    """Return the tree of a filter in any of its forms; a text that begins with "{" is JSON.

    Raises:
        FilterError: it is none, with the place.
    """
    if isinstance(value, str):
        return from_json_text(value) if value.lstrip().startswith("{") else from_text(value)
    if isinstance(value, Compare | OneOf | Between | Exists | Not | And | Or):
        return value
    return from_json(value)


def where_of(value: Where) -> Expr:
    """Return what a caller asks for as one tree; None asks for what is in stock.

    As with `Filter`, what is out of stock is hidden, unless the filter itself speaks of availability or stock.

    Raises:
        DataError: it cannot be read (`FilterError`), or the bounds of a `Filter` make no sense.
    """
    if value is None:
        return AVAILABLE
    if isinstance(value, Filter):
        return from_filter(value)
    expr = parse(value)
    spoken = any(c.field in ("availability", "stock") for c in conditions(expr))
    return expr if spoken else all_of((AVAILABLE, expr))


def from_filter(where: Filter) -> Expr:
    """Return the tree that says what a `Filter` says; its lists may be of any length.

    Raises:
        DataError: a price bound is NaN or the bounds cross. Unknown excluded ids, brands and categories are no error.
    """
    low, high = where.min_price, where.max_price
    for name, bound in (("min_price", low), ("max_price", high)):
        if bound is not None and math.isnan(bound):
            raise DataError(f"where.{name} must be a number, got NaN")
    if low is not None and high is not None and low > high:
        raise DataError(f"where.min_price {low} is above where.max_price {high}")
    parts: list[Expr] = [AVAILABLE] if where.in_stock else []
    parts += [_bound(op, bound) for op, bound in (("gte", low), ("lte", high)) if bound is not None]
    if where.brands:
        parts.append(OneOf("brand", tuple(where.brands)))
    if where.categories:
        parts.append(OneOf("category", tuple(where.categories)))
    if where.exclude_item_ids:
        parts.append(Not(OneOf("item_id", tuple(where.exclude_item_ids))))
    return all_of(parts)


def _bound(op: str, value: float) -> Expr:
    """Return a price bound; an infinite one is met by every price, or by none."""
    if math.isfinite(value):
        return Compare(op, "price", value)
    return Exists("price") if (value < 0) == (op == "gte") else NOTHING


def remarks(items: ItemTable, where: Expr) -> tuple[str, ...]:
    """Return what a filter names that no item has, in words: a typing error would else just find nothing."""
    columns = columns_of(items)
    out: list[str] = []
    for condition in conditions(where):
        name = condition.field.removeprefix(ATTRIBUTES)
        if condition.field.startswith(ATTRIBUTES):
            if name not in columns.attribute_names:
                out.append(f"no item has the attribute {shown(name)}{nearest(name, columns.attribute_names)}")
            continue
        known: Any = {
            "brand": columns.brands.codes, "category": columns.categories.codes, "item_id": items.vocabulary,
        }.get(name)  # fmt: skip
        if known is None or isinstance(condition, Exists):
            continue
        missing = [v for v in values_of(condition) if isinstance(v, str) and v not in known]
        # The nearest of 200,000 ids takes seconds to find, and an id is copied rather than typed.
        hints = ["" if name == "item_id" else nearest(v, known) for v in missing[:3]]
        out += [f"no item has the {name} {shown(v)}{hint}" for v, hint in zip(missing[:3], hints, strict=True)]
        if len(missing) > 3:
            out.append(f"and {len(missing) - 3} more of {name} that no item has")
    return tuple(dict.fromkeys(out))


__all__ = ["AVAILABLE", "FilterError", "Where", "from_filter", "parse", "remarks", "where_of"]
