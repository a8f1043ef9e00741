"""The S3-Rec / P5 split files: one line a user, item numbers oldest first (arXiv 2008.07873)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport
from recsys.types import Events, Item


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
        users: list[str] = []
        parts: list[list[int]] = []
        samples: list[str] = []
        read = 0
        with _open(source) as lines:
            for number, line in enumerate(lines, 1):
                read += 1
                words = line.split()
                if len(words) < 2 or not all(w.isdigit() for w in words):
                    samples.append(f"{source.name}:{number}: expected 'user item item ...', got {line[:40]!r}")
                    continue
                users.append(words[0])
                parts.append([int(w) for w in words[1:]])
        if not parts:
            raise DataError(f"{source} holds no sequence: every line should read 'user item item ...'")
        lengths = np.array([len(p) for p in parts])
        numbers = np.concatenate([np.asarray(p, dtype=np.int64) for p in parts])
        items, row_of = self._items(folder, numbers)
        times = np.concatenate([np.arange(n, dtype=np.int64) for n in lengths])
        log = EventLog.of(np.repeat(users, lengths).tolist(), Events.of(row_of[numbers], times=times))
        dropped = len(samples)
        report = DropReport(
            read, read - dropped, 0, dropped, {"not a sequence": dropped} if dropped else {}, tuple(samples[:5])
        )
        return Dataset(items, log, (), name=f"s3rec:{folder.name}", info={"has_times": False}), report

    @staticmethod
    def _items(folder: Path, numbers: np.ndarray[Any, Any]) -> tuple[ItemTable, np.ndarray[Any, Any]]:
        top = int(numbers.max())
        order = np.random.default_rng(20_080_873).permutation(top) + 1
        row_of = np.full(top + 1, -1, dtype=np.int32)
        row_of[order] = np.arange(top, dtype=np.int32)
        described: dict[int, dict[str, Any]] = {}
        if (source := _find(folder, "items.jsonl")) is not None:
            with _open(source) as lines:
                described = {record["item_id"]: record for record in map(json.loads, lines)}
        codes: dict[str, list[int]] = {}
        if (source := _find(folder, "item2attributes.json")) is not None:
            with _open(source) as lines:
                codes = json.load(lines)
        return ItemTable.of(_item(n, described.get(n, {}), codes.get(str(n), [])) for n in order.tolist()), row_of


def _item(number: int, record: dict[str, Any], codes: list[int]) -> Item:
    attributes: dict[str, Any] = {}
    named = bool(record.get("brand") or record.get("categories"))
    if codes and not named:
        # Attribute numbers without names (Toys): features to match on, nothing to read.
        attributes["attribute"] = tuple(f"#{c}" for c in codes)
    text = record.get("keywords") or ""
    return Item(
        item_id=str(number),
        title=record.get("title") or record.get("name") or text,
        text=text if record.get("title") or record.get("name") else "",
        brand=record.get("brand") or None,
        categories=tuple(dict.fromkeys(c for c in record.get("categories") or () if c)),
        attributes=attributes,
    )


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)


def _open(path: Path) -> Any:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
