"""Rows of delimited text, of which one broken row never takes others with it."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator

from recsys.data.lines import Line
from recsys.data.report import Tally

MAX_ROW_LINES = 100
OPEN_QUOTE = "a quote is not closed"
WRONG_WIDTH = "wrong number of columns"


def csv_rows(
    lines: Iterator[Line], tally: Tally, file: str, *, separator: str = ",", width: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, ``width`` cells), each row as a started record of ``tally``; others are dropped and named.

    A quoted cell may hold line ends. A stray quote would swallow everything up to the next one: where the rows
    that it joins do not have ``width`` cells, the line it is on is dropped alone and the rest is read again.
    """
    ahead: deque[Line] = deque()

    def following() -> Line | None:
        return ahead.popleft() if ahead else next(lines, None)

    while (line := following()) is not None:
        row: list[str] | None
        if '"' in line.text:
            row, taken = _joined(line, following, separator)
            if row is None or (len(taken) > 1 and len(row) != width):
                ahead.extendleft(reversed(taken[1:]))
                row, taken = _alone(line, separator), [line]
        else:
            row, taken = line.text.split(separator), [line]
        tally.start(file, line.number, tuple(dict.fromkeys(r for part in taken for r in part.repairs)))
        if row is None:
            tally.drop(OPEN_QUOTE)
        elif len(row) != width:
            tally.drop(WRONG_WIDTH)
        else:
            yield line.number, row


def first_row(line: Line, separator: str) -> list[str]:
    """Return the cells of one line, stripped: the names of the columns."""
    return [cell.strip() for cell in next(csv.reader([line.text], delimiter=separator), [])]


def _joined(line: Line, following: Callable[[], Line | None], separator: str) -> tuple[list[str] | None, list[Line]]:
    """Return the row that begins on ``line``, None if its quotes do not fit together, and the lines that it took."""
    taken = [line]

    def feed() -> Iterator[str]:
        yield line.text + "\n"
        while len(taken) < MAX_ROW_LINES and (more := following()) is not None:
            taken.append(more)
            yield more.text + "\n"

    try:
        return next(csv.reader(feed(), delimiter=separator, strict=True), None), taken
    except csv.Error:
        return None, taken


def _alone(line: Line, separator: str) -> list[str] | None:
    """Return the cells of one line whose quotes are careless (``"5" pipe"``), None if one is left open."""
    is_open = False

    def feed() -> Iterator[str]:
        nonlocal is_open
        yield line.text + "\n"
        is_open = True  # the parser asks for more: it is still inside quotes

    try:
        row = next(csv.reader(feed(), delimiter=separator), None)
    except csv.Error:
        return None
    return None if is_open else row
