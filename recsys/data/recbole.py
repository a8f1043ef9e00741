"""RecBole atomic files (Zhao et al. 2021, CIKM): tab-separated with a typed header, ``user_id:token``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from recsys.data.builder import DatasetBuilder
from recsys.data.csv_rows import WRONG_WIDTH
from recsys.data.fields import first_of, identifier, missing, number, price, rating, seconds
from recsys.data.lines import read_lines
from recsys.data.reader import FileReader, ReaderConfig, take_each
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import Item

_TYPES = ("token", "token_seq", "float", "float_seq")
_TITLES = ("title", "movie_title", "name", "item_name", "business_name")
_TEXTS = ("description", "text", "abstract")
_CATEGORIES = ("categories", "genre", "genres", "class", "category", "categoryPath")
_BRANDS = ("brand", "store")
# Sums over the whole period, test period included.
_LEAKS = frozenset(("sales_rank", "rank", "item_stars", "item_review_count", "review_count", "stars", "popularity"))
_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"")
MAX_ATTRIBUTES = 20


class RecBole(FileReader[ReaderConfig]):
    """Reads the folder of the atomic files, or ``X.inter[,Y.inter...][,X.item]``, plain or gzip.

    Several ``.inter`` files (ready splits) are read one after the other. An item file beside a single ``.inter`` is
    found by itself. With a rating column events are of kind "rating", else "interaction"; without a timestamp the
    order of the file is the order of events. Files about users are not read.
    """

    name = "recbole"
    Config = ReaderConfig

    def collect(self, paths: list[Path], config: ReaderConfig, builder: DatasetBuilder) -> None:
        """Read interactions, then items."""
        files = [found for path in paths for found in (_atomic(path) if path.is_dir() else [path])]
        inter = [p for p in files if ".inter" in p.name]
        items = [p for p in files if ".item" in p.name]
        if not inter:
            raise DataError(f"recbole: no .inter file in {', '.join(str(p) for p in paths)}")
        if not items:
            beside = [inter[0].with_name(inter[0].name.split(".")[0] + end) for end in (".item", ".item.gz")]
            items = [p for p in beside if p.is_file()][:1]
        tally = builder.tally
        for path in inter:
            rows = _rows(path, ("user_id", "item_id"), config, builder)
            take_each(rows, tally, _event, config, builder)
        for path in items:
            rows = _rows(path, ("item_id",), config, builder)
            take_each(rows, tally, _take_item, config, builder)


def _atomic(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.removesuffix(".gz").endswith((".inter", ".item")))


def _rows(
    path: Path, needed: tuple[str, ...], config: ReaderConfig, builder: DatasetBuilder
) -> Iterator[Mapping[str, str]]:
    """Yield the rows by "name:type" of their column and, beside it, by its name alone; each a started record."""
    tally = builder.tally
    lines = read_lines(path, tally, max_bytes=config.max_line_bytes)
    header = next(lines, None)
    columns = header.text.strip().split("\t") if header else []
    names = [c.rpartition(":")[0] for c in columns]
    untyped = [c for c in columns if c.rpartition(":")[2] not in _TYPES]
    lacking = [n for n in needed if n not in names]
    if untyped or lacking:
        wrong = f"column {untyped[0]!r} has no type" if untyped else f"no column {lacking[0]}"
        raise DataError(f"{path}: {wrong}; the header should read like 'user_id:token<TAB>item_id:token'")
    for line, text, repairs in lines:
        tally.start(path.name, line, repairs)
        cells = text.split("\t")
        if len(cells) == len(columns):
            yield {**dict(zip(columns, cells, strict=True)), **dict(zip(names, cells, strict=True))}
        else:
            tally.drop(WRONG_WIDTH)


def _event(row: Mapping[str, str], config: ReaderConfig, builder: DatasetBuilder) -> None:
    user, item = identifier(row["user_id"], "user id"), identifier(row["item_id"], "item id")
    time = seconds(row["timestamp"]) if "timestamp" in row else None
    if "rating" in row:
        value = rating(row["rating"], config.min_rating, config.max_rating)
        builder.event(user, item, "rating", time, value=value)
    else:
        builder.event(user, item, "interaction", time)


def _take_item(row: Mapping[str, str], config: ReaderConfig, builder: DatasetBuilder) -> None:
    builder.item(_item(row, config))


def _item(row: Mapping[str, str], config: ReaderConfig) -> Item:
    special = {"item_id", "price", *_TITLES, *_TEXTS, *_CATEGORIES, *_BRANDS, *_LEAKS}
    attributes: dict[str, str | float | tuple[str, ...]] = {}
    for column, cell in row.items():
        name, _, kind = column.rpartition(":")
        if not name or name in special or missing(cell) or len(attributes) >= MAX_ATTRIBUTES:
            continue
        if kind == "token":
            attributes[name] = clean_text(cell, 200)
        elif kind == "token_seq":
            attributes[name] = _sequence(cell)
        elif kind == "float":
            attributes[name] = number(cell, name)
    return Item(
        item_id=identifier(row["item_id"], "item id"),
        title=clean_text(first_of(row, *_TITLES), config.max_title_chars),
        text=clean_text(first_of(row, *_TEXTS), config.max_text_chars),
        brand=clean_text(first_of(row, *_BRANDS), 100) or None,
        categories=_sequence(first_of(row, *_CATEGORIES) or ""),
        price=price(row.get("price")),
        attributes=attributes,
    )


def _sequence(cell: str) -> tuple[str, ...]:
    """Return the entries of a sequence: quoted, else separated by commas, else by blanks."""
    entries = [a or b for a, b in _QUOTED.findall(cell)] or cell.split("," if "," in cell else None)
    return tuple(dict.fromkeys(c for e in entries[:50] if (c := clean_text(e, 100))))
