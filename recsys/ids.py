"""External ids (``str``) to rows (``int32``) and back; nothing else translates ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from recsys.errors import DataError
from recsys.types import ItemRows

MAX_ID_CHARS = 256


def check_id(value: object, field: str) -> str:
    """Return ``value`` if it can be an external id.

    Raises:
        DataError: not a non-empty ``str`` of at most 256 characters.
    """
    if not isinstance(value, str) or not value:
        raise DataError(f"{field} must be a non-empty string, got {value!r}")
    if len(value) > MAX_ID_CHARS:
        raise DataError(f"{field} must have at most {MAX_ID_CHARS} characters, got {len(value)}")
    return value


class Vocabulary:
    """An append-only two-way map: the id added as the n-th has row n - 1, for ever."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        for value in ids:
            if value in self._rows:
                raise DataError(f"item id {value!r} occurs twice")
            self.add(value)

    def copy(self) -> Vocabulary:
        """Return another map with the same ids and rows."""
        out = Vocabulary()
        out._ids, out._rows = self._ids.copy(), self._rows.copy()
        return out

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, value: object) -> bool:
        return value in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def add(self, value: str) -> int:
        """Return the row of ``value``, giving it the next one if it is new."""
        row = self._rows.get(value)
        if row is None:
            row = self._rows[value] = len(self._ids)
            self._ids.append(value)
        return row

    def row(self, value: str) -> int:
        """Return the row of ``value``, or -1 if it is unknown."""
        return self._rows.get(value, -1)

    def rows(self, values: Sequence[str]) -> ItemRows:
        """Return the rows of ``values``, shape ``(n,)``; unknown ids are -1."""
        get = self._rows.get
        return np.fromiter((get(v, -1) for v in values), dtype=np.int32, count=len(values))

    def id(self, row: int) -> str:
        """Return the id of one row.

        Raises:
            DataError: the row is negative or beyond the last one.
        """
        if not 0 <= row < len(self._ids):
            raise DataError(f"row must lie in 0..{len(self._ids) - 1}, got {row}")
        return self._ids[row]

    def ids(self, rows: ItemRows) -> list[str]:
        """Return the ids of ``rows``.

        Raises:
            DataError: a row is negative or beyond the last one.
        """
        if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= len(self._ids)):
            raise DataError(f"rows must lie in 0..{len(self._ids) - 1}")
        return [self._ids[r] for r in rows.tolist()]
