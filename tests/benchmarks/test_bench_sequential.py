"""The benchmark of SASRec at tiny sizes: every way finds the same items, and the tables show what was measured."""

from __future__ import annotations

import pytest

from benchmarks import sequential, sequential_tables
from benchmarks.runner import write_lines

ORIGIN = {"hardware": {"cpu": "c", "cores": 2, "memory_gib": 1.0, "system": "s"}, "date": "d", "commit": "c",
          "versions": {"python": "3"}}  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("sequential")
    cases = sequential.cases(quick=True)
    return [line | ORIGIN for case in cases for line in sequential.run(case, scratch)]


def test_a_kept_state_a_whole_history_and_torch_list_the_same_items(lines):
    asked = [line for line in lines if "history" in line["parameters"]]
    assert [line["name"] for line in asked] == [sequential.ONE, sequential.WHOLE, sequential.TORCH] * 2
    for line in asked:
        assert line["figures"]["overlap"] == 1
        assert line["figures"].get("batch_overlap", 1) == 1
    one, whole, torch = (line["figures"] for line in asked[-3:])
    assert one["x_whole"] == pytest.approx(one["qps"] / whole["qps"], rel=1e-2)
    assert whole["x_torch"] == pytest.approx(whole["qps"] / torch["qps"], rel=1e-2)
    assert "batch_qps" not in one


def test_the_training_is_counted(lines):
    [fit] = [line for line in lines if line["name"] == "fit"]
    assert fit["parameters"]["events"] > fit["parameters"]["shoppers"]
    assert fit["figures"]["steps"] > 0
    assert fit["figures"]["fit_s"] > fit["figures"]["epoch_s"] > 0


def test_the_tables_show_every_way_and_the_process_that_serves(lines, tmp_path):
    assert sequential_tables.answered(tmp_path) == "Not measured yet: `python -m benchmarks sequential`."
    write_lines(tmp_path / "sequential.jsonl", lines)
    rows = [row for row in sequential_tables.answered(tmp_path).splitlines() if row.startswith("| recsys, one")]
    assert [row.split(" | ")[1] for row in rows] == ["10", "50"]
    assert all("100 % | – | – | –" in row for row in rows)
    trained = sequential_tables.trained(tmp_path)
    assert "600 shoppers, 5,383 events, 300 items" in trained
    assert "| Epochs | 1 |" in trained
