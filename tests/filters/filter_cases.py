"""Strategies for catalogues and filters, and what a filter means item by item: the reference of these tests."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.filters import And, Between, Compare, Exists, Not, OneOf, Or
from recsys.filters.expr import MAX_DEPTH, depth
from recsys.filters.fields import seconds
from recsys.types import Item

TEXTS = ["Acme", "Bolt", "Shoes", "Home", "", "x\"y'z\\", "Größe \u202e", "1", "true", "yes", "no"]
texts = st.sampled_from(TEXTS) | st.text(max_size=4)
numbers = st.sampled_from([0.0, 1.0, 9.99, 10.0, 80.0, -3.5, 1e39, 1e300]) | st.floats(
    allow_nan=False, allow_infinity=False
)
DATES = ["2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2025-06-30t12:30:00.5z", "1960-02-29"]
dates = st.sampled_from(DATES)
attributes = st.dictionaries(
    st.sampled_from(["colour", "size", "weight g"]),
    texts | numbers | st.booleans() | st.lists(texts, max_size=3).map(tuple),
    max_size=3,
)
created = st.none() | dates.map(seconds).map(lambda s: datetime.fromtimestamp(s, UTC))
prices = st.none() | st.sampled_from([0.0, 9.99, 10.0, 80.0]) | st.floats(0, 1e6)


@st.composite
def items(draw, max_size=6):
    n = draw(st.integers(0, max_size))
    listed = [
        Item(
            item_id=f"i{row}",
            brand=draw(st.sampled_from([None, "Acme", "Bolt", "1"])),
            categories=tuple(draw(st.lists(st.sampled_from(TEXTS[:5]), max_size=3))),
            price=draw(prices),
            stock=draw(st.none() | st.integers(0, 3)),
            parent_id=draw(st.sampled_from([None, "p", "q"])),
            created=draw(created),
            attributes=draw(attributes),
        )
        for row in range(n)
    ]
    table = ItemTable.of(listed)
    gone = draw(st.lists(st.integers(0, n - 1), max_size=2)) if n else []
    return table.without(np.array(gone, dtype=np.int32))


def _compare(field, values, ops):
    return st.builds(Compare, st.sampled_from(ops), st.just(field), values)


ORDER = ["eq", "ne", "lt", "lte", "gt", "gte"]
_any = texts | numbers | st.booleans()
_names = st.sampled_from(["colour", "size", "weight g", "nothing", "x.y-z", "é\n\"'"]).map(lambda n: f"attributes.{n}")
_text_field = st.sampled_from(["brand", "parent_id", "category", "item_id"])
_stock = st.sampled_from(["in_stock", "out_of_stock"])


def _between(field, low, high):
    low, high = sorted([low, high], key=seconds if isinstance(low, str) else float)
    return Between(field, low, high)


_conditions = st.one_of(
    st.builds(Compare, st.sampled_from(["eq", "ne"]), _text_field, texts | st.just("i1")),
    _compare("price", numbers, ORDER),
    _compare("stock", numbers | st.integers(0, 3), ORDER),
    _compare("created", dates, ORDER),
    _compare("category", texts, ["contains"]),
    _compare("availability", _stock, ["eq", "ne"]),
    st.builds(Compare, st.sampled_from(["eq", "ne", "contains"]), _names, _any),
    st.builds(Compare, st.sampled_from(["lt", "lte", "gt", "gte"]), _names, numbers),
    st.builds(OneOf, _text_field, st.lists(texts, max_size=4).map(tuple)),
    st.builds(OneOf, _names, st.lists(_any, max_size=4).map(tuple)),
    st.builds(OneOf, st.sampled_from(["price", "stock"]), st.lists(numbers, max_size=4).map(tuple)),
    st.builds(OneOf, st.just("created"), st.lists(dates, max_size=4).map(tuple)),
    st.builds(OneOf, st.just("availability"), st.lists(_stock, max_size=2).map(tuple)),
    st.builds(_between, st.sampled_from(["price", "stock"]) | _names, numbers, numbers),
    st.builds(_between, st.just("created"), dates, dates),
    st.builds(
        Exists,
        _text_field | _names | st.sampled_from(["price", "stock", "availability", "created"]),
    ),
)


@st.composite
def conditions(draw):
    """One condition; a function, so that hypothesis does not print all of the above."""
    return draw(_conditions)


def _nested(inner):
    # A single part is no list of parts: the parsers take it for what it is.
    many = st.lists(inner, max_size=3).filter(lambda parts: len(parts) != 1).map(tuple)
    return st.builds(Not, inner) | st.builds(And, many) | st.builds(Or, many)


_exprs = st.recursive(conditions(), _nested, max_leaves=8)


@st.composite
def exprs(draw):
    """A filter within the limits."""
    return draw(_exprs.filter(lambda expr: depth(expr) <= MAX_DEPTH))


def holds(expr, table, row):
    """Whether one item meets a filter, condition by condition, in plain words."""
    match expr:
        case And(parts):
            return all(holds(p, table, row) for p in parts)
        case Or(parts):
            return any(holds(p, table, row) for p in parts)
        case Not(part):
            return not holds(part, table, row)
    values = _values(expr.field, table, row)
    match expr:
        case Exists():
            return bool(values)
        case OneOf(field, wanted):
            return any(_same(v, _plain(field, w)) for v in values for w in wanted)
        case Between(field, low, high):
            low, high = _plain(field, low), _plain(field, high)
            return any(low <= v <= high for v in values if _is_number(v))
        case Compare("ne", field, value):
            return bool(values) and not any(_same(v, _plain(field, value)) for v in values)
        case Compare("eq" | "contains", field, value):
            return any(_same(v, _plain(field, value)) for v in values)
        case Compare(op, field, value):
            value = _plain(field, value)
            order = {"lt": "__lt__", "lte": "__le__", "gt": "__gt__", "gte": "__ge__"}[op]
            return any(bool(getattr(v, order)(value)) for v in values if _is_number(v))


def _is_number(value):
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool)


def _same(a, b):
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _plain(field, value):
    if field == "created":
        return seconds(value)
    if field == "price":
        with np.errstate(over="ignore"):
            return np.float32(value)
    return value


def _values(field, table, row):
    item = table.item(row)
    match field:
        case "item_id":
            return [item.item_id]
        case "brand":
            return [item.brand] if item.brand else []
        case "parent_id":
            return [item.parent_id] if item.parent_id else []
        case "category":
            return [c for c in item.categories if c]
        case "price":
            return [] if np.isnan(table.prices[row]) else [table.prices[row]]
        case "stock":
            return [] if item.stock is None else [float(item.stock)]
        case "created":
            return [int(item.created.timestamp())] if item.created else []
        case "availability":
            return ["in_stock" if table.available[row] and item.stock != 0 else "out_of_stock"]
    value = item.attributes.get(field.removeprefix("attributes."))
    many = value if isinstance(value, tuple) else () if value is None else (value,)
    # True and false are found by their names in facets too.
    named = [("yes" if v else "no") for v in many if isinstance(v, bool)]
    return [*(v for v in many if v != "" or isinstance(v, bool)), *named]
