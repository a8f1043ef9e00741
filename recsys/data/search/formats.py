"""What each published collection calls its fields: one record to an `Item`, one line to a judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recsys.data import fields
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import Item

TITLE_CHARS, TEXT_CHARS, VALUE_CHARS, QUERY_CHARS = 1000, 5000, 300, 500
MAX_ATTRIBUTES = 400
MAX_GRADE = 10.0
Attributes = dict[str, "str | float | bool | tuple[str, ...]"]
Judged = tuple[str, str, float]


@dataclass(frozen=True, slots=True)
class Format:
    """One collection: its two files, and how a record and a row of cells read. ``item`` raises `DataError`."""

    name: str
    catalogue: str
    judgements: str
    separator: str
    columns: tuple[str, str, str]  # the columns that hold query, item id and grade
    item: Callable[[Mapping[str, Any]], Item]


def judged(cells: Mapping[str, str], columns: tuple[str, str, str]) -> Judged:
    """Return (query, item id, grade) of one row. Raises `DataError` with a fixed text."""
    query = clean_text(cells[columns[0]], QUERY_CHARS)
    if not query:
        raise DataError("query is missing")
    grade = fields.number(cells[columns[2]], "grade")
    if not 0 <= grade <= MAX_GRADE:
        raise DataError(f"grade is outside 0..{MAX_GRADE:g}")
    return query, fields.identifier(cells[columns[1]], "item id"), grade


def _icecat(record: Mapping[str, Any]) -> Item:
    # attr_t_* are texts, attr_n_* numbers, attr_b_* flags: about 5,300 names in all, a few dozen a product.
    attributes: Attributes = {}
    if name := clean_text(record.get("name"), VALUE_CHARS):
        attributes["name"] = name
    for key, value in record.items():
        if key.startswith(("attr_t_", "attr_n_", "attr_b_")) and len(attributes) < MAX_ATTRIBUTES:
            _put(attributes, clean_text(key[7:].strip("_"), VALUE_CHARS), value)
    _put(attributes, "ean", record.get("ean"))
    cents = fields.price(record.get("price"))
    return Item(
        item_id=fields.identifier(record.get("id"), "id"),
        title=clean_text(record.get("title"), TITLE_CHARS),
        text=clean_text(record.get("short_description"), TEXT_CHARS),
        brand=clean_text(record.get("supplier"), VALUE_CHARS) or None,
        price=None if cents is None else cents / 100,
        created=_moment(record.get("date_released")),
        attributes=attributes,
    )


def _msrd(record: Mapping[str, Any]) -> Item:
    attributes: Attributes = {}
    names = ("tags", "director", "actors", "characters", "year", "votes", "rating", "popularity", "budget")
    for name in names:
        _put(attributes, name, record.get(name))
    return Item(
        item_id=fields.identifier(record.get("id"), "id"),
        title=clean_text(record.get("title"), TITLE_CHARS),
        text=clean_text(record.get("overview"), TEXT_CHARS),
        # The collection spells a genre with a capital or without.
        categories=tuple(dict.fromkeys(g.casefold() for g in _texts(record.get("genres")))),
        attributes=attributes,
    )


def _plain(record: Mapping[str, Any]) -> Item:
    attributes: Attributes = {}
    for name, value in list(fields.mapping(record.get("attributes")).items())[:MAX_ATTRIBUTES]:
        _put(attributes, clean_text(name, VALUE_CHARS), value)
    return Item(
        item_id=fields.identifier(fields.first_of(record, "item_id", "id"), "item_id"),
        title=clean_text(record.get("title"), TITLE_CHARS),
        text=clean_text(fields.first_of(record, "text", "description"), TEXT_CHARS),
        brand=clean_text(record.get("brand"), VALUE_CHARS) or None,
        categories=_texts(record.get("categories")),
        price=fields.price(record.get("price")),
        created=_moment(record.get("created")),
        attributes=attributes,
    )


def _put(attributes: Attributes, name: str, value: object) -> None:
    """Keep a value that an item can have under ``name``; empty ones and nested ones are left out."""
    if not name or fields.missing(value):
        return
    if isinstance(value, bool):
        attributes[name] = value
    elif isinstance(value, int | float):
        number = float(value)
        if abs(number) < 1e300:
            attributes[name] = number
    elif isinstance(value, str) and (text := clean_text(value, VALUE_CHARS)):
        attributes[name] = text
    elif isinstance(value, list) and (texts := _texts(value)):
        attributes[name] = texts


def _texts(value: object) -> tuple[str, ...]:
    found = (clean_text(v, VALUE_CHARS) for v in fields.listed(value) if isinstance(v, str))
    return tuple(dict.fromkeys(text for text in found if text))


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(fields.seconds(value), UTC)
    except DataError:
        return None  # a release date that cannot be read is one that is not known


FORMATS = (
    Format("icecat", "products.jsonl", "ratings.csv", ",", ("query", "docid", "rating"), _icecat),
    Format("msrd", "movies.jsonl", "judgments.tsv", "\t", ("query", "doc_id", "grade"), _msrd),
    Format("plain", "items.jsonl", "judgements.csv", ",", ("query", "item_id", "grade"), _plain),
)
