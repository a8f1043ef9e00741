"""The benchmarks of language models, at tiny sizes: what is compared gives the same answers."""

from __future__ import annotations

import pytest

from benchmarks import decode, decode_tables, real_size
from benchmarks.runner import write_lines


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("decode")


def lines_of(module, benchmark, scratch):
    origin = {"hardware": {"cpu": "c", "cores": 2, "memory_gib": 1.0, "system": "s"}, "date": "d", "commit": "c",
              "versions": {"python": "3"}}  # fmt: skip
    return [
        {"benchmark": benchmark, **line, **origin}
        for case in module.cases(quick=True)
        for line in module.run(case, scratch)
    ]


def test_all_ways_give_the_same_scores_and_texts(scratch, tmp_path):
    lines = lines_of(decode, "decode", scratch)
    by_name = {line["name"]: line["figures"] for line in lines if "ms" in line["figures"]}
    for name in ("torch, shared prefix", "fp32", "fp32, prefix kept"):
        assert by_name[name]["max_difference"] < 1e-4
    assert by_name["torch"]["x_torch"] == 1
    assert 0 < by_name["fp32"]["share_of_matmul_rate"] < 2
    texts = {line["name"]: line["figures"] for line in lines if "tokens_per_s" in line["figures"]}
    assert texts["fp32"]["same_text"]
    assert all(t["tokens_per_s"] > 0 for t in texts.values())
    memory = [line for line in lines if line["name"].startswith("memory")]
    assert len(memory) == 4
    write_lines(tmp_path / "decode.jsonl", lines)
    for make, said in (
        (decode_tables.rerank, "items as vectors"),
        (decode_tables.texts, "yes"),
        (decode_tables.memory, "torch"),
    ):
        assert said in make(tmp_path)


def test_a_real_size_in_small(scratch, tmp_path):
    lines = lines_of(real_size, "real-size", scratch)
    assert [(line["name"], line["parameters"]["precision"]) for line in lines] == [
        ("source", "bf16"), ("export", "fp32"), ("serve", "fp32"), ("export", "int8"), ("serve", "int8"),
        ("export", "int4"), ("serve", "int4"),
    ]  # fmt: skip
    assert not [p for p in scratch.iterdir() if p.name.startswith("real-size")]
    write_lines(tmp_path / "real-size.jsonl", lines)
    assert "Serving, peak memory" in decode_tables.real_size(tmp_path)


def test_the_real_size_is_that_of_the_model():
    count = 0
    for shard in real_size.tensors(real_size.SHAPE):
        for dims in shard.values():
            size = 1
            for d in dims:
                size *= d
            count += size
    assert count == 596_049_920  # what the hub says of Qwen3-0.6B with its head tied
