"""Lines and tables of given candidates, on a world in which what comes next is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from given_toys import Spelt, with_lists

from benchmarks import llmrank, llmrank_tables, tables
from benchmarks.runner import write_lines
from recsys.config import EngineConfig
from recsys.eval.tables import number
from recsys.registry import Registry
from recsys.rerank.base import Judgement, Reranker
from recsys.testing.worlds import checkerboard

CONFIG = EngineConfig.of(
    {
        "candidates": {"transitions": {}, "popularity": {}},
        "rank": {"lightgbm": {"max_rounds": 4, "min_data_in_leaf": 5, "num_leaves": 4, "folds": 2}},
        "variants": {"no-llm": {"rank": "lightgbm"}},
    }
)


class Ring(Reranker):
    """Goes on in the ring, whatever the titles say."""

    def judge(self, requests, slates):
        last = np.array([r.history.rows[-1] for r in requests])[slates.request_index]
        step = (slates.items - last) % len(self.items)
        return Judgement((-step - 50 * (step % 2)).astype(np.float32))


def given_world():
    world, rng = checkerboard(), np.random.default_rng(1)
    # Some early choices less: else all items were equally popular, which says nothing about popularity.
    early = np.arange(len(world.log)) < np.repeat(world.log.offsets[1:] - 4, np.diff(world.log.offsets))
    world = world.with_log(world.log.as_of(~early | (rng.random(len(world.log)) < 0.6)))
    return with_lists(world, 2, rng, "A remark.")


@pytest.fixture(scope="module")
def lines():
    data, own = given_world(), Registry()
    own.register("rerankers", "ring", Ring)
    found = llmrank.measured(data, "games", ["ring"], CONFIG, registry=own)
    facts = {
        "versions": {"python": "3.11"}, "date": "2026-01-01", "commit": "abc",
        "hardware": {"cpu": "x", "cores": 2, "memory_gib": 1.0, "system": "Linux"},
    }  # fmt: skip
    return data, [{"benchmark": "llmrank", **json.loads(json.dumps(line)), **facts} for line in found]


def test_every_row_has_figures_and_rerankers_are_probed(lines):
    _, found = lines
    by_name = {line["name"]: line["figures"] for line in found}
    assert list(by_name) == ["random", "ring", "transitions", "popularity", "fusion", "cascade", "cascade+ring"]
    probed = {name for name, figures in by_name.items() if "injection" in figures}
    assert probed == {"ring", "cascade+ring"}
    ring = by_name["ring"]
    # It reads the last event, neither the place of an item nor a title.
    assert ring["history_order"]["difference"] > 0
    assert ring["position"]["slope"] == pytest.approx(0, abs=1e-9)
    assert {c: ring["injection"][c]["difference"] for c in llmrank.CONTROLS} == {"prose": 0.0, "scrambled": 0.0}


def test_a_head_that_was_taught_is_probed_as_well():
    pytest.importorskip("torch")
    pytest.importorskip("recsys_fine_tuned")
    own = Registry()
    own.register("embedders", "spelt", Spelt)
    small = {
        "use": "compressed", "embedder": "spelt", "projected": 8, "width": 8, "layers": 1, "heads": 2, "history": 4,
        "epochs": [2], "more_epochs": 1, "negatives": 8, "head_width": 8, "head_epochs": 2, "head_seeds": 1,
    }  # fmt: skip
    config = EngineConfig.of({**CONFIG.plain(), "rerank": {"taught": small}})
    found = {line["name"]: line for line in llmrank.measured(given_world(), "games", (), config, registry=own)}
    assert list(found) == ["random", "transitions", "popularity", "fusion", "cascade", "cascade+taught"]
    taught = found["cascade+taught"]["figures"]
    assert {"history_order", "position", "popularity", "injection"} <= taught.keys()
    assert set(taught["injection"]) == set(llmrank.CONTROLS)
    assert "cascade" in taught["p_vs"]
    assert any(note.startswith("cascade+taught: ") for note in found["cascade"]["parameters"]["notes"])


def test_lines_name_no_item_and_no_shopper(lines):
    data, found = lines
    text = json.dumps(found)
    assert not any(user in text for user in data.log.users)
    assert not any(title in text for title in data.items.titles)


def test_tables_show_ours_beside_what_was_published(lines, tmp_path):
    assert "python -m benchmarks llmrank games" in llmrank_tables.ranked("games", tmp_path)
    write_lines(tmp_path / "llmrank-games.jsonl", lines[1])
    page = tables.filled("<!-- table:llmrank-games -->\n<!-- /table -->", tmp_path)
    assert "| cascade+ring" in page
    assert f"GPT-4, no interaction (published) | {number(0.395)} | {number(0.5822)} | {number(0.6288)}" in page
    assert "- A remark." in page
    probes = llmrank_tables.listened("games", tmp_path)
    assert {line.split(" | ")[0] for line in probes.splitlines()} >= {"| ring", "| cascade+ring"}
    assert "+0.00 (" in probes
