"""Rows of a Parquet file, read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recsys.data.report import Tally
from recsys.errors import DataError
from recsys.registry import import_optional

DAMAGED = "Parquet is damaged: the rest is lost"
_BATCH = 65_536


def parquet_rows(path: Path, tally: Tally) -> tuple[list[str], Iterator[tuple[int, Sequence[Any]]]]:
    """Return the names of the columns, and the rows (number from 1, values) as started records of ``tally``.

    Timestamps and dates come as epoch seconds, null as None.

    Raises:
        DataError: the file is missing or is not Parquet. PluginUnavailable: pyarrow is not installed.
    """
    arrow, parquet = import_optional("pyarrow"), import_optional("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: check the path, or download the file first") from error
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error
    return list(file.schema_arrow.names), _rows(file, path.name, tally, arrow)


def _rows(file: Any, name: str, tally: Tally, arrow: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    number = 0
    batches = file.iter_batches(batch_size=_BATCH)
    with file:
        while True:
            try:
                batch = next(batches, None)
                columns = [_values(column, arrow) for column in batch.columns] if batch is not None else None
            except (OSError, arrow.ArrowException):
                tally.lost(name, number + 1, DAMAGED)
                return
            if columns is None:
                return
            for cells in zip(*columns, strict=True):
                number += 1
                tally.start(name, number)
                yield number, cells


def _values(column: Any, arrow: Any) -> list[Any]:
    if arrow.types.is_timestamp(column.type) or arrow.types.is_date(column.type):
        # Without pandas, nanoseconds have no Python type: whole seconds are all that an event keeps anyway.
        column = column.cast(arrow.timestamp("s"), safe=False).cast(arrow.int64())
    elif arrow.types.is_decimal(column.type):
        column = column.cast(arrow.float64())
    values: list[Any] = column.to_pylist()
    return values
