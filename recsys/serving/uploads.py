"""A shop out of dropped files: CSV text is read by the reader of the data sets and fitted with small settings."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from recsys.config import EngineConfig
from recsys.data.columns import ITEM_NAMES, plain, resolve
from recsys.data.source import open_data
from recsys.dataset import Dataset
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.fitting import Progress
from recsys.protocols import DropReport
from recsys.serving.showcase import Made, Maker

MOST_BYTES = 16 << 20
# Fitted while somebody waits: the quick generators, and a ranker over them.
SMALL = {
    "candidates": {
        "transitions": {}, "attributes": {}, "item-knn": {}, "bm25": {}, "popularity": {"n": 30},
    },
    "variants": {"no-llm": {"rank": "lightgbm"}, "popularity": {"candidates": ["popularity"]}},
}  # fmt: skip


def maker(events: str, items: str | None) -> Maker:
    """Return what makes a shop of the text of one or two CSV files.

    ``events`` has a line for each act: shopper, item, and what else there is. Without ``items``, titles, prices and the
    like are taken from the same lines, where they have such columns. What cannot be read is named with its line.
    """

    def make(tell: Progress) -> Made:
        tell("reading the file")
        with TemporaryDirectory(prefix="recsys-upload-") as folder:
            data, report = _read(Path(folder), events, items)
        tell(f"{report.kept:,} records read, {report.dropped:,} left out")
        return fitted(data, tell, notes=said(report))

    return make


def fitted(data: Dataset, tell: Progress, notes: Sequence[str] = ()) -> Made:
    """Return a shop of a data set, fitted with `SMALL` settings; its moment is the end of the log."""
    engine = Engine(EngineConfig.of(SMALL)).fit(data, progress=tell)
    timed = len(data.log) and data.info.get("has_times", True)
    now = int(data.log.events.times.max()) + 1 if timed else None
    return Made(engine, now, notes=(*notes, *engine.warnings))


def said(report: DropReport) -> tuple[str, ...]:
    """Return what was left out or mended while reading, in words: each cause with its count, then lines."""
    causes = [f"{cause}: {n:,} {'line' if n == 1 else 'lines'}" for cause, n in report.reasons.items()]
    return (*causes, *report.samples[:12])


def _read(folder: Path, events: str, items: str | None) -> tuple[Dataset, DropReport]:
    table = folder / "events.csv"
    table.write_text(events, encoding="utf-8", newline="")
    catalogue = items if items is not None else described(events)
    place = f"csv:{table}"
    if catalogue is not None:
        (folder / "items.csv").write_text(catalogue, encoding="utf-8", newline="")
        place += "?items=items.csv"
    try:
        return open_data(place)
    except DataError as error:
        raise DataError(_advised(str(error), folder)) from error


def _advised(message: str, folder: Path) -> str:
    """Return the reader's message for somebody who has dropped a file: there is no command line to mend."""
    message = message.replace(f"{folder}/", "").replace("csv:", "")
    head, place, _ = message.partition(": say it in the place")
    return f"{head}. Rename it in the first line, to user_id, item_id, timestamp, kind or title" if place else message


def described(events: str) -> str | None:
    """Return a table of items out of one of events, a line an item, or None where no column describes items."""
    rows = csv.reader(io.StringIO(events), delimiter=_separator(events))
    header = next(rows, [])
    if "title" not in (known := _roles(header)):
        return None
    seen: dict[str, list[str]] = {}
    for row in rows:
        if len(row) == len(header):
            seen.setdefault(row[known["item"]], [row[place] for place in known.values()])
    out = io.StringIO()
    csv.writer(out).writerows([list(known), *seen.values()])
    return out.getvalue()


def _separator(text: str) -> str:
    head = text.split("\n", 1)[0]
    return max((",", "\t", ";", "|"), key=head.count)


def _roles(header: Sequence[str]) -> dict[str, int]:
    """Return the columns that say something of items."""
    described = {"item", "title", "text", "brand", "categories"}
    names = {role: n for role, n in ITEM_NAMES.items() if role in described} | {"price": ("price",)}  # of one, no total
    try:
        return resolve([plain(name) for name in header], names, dict.fromkeys(names, ""), ("item",), "events.csv")
    except DataError:
        return {}  # the reader says it better
