"""Every metric of every shopper as a table, for one's own statistics and for paired tests of two evaluations."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.registry import import_optional

Values = Mapping[str, Mapping[str, NDArray[np.float32]]]


def write_per_user(path: Path, users: Sequence[str], values: Values) -> None:
    """Write one line per row of the table and user: ``row, user, <metric>, ...``; Parquet for ``.parquet``, else CSV.

    ``values`` maps a row name to its metrics (b,), aligned with ``users``. Every row needs the same metrics.

    Raises:
        DataError: no rows, metrics that differ between rows, or arrays of another length than ``users``.
        PluginUnavailable: Parquet without pyarrow.
    """
    if not values:
        raise DataError("there are no rows to write")
    metrics = list(next(iter(values.values())))
    for name, found in values.items():
        if list(found) != metrics:
            raise DataError(f"row {name!r} has the metrics {list(found)}, the first row has {metrics}")
        for metric, column in found.items():
            if len(column) != len(users):
                raise DataError(f"{metric} of row {name!r} has {len(column)} values for {len(users)} users")
    if path.suffix == ".parquet":
        _write_parquet(path, users, values, metrics)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("row", "user", *metrics))
        out.writerows(_lines(users, values, metrics))


def read_per_user(path: Path) -> tuple[tuple[str, ...], dict[str, dict[str, NDArray[np.float32]]]]:
    """Return what `write_per_user` wrote: the users, sorted, and of each row its metrics (b,), aligned with them.

    Raises:
        DataError: no such table, a value that is no finite number, a user twice in a row, or rows of other users.
        PluginUnavailable: Parquet without pyarrow.
    """
    names, columns = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    if names[:2] != ["row", "user"] or len(names) < 3 or not columns[0]:
        raise DataError(f"{path} needs lines of row, user and a metric each, as `recsys evaluate --per-user` writes")
    rows, users = np.array(columns[0], dtype=object), np.array(columns[1], dtype=object)
    metrics = {name: _numbers(path, name, column) for name, column in zip(names[2:], columns[2:], strict=True)}
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    everybody: tuple[str, ...] = ()
    for row in dict.fromkeys(columns[0]):
        lines = np.flatnonzero(rows == row)
        lines = lines[np.argsort(users[lines], kind="stable")]
        here = tuple(users[lines])
        if len(set(here)) < len(here):
            raise DataError(f"{path}: a user occurs twice in row {row!r}")
        if found and here != everybody:
            raise DataError(f"{path}: row {row!r} has other users than the first row")
        everybody = here
        found[row] = {name: values[lines] for name, values in metrics.items()}
    return everybody, found


def _numbers(path: Path, name: str, column: Sequence[Any]) -> NDArray[np.float32]:
    try:
        values = np.asarray(column, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {name} is no number: {error}") from error
    if not np.isfinite(values).all():
        raise DataError(
            f"{path}: {name} must be finite, but the value {int(np.argmin(np.isfinite(values))) + 1} is not"
        )
    return values


def _read_csv(path: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    with path.open(encoding="utf-8", newline="") as file:
        try:
            lines = list(csv.reader(file))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} is no CSV: {error}") from error
    names = lines[0] if lines else []
    for place, line in enumerate(lines, 1):
        if len(line) != len(names):
            raise DataError(f"{path}, line {place}: {len(line)} values for {len(names)} columns")
    return names, list(zip(*lines[1:], strict=True)) or [()] * len(names)


def _read_parquet(path: Path) -> tuple[list[str], list[Sequence[Any]]]:
    arrow, parquet = import_optional("pyarrow"), import_optional("pyarrow.parquet")
    try:
        table = parquet.read_table(path)
    except arrow.ArrowInvalid as error:
        raise DataError(f"{path} is no Parquet file: {error}") from error
    return table.column_names, [column.to_pylist() for column in table.columns]


def _lines(users: Sequence[str], values: Values, metrics: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for name, found in values.items():
        # Nine significant digits bring a float32 back exactly.
        columns = [[f"{v:.9g}" for v in found[m].tolist()] for m in metrics]
        yield from ((name, user, *line) for user, *line in zip(users, *columns, strict=True))


def _write_parquet(path: Path, users: Sequence[str], values: Values, metrics: Sequence[str]) -> None:
    arrow, parquet = import_optional("pyarrow"), import_optional("pyarrow.parquet")
    columns: dict[str, Any] = {
        "row": arrow.array(np.repeat(list(values), len(users)).tolist(), arrow.string()),
        "user": arrow.array(list(users) * len(values), arrow.string()),
    }
    for metric in metrics:
        columns[metric] = arrow.array(np.concatenate([found[metric] for found in values.values()]), arrow.float32())
    parquet.write_table(arrow.table(columns), path)
