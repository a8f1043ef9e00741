"""The S3-Rec / P5 split files: one line a user, item numbers oldest first (arXiv 2008.07873)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from recsys.data.lines import json_lines, parse_json, read_lines
from recsys.data.report import Tally
from recsys.data.text import clean_text
from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport
from recsys.types import Events, Item

MAX_ATTRIBUTE_BYTES = 64 << 20
MAX_TITLE_CHARS = 1000


class S3Rec:
    """Reads ``sequences.txt[.gz]`` of a folder, and ``items.jsonl[.gz]`` and ``item2attributes.json[.gz]`` if present.

    Item numbers follow first appearance, so a low number is an early, popular item: catalogue rows are shuffled
    by a fixed seed so that neither row order nor a tie can carry that. Times are places in the sequence: the
    files have none. Ratings are absent; every interaction counts as liked, as in the published protocol.
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
            DataError: no sequences in the folder. Lines that are no integers are dropped and named.
        """
        folder = Path(place)
        source = _find(folder, "sequences.txt")
        if source is None:
            raise DataError(f"{folder} holds no sequences.txt or sequences.txt.gz")
        tally = Tally()
        users: list[str] = []
        parts: list[list[int]] = []
        for line in read_lines(source, tally):
            tally.start(source.name, line.number, line.repairs)
            words = line.text.split()
            if len(words) < 2 or not all(_is_number(w) for w in words[1:]):
                tally.drop("not a line of 'user item item ...' with item numbers")
                continue
            users.append(words[0])
            parts.append([int(w) for w in words[1:]])
            tally.keep()
        if not parts:
            raise DataError(f"{source} holds no sequence: every line should read 'user item item ...'")
        lengths = np.array([len(p) for p in parts])
        numbers = np.concatenate([np.asarray(p, dtype=np.int64) for p in parts])
        items, rows = self._items(folder, numbers, tally)
        times = np.concatenate([np.arange(n, dtype=np.int64) for n in lengths])
        log = EventLog.of(np.repeat(users, lengths).tolist(), Events.of(rows, times=times))
        return Dataset(items, log, (), name=f"s3rec:{folder.name}", info={"has_times": False}), tally.freeze()

    @staticmethod
    def _items(folder: Path, numbers: np.ndarray[Any, Any], tally: Tally) -> tuple[ItemTable, np.ndarray[Any, Any]]:
        present, place = np.unique(numbers, return_inverse=True)
        order = np.random.default_rng(20_080_873).permutation(len(present))
        row_of = np.empty(len(present), dtype=np.int32)
        row_of[order] = np.arange(len(present), dtype=np.int32)
        known = set(present.tolist())
        described: dict[int, dict[str, Any]] = {}
        if (source := _find(folder, "items.jsonl")) is not None:
            for record in json_lines(source, tally):
                number = record.value.get("item_id")
                if number not in known or not isinstance(number, int):
                    tally.drop("item_id is not a number of the sequences")
                    continue
                described[number] = record.value
                tally.keep()
        codes: dict[str, list[int]] = {}
        if (source := _find(folder, "item2attributes.json")) is not None:
            # One JSON object on one line, however long.
            text = "".join(line.text for line in read_lines(source, tally, max_bytes=MAX_ATTRIBUTE_BYTES))
            tally.start(source.name, 1)
            found = parse_json(text, tally)
            codes = found if isinstance(found, dict) else {}
            tally.keep() if isinstance(found, dict) else tally.drop("not one JSON object")
        return ItemTable.of(
            _item(n, described.get(n, {}), codes.get(str(n), [])) for n in present[order].tolist()
        ), row_of[place]


def _is_number(word: str) -> bool:
    # Items count from 1.
    return word.isascii() and word.isdigit() and len(word) < 10 and int(word) > 0


def _item(number: int, record: dict[str, Any], codes: Any) -> Item:
    attributes: dict[str, Any] = {}
    brand, listed = _text(record.get("brand")), record.get("categories")
    categories = tuple(dict.fromkeys(c for c in map(_text, listed) if c)) if isinstance(listed, list) else ()
    if isinstance(codes, list) and codes and not (brand or categories):
        # Attribute numbers without names (Toys): features to match on, nothing to read.
        attributes["attribute"] = tuple(f"#{c}" for c in codes)
    title, text = _text(record.get("title")) or _text(record.get("name")), _text(record.get("keywords"))
    return Item(
        item_id=str(number), title=title or text, text=text if title else "", brand=brand or None,
        categories=categories, attributes=attributes,
    )  # fmt: skip


def _text(value: Any) -> str:
    return clean_text(value, MAX_TITLE_CHARS)


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)
