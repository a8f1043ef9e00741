"""Every metric of every shopper as a table, for one's own statistics."""

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
