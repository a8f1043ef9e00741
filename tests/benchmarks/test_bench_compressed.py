"""Compressed items against full texts at tiny sizes: what should say the same does, and lists are judged right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import compressed, compressed_tables, tables
from benchmarks.compressed_lists import gains
from benchmarks.runner import write_lines
from recsys.types import Slates

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    [case] = compressed.cases(quick=True)
    found = compressed.run(case, tmp_path_factory.mktemp("compressed"))
    facts = {
        "versions": {"python": "3.11"}, "date": "2026-01-01", "commit": "abc",
        "hardware": {"cpu": "x", "cores": 2, "memory_gib": 1.0, "system": "Linux"},
    }  # fmt: skip
    return [{"benchmark": "compressed", **json.loads(json.dumps(line)), **facts} for line in found]


def test_torch_and_onnx_say_the_same(lines):
    timed = {line["name"]: line["figures"] for line in lines if "x_torch" in line["figures"]}
    assert set(timed) == {"torch", "torch, descriptions too", "fp32", "int8", "compressed"}
    assert timed["torch"]["x_torch"] == 1
    assert timed["fp32"]["max_difference"] < 1e-3  # logits are compared in steps of 1e-4
    assert timed["fp32"]["kendall"] > 0.99
    assert all(f["ms"] > 0 for f in timed.values())


def test_every_order_is_judged_on_the_same_lists(lines):
    judged = {line["name"]: line for line in lines if "metrics" in line["figures"]}
    assert list(judged) == ["incoming order", "fp32", "int8", "compressed", "compressed, its own bound"]
    assert len({line["parameters"]["judged"] for line in judged.values()}) == 1
    prior = judged["incoming order"]["figures"]
    assert set(prior["p_vs"]) == {"fp32"}
    assert 0 < prior["metrics"]["ndcg@10"] < 1
    assert set(judged["compressed"]["figures"]["effect"]) == {"incoming order", "fp32"}


def test_few_lists_do_not_pass_the_gate_and_it_is_said(lines, tmp_path):
    about = next(line["figures"] for line in lines if line["name"] == "cross-encoder")
    assert "too few" in about["int8_refused"]
    assert "python -m benchmarks compressed" in compressed_tables.compressed(tmp_path)
    write_lines(tmp_path / "compressed.jsonl", lines)
    page = tables.filled("<!-- table:compressed -->\n<!-- /table -->", tmp_path)
    assert "The gate did not accept its int8" in page
    assert "| compressed items, moves bounded as shipped |" in page
    assert "ms, 10 candidates" in page


def test_a_list_is_worth_what_the_place_of_its_choice_is():
    slates = Slates.of([[5, 6, 7], list(range(12)), [1]])
    label = np.zeros(16, np.float32)
    label[[1, 3 + 10, 15]] = 1
    marked = slates.ordered(slates.scores, label=label)
    assert gains(marked, "label") == pytest.approx([1 / np.log2(3), 0, 1])
