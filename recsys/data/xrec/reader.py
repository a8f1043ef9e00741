"""The files of XRec (Ma, Ren, Huang 2024, arXiv 2406.02377) as the explanations of one domain and its interactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from recsys.data.builder import BuildOptions, DatasetBuilder
from recsys.data.csv_rows import csv_rows, first_row
from recsys.data.fields import identifier, missing, seconds
from recsys.data.lines import json_lines, read_lines
from recsys.data.reader import find_file, need_file
from recsys.data.report import SAMPLES_PER_REASON, Tally
from recsys.data.text import clean_text
from recsys.data.xrec.pairs import INFO_KEY, Pair, leaking, part_of
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport
from recsys.types import Item

MAX_TITLE_CHARS, MAX_TEXT_CHARS = 500, 4000
PARTS = ("trn", "val", "tst")  # of the published interactions, oldest first
HELD_OUT = "explained pair of a held-out shopper"
LEAKS = "item explained to a held-out shopper"
TWICE = "pair explained before"
_TEXTS = ("user_summary", "item_summary", "explanation")


class XRec:
    """Reads ``test.jsonl[.gz]`` of a folder and what there is of ``interactions_{trn,val,tst}.csv[.gz]``.

    ``test.jsonl`` tells of pairs, and of an item where it first names one. The published split is by interaction, and
    every explained pair was drawn from all of it: most are among the training interactions. Here explanations are
    split anew by shopper (60 / 10 / 30), and two leaks are closed: pairs whose item a later part explains (see
    `recsys.data.xrec.pairs.leaking`), and the interactions of the held-out pairs, so that nothing fitted on the log
    has seen them. Both are counted in the report.

    ``Dataset.info["explained"]`` holds the pairs that stay. Items have their titles and nothing else: summaries are
    written by a model from reviews, those behind the references among them. Without times the order is that of
    the files.
    """

    class Config(BaseModel):
        """No settings."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def read(self, place: str) -> tuple[Dataset, DropReport]:
        """Read one folder.

        Raises:
            DataError: no explanations or no interactions in the folder. Broken records are dropped and named.
        """
        folder = Path(place)
        source = need_file(folder, "test.jsonl")
        logs = [path for part in PARTS if (path := find_file(folder, f"interactions_{part}.csv"))]
        if not logs:
            raise DataError(f"{folder} holds no interactions_trn.csv, interactions_val.csv or interactions_tst.csv")
        tally = Tally()
        builder = DatasetBuilder(tally)
        pairs = _pairs(source, builder)
        held_out = {(p.user, p.item) for p in pairs if p.part != "train"}
        for path in logs:
            _interactions(path, held_out, builder)
        data = builder.build(f"xrec:{folder.name}", BuildOptions(), {INFO_KEY: tuple(pairs)})
        return data, tally.freeze()


class _Read(NamedTuple):
    pair: Pair
    line: int
    repaired: bool


def _pairs(path: Path, builder: DatasetBuilder) -> list[Pair]:
    found, tally = list(_explained(path, builder)), builder.tally
    leaks = leaking([r.pair for r in found])
    lost = [found[i] for i in leaks]
    places = [(path.name, r.line) for r in lost[:SAMPLES_PER_REASON]]
    tally.take_back(LEAKS, places, len(lost), sum(r.repaired for r in lost))
    gone = set(leaks)
    return [r.pair for i, r in enumerate(found) if i not in gone]


def _explained(path: Path, builder: DatasetBuilder) -> Iterator[_Read]:
    seen: set[tuple[str, str]] = set()
    items: set[str] = set()
    tally = builder.tally
    for record in json_lines(path, tally):
        try:
            pair = _pair(record.value)
        except DataError as error:
            tally.drop(str(error))
            continue
        if (pair.user, pair.item) in seen:
            tally.drop(TWICE)
            continue
        seen.add((pair.user, pair.item))
        yield _Read(pair, record.line, tally.keep())
        if pair.item not in items:  # in the catalogue even where all that is known of it is held out
            items.add(pair.item)
            tally.again()
            builder.item(Item(item_id=pair.item, title=pair.title))


def _pair(record: dict[str, Any]) -> Pair:
    user, item = identifier(record.get("user"), "user"), identifier(record.get("item"), "item")
    texts = {name: clean_text(record.get(name), MAX_TEXT_CHARS) for name in _TEXTS}
    if absent := [name for name, text in texts.items() if not text]:
        raise DataError(f"{absent[0]} is missing")
    title = clean_text(record.get("title"), MAX_TITLE_CHARS)
    published = clean_text(record.get("xrec_prediction"), MAX_TEXT_CHARS) or None
    return Pair(user=user, item=item, title=title, published=published, part=part_of(user), **texts)


def _interactions(path: Path, held_out: set[tuple[str, str]], builder: DatasetBuilder) -> None:
    tally = builder.tally
    lines = read_lines(path, tally)
    head = next(lines, None)
    columns = first_row(head, ",") if head else []
    if columns[:2] != ["user", "item"]:
        raise DataError(f"{path} must begin with a line of columns: user,item")
    timed = columns.index("Time") if "Time" in columns else None
    for _, cells in csv_rows(lines, tally, path.name, width=len(columns)):
        try:
            user, item = identifier(cells[0], "user"), identifier(cells[1], "item")
            time = None if timed is None or missing(cells[timed]) else seconds(cells[timed])
        except DataError as error:
            tally.drop(str(error))
            continue
        if (user, item) in held_out:
            tally.drop(HELD_OUT)
        else:
            builder.event(user, item, "interaction", time)
