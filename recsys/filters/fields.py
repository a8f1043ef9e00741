"""What a filter may ask about: the fields, which operators fit which, and which values."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any

from recsys.filters.errors import FilterError, shown
from recsys.ids import MAX_ID_CHARS

Value = str | float | bool

# field -> what its values are. "labels" is a list of texts, of which any may match; attributes may be anything.
FIELDS: Mapping[str, str] = {
    "item_id": "text", "brand": "text", "category": "labels", "price": "number", "stock": "number",
    "availability": "availability", "created": "date", "parent_id": "text",
}  # fmt: skip
ALIASES = {"categories": "category"}  # how facets call it
ATTRIBUTES = "attributes."
YES, NO = "yes", "no"  # how facets call true and false of an attribute
IN_STOCK, OUT_OF_STOCK = "in_stock", "out_of_stock"
COMPARISONS = ("eq", "ne", "lt", "lte", "gt", "gte", "contains")
ORDERED = ("lt", "lte", "gt", "gte", "between")
OPERATORS = (*COMPARISONS, "in", "between", "exists", "and", "or", "not")
MAX_VALUE_CHARS = MAX_ID_CHARS
MAX_COMPARED = 2_000  # known words that a typing error is compared with

_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known word that is most like ``word``, or ""."""
    if len(word) > MAX_VALUE_CHARS:
        return ""
    # Comparing is slow, and a shop may have 20,000 brands: only words of about that length, and not too many.
    alike = islice((k for k in known if abs(len(k) - len(word)) <= 2), MAX_COMPARED)
    close = difflib.get_close_matches(word, list(alike), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def canonical(field: str) -> str:
    """Return the one name of a field that has two: "categories" is category."""
    return ALIASES.get(field, field) if isinstance(field, str) else field


def kind_of(field: object) -> str:
    """Return what the values of a field are.

    Raises:
        FilterError: there is no such field.
    """
    if not isinstance(field, str):
        raise FilterError(f"a field is a text, got {shown(field)}")
    if (name := canonical(field)) in FIELDS:
        return FIELDS[name]
    if field.startswith(ATTRIBUTES):
        if not 0 < len(field) - len(ATTRIBUTES) <= MAX_VALUE_CHARS:
            raise FilterError(f"attributes.NAME needs a name of 1 to {MAX_VALUE_CHARS} characters")
        return "any"
    known = (*FIELDS, ATTRIBUTES + "NAME")
    raise FilterError(f"no field {shown(field)}{nearest(field, FIELDS)} (fields: {', '.join(known)})")


def check_operator(op: str, field: str) -> None:
    """Raise `FilterError` where the operator makes no sense for the field."""
    kind = kind_of(field)
    ordered = kind in ("number", "date", "any")
    if op in ORDERED and not ordered:
        raise FilterError(f"{field} has no order: it takes eq, ne, in, exists; got {op}")
    if op == "contains" and kind not in ("labels", "any"):
        raise FilterError(f"{field} holds one value: contains is for category and attributes; use eq or in")


def check_value(op: str, field: str, value: Any) -> Value:
    """Return the value as it is kept: numbers as float, dates as RFC 3339 text.

    Raises:
        FilterError: it is not of the field's kind, or not finite.
    """
    kind = kind_of(field)
    if isinstance(value, date):
        value = value.isoformat()  # what TOML reads of a date
    wanted = {
        "text": "a text", "labels": "a text", "number": "a number", "date": "an RFC 3339 date in quotes",
        "availability": f"'{IN_STOCK}' or '{OUT_OF_STOCK}'", "any": "a text, a number, true or false",
    }[kind] if op not in ORDERED or kind == "date" else "a number"  # fmt: skip
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and kind in ("number", "any"):
        return _finite(field, value)
    if isinstance(value, bool) and kind == "any" and op not in ORDERED:
        return value
    if isinstance(value, str) and kind != "number" and not (kind == "any" and op in ORDERED):
        if kind == "date":
            seconds(value)
        if kind == "availability" and value not in (IN_STOCK, OUT_OF_STOCK):
            raise FilterError(f"{field} is {wanted}, got {shown(value)}{nearest(value, (IN_STOCK, OUT_OF_STOCK))}")
        return value
    raise FilterError(f"{field} is compared with {wanted}, got {shown(value)}")


def _finite(field: str, value: float) -> float:
    try:
        out = float(value)
    except OverflowError:
        out = math.inf
    if not math.isfinite(out):
        raise FilterError(f"{field} is compared with a finite number, got {shown(value)}")
    return out


def seconds(text: str) -> int:
    """Return the epoch second of an RFC 3339 time, or of the midnight (UTC) that begins a date.

    Raises:
        FilterError: it is neither.
    """
    try:
        if not _DATE.fullmatch(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text.upper() if len(text) > 10 else f"{text}T00:00:00Z")
        return math.floor(moment.timestamp())
    except (ValueError, OverflowError) as error:
        raise FilterError(
            f"expected a date such as '2026-03-01' or '2026-03-01T09:00:00Z', got {shown(text)}"
        ) from error
