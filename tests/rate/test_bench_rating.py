"""The benchmark of ratings: lines that are kept one split at a time, and the table of them."""

from __future__ import annotations

import pytest
from rating_toys import rated_world

from benchmarks import rating
from benchmarks.rating import PROTOCOLS, SETS, lines_of, refresh
from benchmarks.rating_tables import ratings
from benchmarks.runner import read_lines
from recsys.eval.rating import evaluate_rating

FACTS = {
    "commit": "abc", "date": "d", "versions": {"python": "3"},
    "hardware": {"cpu": "c", "cores": 2, "memory_gib": 1.0, "system": "s"},
}  # fmt: skip


@pytest.fixture
def measured(monkeypatch):
    """Every case is measured on a toy, in this process."""
    asked = []

    def run(name, case, scratch):
        asked.append((case["set"], case["split"], case["seed"]))
        found = evaluate_rating(rated_world(), case["split"], seed=case["seed"], rows=["global-mean", "biases"])
        return [{"benchmark": name, **line, **FACTS} for line in lines_of(case["set"], found)]

    monkeypatch.setattr(rating, "run_case", run)
    monkeypatch.setattr(rating, "available", lambda folder: ["gift-cards", "musical-instruments"])
    return asked


def test_lines_give_way_by_split_and_keep_their_order(measured, tmp_path):
    assert refresh(SETS, tmp_path) == 1
    lines = read_lines(tmp_path / "rating.jsonl")
    assert len(lines) == 2 * 2 * len(PROTOCOLS)
    assert refresh(["gift-cards"], tmp_path, quick=True) == 0
    assert measured[-1] == ("gift-cards", "random", 0)
    assert read_lines(tmp_path / "rating.jsonl") == lines


def test_the_table_has_a_line_a_split(measured, tmp_path):
    assert "python -m benchmarks rating" in ratings(tmp_path)
    refresh(["gift-cards"], tmp_path)
    text = ratings(tmp_path)
    assert text.count("| gift-cards, ") == len(PROTOCOLS) + 1  # and the mean of the random ones
    drawn = [
        line["figures"]["metrics"]["rmse"] for line in read_lines(tmp_path / "rating.jsonl")
        if line["name"] == "biases" and line["parameters"]["split"] == "random"
    ]  # fmt: skip
    [mean] = [line for line in text.splitlines() if "random, mean of 3" in line]
    assert f"| {sum(drawn) / 3:.4f} |" in mean
    found = read_lines(tmp_path / "rating.jsonl")[1]["figures"]["metrics"]["rmse"]
    assert f"{found:.4f}" in text
