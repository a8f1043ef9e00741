"""Re-ranking of given candidates as in LLMRank (Hou et al. 2024, arXiv 2305.08845): histories, lists, targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from recsys.data.given import INFO_KEY, Given
from recsys.data.lines import read_lines
from recsys.data.report import Tally
from recsys.data.text import clean_text
from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport
from recsys.types import Events, Item

MAX_TITLE_CHARS = 1000
SIZE = 20  # of a list: the target and 19 others
# Where histories are that the published folders lack: the folder beside, and its file.
HISTORIES = {"Games": ("Games-6k", "Games-6k.test.inter"), "ml-1m": ("../ml-1m-sequences", "sequences.txt")}
REMARKS = {
    "ml-1m": "Reconstructed: the histories are of another source, which dropped low ratings and rare movies; published "
    "figures of this set are of other histories."
}


class LLMRank:
    """Reads one folder of candidate files (``SET.random[.gz]``, ``SET.item[.gz]``) and the histories beside it.

    Every shopper's last interaction is their target. ``Dataset.info`` carries the lists of the published test shoppers:
    the first 19 random items that are not the target, and the target, shuffled by a fixed seed. Times are places in
    the sequence. Of ``ml-1m`` the histories are a reconstruction: the source dropped low ratings and rare movies.
    """

    class Config(BaseModel):
        """``source`` of the candidates: the ending of their file."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        source: str = "random"

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def read(self, place: str) -> tuple[Dataset, DropReport]:
        """Read one folder.

        Raises:
            DataError: a file is missing, or no list has a shopper with a history. Broken lines are dropped and named.
        """
        folder, tally = Path(place), Tally()
        if folder.name not in HISTORIES:
            raise DataError(f"{folder} must be one of the folders {', '.join(HISTORIES)} of LLMRank")
        beside, file = HISTORIES[folder.name]
        items = _items(_there(folder, f"{folder.name}.item"), tally)
        table = ItemTable.of(items)
        known = set(table.ids)
        histories = dict(_histories(_there(folder.parent / beside, file), known, tally))
        users = list(histories)
        lengths = [len(h) for h in histories.values()]
        rows = table.vocabulary.rows([item for h in histories.values() for item in h])
        times = np.concatenate([np.arange(n, dtype=np.int64) for n in lengths])
        log = EventLog.of(np.repeat(users, lengths).tolist(), Events.of(rows, times=times))
        lists = _lists(_there(folder, f"{folder.name}.{self.config.source}"), known, tally)
        given = _given({u: c for u, c in lists if u in histories}, histories, table, REMARKS.get(folder.name, ""))
        return Dataset(
            table, log, (), name=f"llmrank:{folder.name.lower()}", info={"has_times": False, INFO_KEY: given}
        ), tally.freeze()  # fmt: skip


def _there(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"{folder} holds no {name} or {name}.gz")


def _rows(path: Path, tally: Tally, columns: int, head: bool) -> Iterator[list[str]]:
    for line in read_lines(path, tally):
        if head and line.number == 1:
            continue
        tally.start(path.name, line.number, line.repairs)
        cells = line.text.split("\t")
        if len(cells) < columns or not cells[0].strip():
            tally.drop(f"not a line of {columns} columns")
            continue
        tally.keep()
        yield cells


def _items(path: Path, tally: Tally) -> list[Item]:
    out = []
    for cells in _rows(path, tally, 2, head=True):
        genres = tuple(cells[3].split()) if len(cells) > 3 else ()
        year = {"year": cells[2]} if len(cells) > 3 else {}
        title = clean_text(cells[1], MAX_TITLE_CHARS)
        out.append(Item(item_id=cells[0], title=title, categories=genres, attributes=year))
    return out


def _histories(path: Path, known: set[str], tally: Tally) -> Iterator[tuple[str, list[str]]]:
    """Yield each shopper and what they chose, oldest first, the target last."""
    table = ".inter" in path.name
    for line in read_lines(path, tally):
        if table and line.number == 1:
            continue
        tally.start(path.name, line.number, line.repairs)
        user, *rest = line.text.split("\t") if table else line.text.split(" ", 1)
        items = [i for i in " ".join(rest).split() if i in known]
        if len(items) < 2:
            tally.drop("no history of two known items")
            continue
        tally.keep()
        yield user, items


def _lists(path: Path, known: set[str], tally: Tally) -> Iterator[tuple[str, list[str]]]:
    for user, items, *_ in _rows(path, tally, 2, head=False):
        yield user, [i for i in dict.fromkeys(items.split()) if i in known]


def _given(lists: dict[str, list[str]], histories: dict[str, list[str]], table: ItemTable, remark: str) -> Given:
    rng = np.random.default_rng(20_230_515)
    users, rows = [], []
    for user, items in lists.items():
        target = histories[user][-1]
        chosen = [*[i for i in items if i != target][: SIZE - 1], target]
        if len(chosen) == SIZE:
            users.append(user)
            rows.append(rng.permutation(table.vocabulary.rows(chosen)))
    if not users:
        raise DataError("no list of candidates belongs to a shopper with a history")
    return Given(tuple(users), np.stack(rows).astype(np.int32), remark)
