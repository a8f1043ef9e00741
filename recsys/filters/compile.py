"""From a filter to a mask over the catalogue; whole columns at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.filters.columns import Attribute, CatalogueColumns, Labels, columns_of
from recsys.filters.expr import And, Between, Compare, Exists, Expr, Not, OneOf, Or
from recsys.filters.fields import ATTRIBUTES, IN_STOCK, NO, YES, Value, seconds
from recsys.types import RowMask

_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "lte": np.less_equal, "gt": np.greater, "gte": np.greater_equal,
}  # fmt: skip


def compile_where(items: ItemTable, where: Expr) -> RowMask:
    """Return ``(n_items,)``, True where an item is available and meets ``where``; the caller may change it.

    Prices are compared as the catalogue holds them, in float32, attributes in float64, times in whole seconds.
    """
    mask = matches(items, where)
    mask &= items.available
    return mask


def matches(items: ItemTable, where: Expr) -> RowMask:
    """Return ``(n_items,)``, True where an item meets ``where``, withdrawn or not; a new array."""
    return _mask(items, columns_of(items), where)


def _mask(items: ItemTable, columns: CatalogueColumns, where: Expr) -> RowMask:
    match where:
        case And(parts):
            out = np.ones(len(items), dtype=np.bool_)
            for part in parts:
                out &= _mask(items, columns, part)
            return out
        case Or(parts):
            out = np.zeros(len(items), dtype=np.bool_)
            for part in parts:
                out |= _mask(items, columns, part)
            return out
        case Not(part):
            out = _mask(items, columns, part)
            return np.logical_not(out, out=out)
    if where.field.startswith(ATTRIBUTES):
        return _attribute(columns.attribute(where.field[len(ATTRIBUTES) :]), where)
    if where.field in ("price", "stock", "created"):
        return _number(items, where)
    if where.field == "availability":
        return _availability(items, where)
    if where.field == "item_id":
        return _identity(items, where)
    labels = {"brand": "brands", "category": "categories", "parent_id": "parents"}[where.field]
    return _labels(getattr(columns, labels), where)


def _labels(labels: Labels, where: Compare | OneOf | Between | Exists) -> RowMask:
    match where:
        case Exists():
            return labels.some.copy()
        case OneOf(_, values):
            return labels.any_of(_texts(values))
        case Compare("ne", _, value):
            out: RowMask = labels.some & ~labels.any_of(_texts([value]))
            return out
        case Compare(_, _, value):
            return labels.any_of(_texts([value]))
    raise AssertionError(where)  # the tree refuses to be built with an order of texts


def _texts(values: Iterable[Value]) -> list[str]:
    return [v for v in values if isinstance(v, str)]


def _identity(items: ItemTable, where: Compare | OneOf | Between | Exists) -> RowMask:
    if isinstance(where, Exists):
        return np.ones(len(items), dtype=np.bool_)
    out = np.zeros(len(items), dtype=np.bool_)
    rows = items.vocabulary.rows(_texts(where.values if isinstance(where, OneOf) else [_only(where)]))
    out[rows[rows >= 0]] = True
    return ~out if isinstance(where, Compare) and where.op == "ne" else out


def _only(where: Compare | Between) -> Value:
    assert isinstance(where, Compare)
    return where.value


def _availability(items: ItemTable, where: Compare | OneOf | Between | Exists) -> RowMask:
    there: RowMask = items.available & (items.stock != 0)
    if isinstance(where, Exists):
        return np.ones(len(items), dtype=np.bool_)
    wanted = set(where.values) if isinstance(where, OneOf) else {_only(where)}
    if isinstance(where, Compare) and where.op == "ne":
        return ~there if IN_STOCK in wanted else there
    gone = wanted - {IN_STOCK}
    return (there & (IN_STOCK in wanted)) | (~there & bool(gone))


def _number(items: ItemTable, where: Compare | OneOf | Between | Exists) -> RowMask:
    column: NDArray[Any]
    some: RowMask
    if where.field == "price":
        column, some = items.prices, ~np.isnan(items.prices)
    elif where.field == "stock":
        column, some = items.stock, items.stock >= 0
    else:
        column, some = items.created, items.created != 0

    def plain(value: Value) -> Any:
        if isinstance(value, str):
            return seconds(value)
        if column.dtype == np.float32:
            with np.errstate(over="ignore"):  # beyond float32 is beyond every price
                return np.float32(value)
        return float(value)

    match where:
        case Exists():
            pass
        case OneOf(_, values):
            some &= np.isin(column, [plain(v) for v in values])
        case Between(_, low, high):
            some &= (column >= plain(low)) & (column <= plain(high))
        case Compare(op, _, value):
            some &= _ORDER[op](column, plain(value))
    return some


def _attribute(attribute: Attribute, where: Compare | OneOf | Between | Exists) -> RowMask:
    out: RowMask
    match where:
        case Exists():
            return attribute.some.copy()
        case OneOf(_, values):
            return _equal(attribute, values)
        case Compare("ne", _, value):
            out = attribute.some & ~_equal(attribute, [value])
            return out
        case Compare("eq" | "contains", _, value):
            return _equal(attribute, [value])
        case Between(_, low, high):
            hit = (attribute.numbers >= float(low)) & (attribute.numbers <= float(high))
        case Compare(op, _, value):
            hit = _ORDER[op](attribute.numbers, float(value))
    out = np.zeros(len(attribute.words), dtype=np.bool_)
    out[attribute.number_rows[hit]] = True
    return out


def _equal(attribute: Attribute, values: Iterable[Value]) -> RowMask:
    """Return where one of the attribute's values is one of ``values``: true is not 1, and "1" is neither.

    "yes" and "no" are met by true and false too: facets call them so.
    """
    listed = list(values)
    out = attribute.words.any_of(_texts(listed))
    flags = [v for v in listed if isinstance(v, bool)] + [v == YES for v in listed if v in (YES, NO)]
    numbers = [v for v in listed if isinstance(v, float)]
    if flags:
        out[attribute.flag_rows[np.isin(attribute.flags, flags)]] = True
    if numbers:
        out[attribute.number_rows[np.isin(attribute.numbers, numbers)]] = True
    return out
