import csv
import sys

import numpy as np
import pyarrow.parquet
import pytest

from recsys.errors import DataError, PluginUnavailable
from recsys.eval.per_user import write_per_user

USERS = ["ann", 'b"o,b']
VALUES = {
    "popularity": {"hr@10": np.array([1, 0], np.float32), "ndcg@10": np.array([0.63092977, 0], np.float32)},
    "cascade": {"hr@10": np.array([0, 1], np.float32), "ndcg@10": np.array([0, 1 / 3], np.float32)},
}


def test_csv_brings_every_float_back(tmp_path):
    write_per_user(tmp_path / "a.csv", USERS, VALUES)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["row"], r["user"]) for r in rows] == [(n, u) for n in VALUES for u in USERS]
    for name, metrics in VALUES.items():
        for metric, values in metrics.items():
            assert np.float32([r[metric] for r in rows if r["row"] == name]).tolist() == values.tolist()


def test_parquet(tmp_path):
    write_per_user(tmp_path / "a.parquet", USERS, VALUES)
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert list(table) == ["row", "user", "hr@10", "ndcg@10"]
    assert table["row"] == ["popularity", "popularity", "cascade", "cascade"]
    assert table["user"] == USERS * 2
    assert table["ndcg@10"] == [*VALUES["popularity"]["ndcg@10"].tolist(), *VALUES["cascade"]["ndcg@10"].tolist()]


def test_parquet_without_pyarrow_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PluginUnavailable, match="pyarrow is not installed"):
        write_per_user(tmp_path / "a.parquet", USERS, VALUES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no rows"),
        ({"a": {"hr@1": np.zeros(2)}, "b": {"hr@2": np.zeros(2)}}, "row 'b' has the metrics"),
        ({"a": {"hr@1": np.zeros(3)}}, "hr@1 of row 'a' has 3 values for 2 users"),
    ],
)
def test_bad_tables(tmp_path, values, message):
    with pytest.raises(DataError, match=message):
        write_per_user(tmp_path / "a.csv", USERS, values)
