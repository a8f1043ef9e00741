"""What was taught in one world works in another, where texts mean the same and nothing is taught."""

from __future__ import annotations

import json

import numpy as np
import pytest
from given_toys import Spelt, with_lists

from benchmarks import tables, transfer, transfer_tables
from benchmarks.runner import write_lines
from benchmarks.transfer_given import given_lines
from benchmarks.transfer_target import HERE, target_lines
from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.registry import Registry
from recsys.types import Event, Item

pytest.importorskip("torch")

FAMILIES, EACH, SHOPPERS = 10, 9, 240
CONFIG = EngineConfig.of(
    {
        "candidates": {"popularity": {"n": 60}},
        "rank": {"lightgbm": {"max_rounds": 3, "min_data_in_leaf": 5, "num_leaves": 4, "folds": 2}},
        "variants": {"no-llm": {"rank": "lightgbm"}},
    }
)
SMALL = {
    "embedder": "spelt", "projected": 16, "width": 16, "layers": 1, "heads": 2, "history": 6, "dropout": 0.0,
    "epochs": [12], "more_epochs": 2, "negatives": 32, "batch": 64, "rate": 1e-2, "head_width": 8, "head_epochs": 30,
    "head_rate": 1e-2, "head_seeds": 1,
}  # fmt: skip


def world(seed: int, name: str) -> Dataset:
    """Return a world in which everybody stays in one family, which only the text of an item tells."""
    rng = np.random.default_rng(seed)
    family = rng.permutation(np.repeat(np.arange(FAMILIES), EACH))
    items = [Item(item_id=f"{name}{i}", title=f"family{f} {name}{i}", text=f"family{f}") for i, f in enumerate(family)]
    events = [
        Event(user_id=f"{name}-shopper{u:03d}", item_id=f"{name}{item}", time=1_700_000_000 + 86_400 * step + u)
        for u in range(SHOPPERS)
        for step, item in enumerate(rng.permutation(np.flatnonzero(family == rng.integers(FAMILIES)))[:6])
    ]
    return Dataset.of(items, events, name=name)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taught")
    registry = Registry()
    registry.register("embedders", "spelt", Spelt)
    source, target = world(1, "soap"), world(2, "toy")
    lines = transfer.taught(source, folder, CONFIG, SMALL, registry)
    stamps = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    assert transfer.taught(source, folder, CONFIG, SMALL, registry) == json.loads(json.dumps(lines))
    assert stamps == {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    lines += target_lines(target, "toys", folder, CONFIG, registry)
    lines += given_lines(
        with_lists(target, 3, np.random.default_rng(5)), "games", folder / "fine-tuned", ["bi-encoder"], registry
    )
    facts = {
        "versions": {"python": "3.11"}, "date": "2026-01-01", "commit": "abc",
        "hardware": {"cpu": "x", "cores": 2, "memory_gib": 1.0, "system": "Linux"},
    }  # fmt: skip
    return [{"benchmark": "transfer", **json.loads(json.dumps(line)), **facts} for line in lines]


def figures(lines, part):
    return {line["name"]: line["figures"] for line in lines if line["parameters"]["part"] == part}


def test_what_texts_taught_in_one_world_holds_in_the_other(measured):
    found = figures(measured, "measured")
    ndcg = {row: f["metrics"]["ndcg@10"] for row, f in found.items()}
    assert ndcg["cascade+transferred"] > 2 * ndcg["cascade"]
    assert found["cascade+transferred"]["p_vs"]["cascade"] < 0.01
    assert found["cascade+transferred"]["p_vs"]["cascade+transferred-permuted"] < 0.01
    assert found["cascade+transferred"]["p_vs"]["cascade+transferred-no-text"] < 0.01
    for control in ("permuted", "no-text"):
        assert ndcg[f"cascade+transferred-{control}{HERE}"] < 1.5 * ndcg["cascade"]
    # The encoder alone needs no list to find what only texts tell.
    assert ndcg["encoder-alone"] > 2 * ndcg["popularity"]
    assert found["encoder-alone"]["p_vs"]["popularity"] < 0.01


def test_a_bound_comes_along_or_is_chosen_there(measured):
    taught, found = figures(measured, "taught"), figures(measured, "measured")
    assert taught["fine-tuned"]["bound"] == found["cascade+transferred"]["bound"] != 0
    assert taught["no-text"]["bound"] == found["cascade+transferred-no-text"]["bound"]
    assert "validation" not in found["cascade+transferred"]
    assert found[f"cascade+transferred{HERE}"]["p_validation"] < 0.05


def test_given_lists_are_ordered_without_any_interaction(measured):
    ndcg = {row: f["metrics"]["ndcg@10"] for row, f in figures(measured, "given").items()}
    assert list(ndcg) == ["encoder", "encoder-permuted", "bi-encoder", "encoder+bi-encoder"]
    assert ndcg["encoder"] > ndcg["encoder-permuted"] + 0.2


def test_tables_say_how_each_row_came_about(measured, tmp_path):
    assert "python -m benchmarks transfer" in transfer_tables.reranked(tmp_path)
    write_lines(tmp_path / "transfer.jsonl", [line for line in measured if line["parameters"]["part"] != "given"])
    assert "python -m benchmarks transfer games" in transfer_tables.given(tmp_path)
    write_lines(tmp_path / "transfer.jsonl", measured)
    page = tables.filled("<!-- table:transfer -->\n<!-- /table -->", tmp_path)
    assert page.count("as it came") == page.count("bound chosen on the target's validation") == 3
    assert "Taught on `soap` (fine-tuned)" in page
    assert "Encoder alone over all items of toys" in page
    assert "beauty's encoder + bi-encoder" in transfer_tables.given(tmp_path)


def test_without_its_data_nothing_is_taught(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    assert transfer.refresh(["toys", "games"], tmp_path, None) == 2
    assert "games: skipped" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
