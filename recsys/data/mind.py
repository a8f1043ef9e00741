"""MIND, the Microsoft News Dataset (Wu et al. 2020, ACL): impressions with clicks, and news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from recsys.data.builder import DatasetBuilder
from recsys.data.csv_rows import WRONG_WIDTH
from recsys.data.fields import identifier, seconds
from recsys.data.lines import read_lines
from recsys.data.reader import FileReader, ReaderConfig, find_file, need_file, take_each
from recsys.data.report import Tally
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import Item

NO_LABEL = "impression without a label 0 or 1"
LEFT_OUT = "impression left out by the settings"
NOTHING = "no impressions"
# impression id, user, time, history, impressions; and id, category, subcategory, title, abstract, url, two entity lists
_BEHAVIORS, _NEWS = 5, 8


class MINDConfig(ReaderConfig):
    """Settings of `MIND`."""

    positions: bool = Field(
        default=False,
        description="the places in an impression mean something: not so in the published files, which shuffle them",
    )
    impressions: bool = Field(default=True, description="keep what was shown and not clicked")


@dataclass(slots=True)
class _Reader:
    """The clicks of one person before the log begins: the longest history seen, and where."""

    time: int
    clicks: list[str]
    line: int


class MIND(FileReader[MINDConfig]):
    """Reads a folder with ``behaviors.tsv`` and ``news.tsv``, or ``BEHAVIORS[,NEWS]``.

    A shown news item is an event of kind "click" or "impression" at the time of its line. The history column has no
    times and repeats on every line of a person: each click in it counts once, one second apart, before the
    person's first line. Every shown or clicked news item is a record.
    """

    name = "mind"
    Config = MINDConfig

    def collect(self, paths: list[Path], config: MINDConfig, builder: DatasetBuilder) -> None:
        """Read the behaviours, then the news."""
        if len(paths) > 2:
            raise DataError(f"mind: expected a folder or BEHAVIORS[,NEWS], got {len(paths)} files")
        behaviors, news = paths[0], paths[1] if len(paths) > 1 else None
        if behaviors.is_dir():
            behaviors, news = need_file(paths[0], "behaviors.tsv"), news or find_file(paths[0], "news.tsv")
        tally = builder.tally
        readers: dict[str, _Reader] = {}
        take_each(
            _cells(behaviors, _BEHAVIORS, config, tally),
            tally,
            lambda cells: _behaviour(cells, readers, config, builder),
        )
        for user, reader in readers.items():
            for place, item in enumerate(reader.clicks):
                tally.start(behaviors.name, reader.line)
                builder.event(user, item, "click", max(0, reader.time - len(reader.clicks) + place))
        if news is not None:
            take_each(_cells(news, _NEWS, config, tally), tally, lambda cells: builder.item(_item(cells, config)))


def _behaviour(cells: list[str], readers: dict[str, _Reader], config: MINDConfig, builder: DatasetBuilder) -> None:
    """Take one line; its first shown item uses the line's own record."""
    tally = builder.tally
    user, time = identifier(cells[1], "user id"), seconds(cells[2])
    clicks = [identifier(word, "item id") for word in cells[3].split()]
    shown = cells[4].split()
    reader = readers.setdefault(user, _Reader(time, [], tally.line))
    reader.time = min(reader.time, time)
    if len(clicks) > len(reader.clicks):
        reader.clicks, reader.line = clicks, tally.line
    if not shown:
        # Its history is counted with the person's other clicks; the line itself holds no further event.
        raise DataError(NOTHING)
    for place, word in enumerate(shown, 1):
        if place > 1:
            tally.again()
        try:
            item, kind = _shown(word)
        except DataError as error:
            tally.drop(str(error))
            continue
        if kind == "impression" and not config.impressions:
            tally.drop(LEFT_OUT)
        else:
            builder.event(user, item, kind, time, position=place if config.positions else 0)


def _shown(word: str) -> tuple[str, str]:
    item, _, label = word.rpartition("-")
    if label not in ("0", "1"):
        raise DataError(NO_LABEL)
    return identifier(item, "item id"), "click" if label == "1" else "impression"


def _item(cells: list[str], config: MINDConfig) -> Item:
    categories = (clean_text(cells[1], 100), clean_text(cells[2], 100))
    return Item(
        item_id=identifier(cells[0], "item id"),
        title=clean_text(cells[3], config.max_title_chars),
        text=clean_text(cells[4], config.max_text_chars),
        categories=tuple(dict.fromkeys(c for c in categories if c)),
    )


def _cells(path: Path, width: int, config: MINDConfig, tally: Tally) -> Iterator[list[str]]:
    # Quotes mean nothing in these files: a title may hold one alone.
    for number, text, repairs in read_lines(path, tally, max_bytes=config.max_line_bytes):
        tally.start(path.name, number, repairs)
        cells = text.split("\t")
        if len(cells) == width:
            yield cells
        else:
            tally.drop(WRONG_WIDTH)
