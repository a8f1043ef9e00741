"""Reads a folder with a catalogue and judged queries; there are no shoppers in it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from recsys.data.csv_rows import csv_rows, first_row
from recsys.data.lines import json_lines, read_lines
from recsys.data.reader import find_file, take_each
from recsys.data.report import Tally
from recsys.data.search.formats import FORMATS, Format, judged
from recsys.data.search.judgements import INFO_KEY, Judgements, JudgementsBuilder
from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport
from recsys.types import NO_EVENTS, Item

SAME_ID = "item seen before"
SEED = 3_011  # of the row order


class SearchData:
    """Catalogues with judged queries: the Icecat products of Chorus, the movies of MSRD, or plain files of one's own.

    The folder holds ``products.jsonl`` and ``ratings.csv`` (Icecat), ``movies.jsonl`` and ``judgments.tsv`` (MSRD),
    or ``items.jsonl`` (objects with the fields of `Item`) and ``judgements.csv`` (columns query, item_id, grade);
    each also as ``.gz``. `Dataset.info` holds the `Judgements` under "judgements"; the log is empty. Catalogue rows
    are shuffled by a fixed seed: a collection is often sorted by fame, and neither row nor tie may carry that.
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
        """Read one folder. The report counts a record per item and per judgement.

        Raises:
            DataError: the folder holds none of the pairs of files, or no item, or no judgement of an item.
        """
        folder = Path(place).expanduser()
        found, catalogue, lines = _format(folder)
        tally = Tally()
        items = _items(catalogue, found, tally)
        judgements = _judgements(lines, found, items, tally)
        name = found.name if found.name != "plain" else folder.name
        info = {INFO_KEY: judgements, "has_times": False, "reader": "search"}
        return Dataset(items, EventLog.of([], NO_EVENTS), (), f"search:{name}", info), tally.freeze()


def _format(folder: Path) -> tuple[Format, Path, Path]:
    for one in FORMATS:
        catalogue, lines = find_file(folder, one.catalogue), find_file(folder, one.judgements)
        if catalogue is not None and lines is not None:
            return one, catalogue, lines
    pairs = "; ".join(f"{f.catalogue} and {f.judgements}" for f in FORMATS)
    raise DataError(f"{folder} holds no catalogue with judgements: expected one of {pairs} (each also as .gz)")


def _items(path: Path, found: Format, tally: Tally) -> ItemTable:
    items: dict[str, Item] = {}

    def take(record: dict[str, object]) -> None:
        item = found.item(record)
        if item.item_id in items:
            raise DataError(SAME_ID)
        items[item.item_id] = item
        tally.keep()

    take_each((record.value for record in json_lines(path, tally)), tally, take)
    if not items:
        raise DataError(f"{path} holds no item")
    listed = list(items.values())
    order = np.random.default_rng(SEED).permutation(len(listed))
    return ItemTable.of(listed[i] for i in order)


def _judgements(path: Path, found: Format, items: ItemTable, tally: Tally) -> Judgements:
    lines = read_lines(path, tally)
    head = next(lines, None)
    names = first_row(head, found.separator) if head is not None else []
    if not set(found.columns) <= set(names):
        raise DataError(f"{path.name} must name the columns {', '.join(found.columns)} in its first line")
    builder = JudgementsBuilder(tally)

    def take(cells: list[str]) -> None:
        builder.add(*judged(dict(zip(names, cells, strict=True)), found.columns))

    rows = csv_rows(lines, tally, path.name, separator=found.separator, width=len(names))
    take_each((cells for _, cells in rows), tally, take)
    made = builder.build(items.vocabulary)
    if not len(made.targets.rows):
        raise DataError(f"{path} judges no item of {found.catalogue}")
    return made
