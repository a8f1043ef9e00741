"""Tables of events and items with any column names: CSV and Parquet."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from recsys.data.builder import DatasetBuilder
from recsys.data.columns import EVENT_NAMES, ITEM_NAMES, KIND_NAMES, RATING_NAMES, plain, resolve
from recsys.data.csv_rows import csv_rows, first_row
from recsys.data.fields import identifier, listed, missing, number, price, rating, seconds
from recsys.data.lines import read_lines
from recsys.data.parquet_rows import parquet_rows
from recsys.data.reader import FileReader, ReaderConfig, take_each
from recsys.data.report import Tally
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import KINDS, Item

RETURNED = "negative quantity read as a return"
MAX_ATTRIBUTES = 30
MAX_VALUE, MAX_COUNT = 1e9, 2**31 - 1
_SEPARATORS = (",", "\t", ";", "|")

Cells = Sequence[Any]
Rows = Iterator[tuple[int, Cells]]


class TableConfig(ReaderConfig):
    """Which column is what; an empty name means: the usual one, if it is there."""

    user: str = Field(default="", description="column of the shopper's id")
    item: str = Field(default="", description="column of the product's id, in events and items alike")
    time: str = Field(default="", description="epoch number or ISO 8601; without it, row order is the order of events")
    kind: str = Field(default="", description="what the shopper did")
    value: str = Field(default="", description="rating or quantity")
    event_id: str = ""
    position: str = ""
    items: str = Field(default="", description="file of the products, beside the file of events or anywhere")
    item_id: str = Field(default="", description="column of the product's id in items, where it differs")
    title: str = ""
    text: str = ""
    brand: str = ""
    categories: str = ""
    price: str = ""
    stock: str = ""
    parent: str = ""
    created: str = ""
    default_kind: str = Field(default="", description="kind of all events of a table without a kind column")
    separator: str = Field(default="", description="CSV only; found from the header if empty")


class TableReader(FileReader[TableConfig]):
    """What CSV and Parquet share: ``EVENTS?user=customer&item=sku&time=ts&kind=action&items=FILE&title=name``.

    A folder stands for all its part files. Without a kind column events are ratings where the value column is
    called rating, stars, overall or score, else interactions. Kinds go by their usual names ("addtocart",
    "page_view", "buy"); an unknown one is dropped and named. Columns of items that have no role are attributes.
    """

    Config = TableConfig
    suffixes: tuple[str, ...]

    @abstractmethod
    def rows(self, path: Path, config: TableConfig, tally: Tally) -> tuple[list[str], Rows]:
        """Return the names of the columns, and the rows (number from 1, cells) as started records."""

    def collect(self, paths: list[Path], config: TableConfig, builder: DatasetBuilder) -> None:
        """Read the events, then the items."""
        for path in (part for given in paths for part in self._parts(given)):
            header, rows = self.rows(path, config, builder.tally)
            given = {role: getattr(config, role) for role in EVENT_NAMES}
            columns = resolve(header, EVENT_NAMES, given, ("user", "item"), path.name)
            default = config.default_kind or _kind_of(header, columns)
            if default not in KINDS:
                raise DataError(f"default_kind must be one of {', '.join(KINDS)}; got {default!r}")
            take = _EventTaker(columns, default, config, builder)
            take_each(rows, builder.tally, take)
        if not config.items:
            return
        beside = paths[0].parent / config.items
        for path in self._parts(beside if beside.exists() else Path(config.items).expanduser()):
            header, rows = self.rows(path, config, builder.tally)
            named = {role: getattr(config, role) for role in ITEM_NAMES} | {"item": config.item_id}
            if not config.item_id and config.item in header:
                named["item"] = config.item
            columns = resolve(header, ITEM_NAMES, named, ("item",), path.name)
            others = {name: place for place, name in enumerate(header) if place not in columns.values() and name}
            take_each(rows, builder.tally, _take_item, columns, others, config, builder)

    def _parts(self, path: Path) -> list[Path]:
        if not path.is_dir():
            return [path]
        parts = sorted(p for p in path.iterdir() if p.name.removesuffix(".gz").endswith(self.suffixes))
        if not parts:
            raise DataError(f"{path} holds no file that ends in {' or '.join(self.suffixes)}")
        return parts


class CSV(TableReader):
    """Reads delimited text with a header, plain or gzip. See `TableReader` for the place."""

    name = "csv"
    suffixes = (".csv", ".tsv", ".txt")

    def rows(self, path: Path, config: TableConfig, tally: Tally) -> tuple[list[str], Rows]:
        """Return the header and the rows; the separator is the one that the header has most of."""
        lines = read_lines(path, tally, max_bytes=config.max_line_bytes)
        header = next(lines, None)
        if header is None:
            raise DataError(f"{path} is empty: the first line should name the columns")
        separator = config.separator or max(_SEPARATORS, key=header.text.count)
        names = first_row(header, separator)
        return names, csv_rows(lines, tally, path.name, separator=separator, width=len(names))


class Parquet(TableReader):
    """Reads Parquet files in batches. See `TableReader` for the place. Needs the extra ``parquet``."""

    name = "parquet"
    suffixes = (".parquet", ".pq")

    def rows(self, path: Path, config: TableConfig, tally: Tally) -> tuple[list[str], Rows]:
        """Return the columns and the rows."""
        return parquet_rows(path, tally)


class _EventTaker:
    """Takes the rows of one table of events."""

    def __init__(self, columns: Mapping[str, int], default: str, config: TableConfig, builder: DatasetBuilder) -> None:
        self.columns, self.default, self.config, self.builder = columns, default, config, builder
        self._kinds: dict[str, str] = {}

    def __call__(self, row: tuple[int, Cells]) -> None:
        cells, columns = row[1], self.columns
        user = identifier(cells[columns["user"]], "user id")
        item = identifier(cells[columns["item"]], "item id")
        time = seconds(cells[columns["time"]]) if "time" in columns else None
        kind = self._kind(cells)
        kind, value = self._value(kind, self._cell(cells, "value"))
        position = self._cell(cells, "position")
        event_id = self._cell(cells, "event_id")
        self.builder.event(
            user, item, kind, time,
            value=value,
            position=0 if missing(position) else int(min(max(number(position, "position"), 0), MAX_COUNT)),
            event_id="" if missing(event_id) else identifier(event_id, "event id"),
        )  # fmt: skip

    def _cell(self, cells: Cells, role: str) -> Any:
        return cells[self.columns[role]] if role in self.columns else None

    def _kind(self, cells: Cells) -> str:
        cell = self._cell(cells, "kind")
        if isinstance(cell, str) and cell in self._kinds:
            return self._kinds[cell]
        if missing(cell):
            return self.default
        word = str(cell)
        kind = KIND_NAMES.get(plain(word.strip()))
        if kind is None:
            raise DataError("kind is unknown")
        self._kinds[word] = kind
        return kind

    def _value(self, kind: str, cell: Any) -> tuple[str, float]:
        if kind == "rating":
            return kind, rating(cell, self.config.min_rating, self.config.max_rating)
        if missing(cell):
            return kind, 1.0
        value = number(cell, "value")
        if abs(value) > MAX_VALUE:
            raise DataError(f"value is beyond {MAX_VALUE:g}")
        if value < 0 and kind == "purchase":
            # Tills and invoices write a return as a purchase of fewer than none.
            self.builder.tally.repair(RETURNED)
            return "return", -value
        return kind, value


def _kind_of(header: Sequence[str], columns: Mapping[str, int]) -> str:
    named_rating = "value" in columns and plain(header[columns["value"]]) in RATING_NAMES
    return "rating" if named_rating and "kind" not in columns else "interaction"


def _take_item(
    row: tuple[int, Cells],
    columns: Mapping[str, int],
    others: Mapping[str, int],
    config: TableConfig,
    builder: DatasetBuilder,
) -> None:
    builder.item(_item(row[1], columns, others, config))


def _item(cells: Cells, columns: Mapping[str, int], others: Mapping[str, int], config: TableConfig) -> Item:
    def cell(role: str) -> Any:
        value = cells[columns[role]] if role in columns else None
        return None if missing(value) else value

    def text(role: str, limit: int) -> str:
        value = cell(role)
        return clean_text(str(value) if isinstance(value, int | float) else value, limit)

    attributes: dict[str, str | float | bool | tuple[str, ...]] = {}
    for name, place in others.items():
        if (value := _attribute(cells[place])) is not None and len(attributes) < MAX_ATTRIBUTES:
            attributes[name] = value
    stock, created, parent = cell("stock"), cell("created"), cell("parent")
    return Item(
        item_id=identifier(cells[columns["item"]], "item id"),
        title=text("title", config.max_title_chars),
        text=text("text", config.max_text_chars),
        brand=text("brand", 100) or None,
        categories=_categories(cell("categories")),
        price=price(cell("price")),
        stock=None if stock is None else int(min(max(number(stock, "stock"), 0), MAX_COUNT)),
        parent_id=None if parent is None else identifier(parent, "parent id"),
        created=None if created is None else datetime.fromtimestamp(seconds(created), UTC),
        attributes=attributes,
    )


def _attribute(value: Any) -> str | float | bool | tuple[str, ...] | None:
    if missing(value):
        return None
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return tuple(t for v in value[:50] if (t := clean_text(v, 100))) or None
    return clean_text(value, 200) or None


def _categories(value: Any) -> tuple[str, ...]:
    """Return the entries of a list, or of a text separated by "|", ">" or ";"."""
    entries = listed(value) if value is not None else []
    if len(entries) == 1 and isinstance(entries[0], str):
        mark = next((m for m in ("|", ">", ";") if m in entries[0]), None)
        entries = entries[0].split(mark) if mark else entries
    return tuple(dict.fromkeys(c for e in entries if (c := clean_text(e, 100))))
