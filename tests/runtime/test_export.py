"""Export of models from disk: every task and precision, sealed, compared with torch, gated; nothing half-done stays."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_toys import lists
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from recsys.errors import ArtifactMissing, ConfigError, DataError, ModelError, QuantisationRefused
from recsys.runtime import export as module
from recsys.runtime.artifact import Artifact, model_from, open_model
from recsys.runtime.causal import CausalLM
from recsys.runtime.encoder import Encoder
from recsys.runtime.export import export
from recsys.runtime.gate import Bounds, GateData, compare, kendall, ndcg
from recsys.runtime.pairs import CrossEncoder
from recsys.runtime.parity import _differences, check
from recsys.runtime.reference import task_of
from recsys.runtime.seq2seq import Seq2Seq
from recsys.testing.tiny import TEMPLATE, tiny_encoder

CLASSES = {"causal": CausalLM, "cross-encoder": CrossEncoder, "encoder": Encoder, "seq2seq": Seq2Seq}
Source = Callable[[str], Path]


@pytest.mark.parametrize("task", list(CLASSES))
def test_every_task_from_a_folder_as_downloaded(task: str, source: Source, tmp_path: Path) -> None:
    folder = source(task)
    assert task_of(folder) == task
    made = export(f"file://{folder}", tmp_path / "out")
    assert made.parity["reference"].startswith("torch")
    assert made.parity["max_abs"] < 1e-4
    if task in ("causal", "seq2seq"):
        assert made.parity["greedy_equal"] is True
        assert made.parity["packed_vs_naive"] < 1e-4
    artifact = Artifact.open(tmp_path / "out", made.sha256)
    assert artifact.spec["task"] == task
    assert artifact.spec["precision"] == "fp32"
    assert json.loads((tmp_path / "out" / "parity.json").read_text()) == made.parity
    assert isinstance(model_from(artifact), CLASSES[task])
    listed = {p["path"] for p in json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]}
    assert {"spec.json", "parity.json", "tokenizer.json", "template.toml", "weights.data"} <= listed
    assert not [n for n in listed if n.endswith((".bin", ".pt", ".pkl"))]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_template_is_kept_as_data(source: Source, tmp_path: Path) -> None:
    export(str(source("causal")), tmp_path / "out", parity=False, max_tokens=64)
    kept = tomllib.loads((tmp_path / "out" / "template.toml").read_text(encoding="utf-8"))
    assert kept["chat_template"] == TEMPLATE
    assert kept["bos_token"] == "<bos>"
    assert Artifact.open(tmp_path / "out").spec["max_tokens"] == 64


@pytest.mark.parametrize("task", ["causal", "encoder"])
@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
def test_lower_precisions_are_smaller_and_say_so(task: str, precision: str, source: Source, tmp_path: Path) -> None:
    whole = export(str(source(task)), tmp_path / "whole", parity=False)
    made = export(str(source(task)), tmp_path / "out", precision=precision, ungated=True)  # type: ignore[arg-type]
    sizes = [sum(p.stat().st_size for p in f.folder.iterdir() if "token" not in p.name) for f in (whole, made)]
    assert sizes[1] < sizes[0]
    assert made.parity["max_abs"] > 1e-5
    assert made.spec.get("gated") is (None if precision == "fp16" else False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "whole"]


def test_quantised_needs_lists_or_a_word(source: Source, tmp_path: Path) -> None:
    with pytest.raises(QuantisationRefused, match="--gate"):
        export(str(source("encoder")), tmp_path / "out", precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_the_gate_lets_pass_what_ranks_as_before(source: Source, tmp_path: Path) -> None:
    folder = source("causal")
    data = lists(folder, tmp_path / "whole")
    bounds = Bounds(ndcg_loss=0.02)
    made = export(str(folder), tmp_path / "out", precision="int8", gate=data, bounds=bounds, parity=False)
    assert made.spec["gated"] is True
    gate = made.parity["gate"]
    assert gate["lists"] == 40
    assert gate["kendall"] >= gate["bounds"]["kendall"] == 0.95
    assert gate["ndcg_loss"] <= gate["bounds"]["ndcg_loss"] == 0.02
    assert gate["ndcg_reference"] == pytest.approx(1.0)
    # The same model in four bits does not: nothing is left of it.
    with pytest.raises(QuantisationRefused, match=r"40 lists: Kendall 0\.\d+.*NDCG@10"):
        export(str(folder), tmp_path / "other", precision="int4", gate=data, parity=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "whole"]


@pytest.mark.parametrize("task", ["causal", "encoder", "seq2seq"])
def test_lists_are_scored_by_every_kind_of_model(task: str, source: Source, tmp_path: Path) -> None:
    data = lists(source(task), tmp_path / "whole", n=3)
    scores = data.scores(model_from(Artifact.open(tmp_path / "whole")))
    assert np.isfinite(scores).all()
    same = compare(scores, scores, data.starts, data.labels)
    assert (same.kendall, same.ndcg, same.ndcg_loss, same.lists) == (1.0, 1.0, 0.0, 3)
    if task == "causal":
        asked = GateData(data.queries, data.texts, data.starts, data.labels, (" yes", " no"))
        assert not np.allclose(asked.scores(model_from(Artifact.open(tmp_path / "whole"))), scores)


def test_figures_of_the_gate() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(1)
    for _ in range(20):
        one, other = rng.integers(0, 6, (2, 9)).astype(np.float32)
        assert kendall(one, other) == pytest.approx(kendalltau(one, other).statistic)
    assert kendall(np.ones(3, np.float32), np.arange(3, dtype=np.float32)) is None
    assert ndcg(np.array([3, 2, 1], np.float32), np.array([0, 1, 0], np.float32)) == pytest.approx(1 / np.log2(3))
    starts, labels = np.array([0, 2, 4]), np.array([1, 0, 0, 0], np.float32)
    scores = np.array([2, 1, 1, 2], np.float32)
    turned = compare(scores, -scores, starts, labels)
    assert turned.kendall == -1
    assert turned.ndcg_loss == pytest.approx(1 - 1 / np.log2(3))
    with pytest.raises(QuantisationRefused, match=r"-1\.0000 \(at least 0\.95\)"):
        turned.check(Bounds(lists=1))
    assert Bounds() == Bounds(kendall=0.95, ndcg_loss=0.005, lists=20)
    assert turned.check(Bounds(kendall=-1, ndcg_loss=1, lists=1))["bounds"] == {
        "kendall": -1, "ndcg_loss": 1, "lists": 1,
    }  # fmt: skip
    # Of its two lists one has a relevant text.
    with pytest.raises(QuantisationRefused, match=r"1 lists .* at least 20"):
        turned.check(Bounds(kendall=-1, ndcg_loss=1))
    for bad in (np.array([0, 2]), np.array([1, 2, 4]), np.array([0, 0, 4])):
        with pytest.raises(DataError, match="starts must rise"):
            compare(scores, scores, bad, labels)
    with pytest.raises(DataError, match="relevant"):
        compare(scores, scores, starts, np.zeros(4, np.float32))
    with pytest.raises(ModelError, match="not finite"):
        compare(scores, scores * np.nan, starts, labels)


def test_gate_data_from_disk(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    arrays: dict[str, Any] = {
        "queries": np.array(["tea"]), "texts": np.array(["a", "b"]), "starts": np.array([0, 2]),
        "labels": np.array([1.0, 0.0]),
    }  # fmt: skip
    np.savez(path, **arrays)
    assert GateData.read(path).texts == ("a", "b")
    for change in (
        {"starts": np.array([0, 1])}, {"starts": np.array([0, 1, 2])}, {"answers": np.array(["yes"])},
        {"texts": np.array([{}, None])}, {"labels": np.array([1.0])}, {"labels": np.array([1.0, np.nan])},
        {"labels": np.array([1.0, -1.0])}, {"labels": np.array(["many", "few"])}, {"labels": np.ones((2, 1))},
        {"starts": np.array([1, 2])}, {"starts": np.array([0.0, np.nan])}, {"starts": np.array(2)},
        {"queries": np.array("tea")},
    ):  # fmt: skip
        np.savez(path, **(arrays | change))
        with pytest.raises(DataError):
            GateData.read(path)
    for content in (b"none", b"", b"PK\x03\x04garbage"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="no gate data"):
            GateData.read(path)
    np.save(tmp_path / "lone.npy", np.ones(3))
    with pytest.raises(DataError, match="no gate data"):
        GateData.read(tmp_path / "lone.npy")


def test_nothing_stays_when_it_fails(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = source("encoder")
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "tokenizer.json").write_text("{}")
    for ref, error, words in (
        (str(tmp_path), ArtifactMissing, "no config.json"),
        (f"file://{tmp_path}/none", ArtifactMissing, "nothing is at"),
        (str(broken), ModelError, "no tokenizer"),
    ):
        with pytest.raises(error, match=words):
            export(ref, tmp_path / "out")
    for options, words in (({"task": "listwise"}, "there are: causal"), ({"precision": "int2"}, "fp32, fp16")):
        with pytest.raises(ConfigError, match=words):
            export(str(folder), tmp_path / "out", **options)  # type: ignore[arg-type]
    # A graph that is wrong is found out by the reference.
    writer = module._WRITERS["encoder"]

    def wrong(source: Path, folder: Path, **options: object) -> dict[str, object]:
        spec = writer(source, folder, **options)
        data = bytearray((folder / "weights.data").read_bytes())
        data[-4 * 48 :] = np.full(48, 3, np.float32).tobytes()
        (folder / "weights.data").write_bytes(data)
        return spec

    monkeypatch.setitem(module._WRITERS, "encoder", wrong)
    with pytest.raises(ModelError, match="differs from torch"):
        export(str(folder), tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["broken"]


def test_pickled_weights_are_not_read(source: Source, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(source("encoder"), tmp_path / "old"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ArtifactMissing, match="other formats are not read"):
        export(str(folder), tmp_path / "out")


def test_what_the_model_is_for(tmp_path: Path) -> None:
    for config, task in (
        ({"architectures": ["Qwen3ForCausalLM"]}, "causal"),
        ({"architectures": ["BertModel"], "model_type": "bert"}, "encoder"),
        ({"architectures": ["RobertaForSequenceClassification"]}, "cross-encoder"),
        ({"architectures": ["T5ForConditionalGeneration"]}, "seq2seq"),
    ):  # fmt: skip
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert task_of(tmp_path) == task
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="--task"):
        task_of(tmp_path)


def test_a_model_that_is_not_its_reference_is_refused_in_every_precision() -> None:
    good = {"reference": "torch", "max_abs": 1e-5, "scale": 5.0, "greedy_equal": True, "packed_vs_naive": 1e-5}
    for precision in ("fp32", "fp16", "int8", "int4"):
        check(good, precision)
        check({"reference": None}, precision)
        for name in ("max_abs", "packed_vs_naive", "scale"):
            with pytest.raises(ModelError, match="not finite"):
                check(good | {name: float("nan")}, precision)
    for precision, change in (
        ("fp32", {"max_abs": 1e-3}), ("fp32", {"packed_vs_naive": 1e-3}), ("fp16", {"max_abs": 0.1}),
    ):  # fmt: skip
        with pytest.raises(ModelError, match="differs from torch by"):
            check(good | change, precision)
    check(good | {"max_abs": 0.01, "greedy_equal": False}, "fp16")
    check(good | {"max_abs": 1.0, "greedy_equal": False}, "int4")
    with pytest.raises(ModelError, match="other texts"):
        check(good | {"greedy_equal": False}, "fp32")
    both = _differences([np.array([1.0, np.nan], np.float32), np.ones(2, np.float32)], [np.ones(2, np.float32)] * 2)
    assert np.isnan(both["max_abs"])


@pytest.mark.parametrize("name", ["model.layers.0.mlp.down_proj.weight", "model.embed_tokens.weight"])
def test_what_half_precision_cannot_hold_is_refused(decoder_folder: Source, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(decoder_folder("qwen3"), tmp_path / "large"))
    tensors = load_file(folder / "model.safetensors")
    tensors[name] = tensors[name].copy()
    tensors[name][0, 0] = 1e5
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="fp16 does not"):
        export(str(folder), tmp_path / "out", precision="fp16", parity=False)
    tensors[name][0, 0] = np.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="not finite"):
        export(str(folder), tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["large"]


@pytest.mark.parametrize("task", list(CLASSES))
def test_the_tokenizer_of_a_larger_model_is_refused(task: str, source: Source, tmp_path: Path) -> None:
    from test_artifact import Settings

    folder = Path(shutil.copytree(source(task), tmp_path / "mixed"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([f"walnut{k}ish" for k in range(300)])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ConfigError, match=r"ids up to \d+, but the model's embedding has \d+ rows"):
        export(str(folder), tmp_path / "out", parity=False)
    if task != "seq2seq":
        with pytest.raises(ConfigError, match="rows"):
            open_model(Settings(f"file://{folder}", runtime="torch"))


def test_classes_are_no_scores_in_either_runtime(tmp_path: Path, shop_texts: list[str]) -> None:
    from test_artifact import Settings

    folder = tiny_encoder(tmp_path / "nli", shop_texts, labels=3)
    for make in (
        lambda: export(str(folder), tmp_path / "out"),
        lambda: open_model(Settings(f"file://{folder}", runtime="torch")),
    ):
        with pytest.raises(ConfigError, match="3 labels"):
            make()


def test_where_a_model_lay_is_no_part_of_it(source: Source, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source("encoder"), tmp_path / "copy"))
    (copy / "notes.md").write_text("kept beside it")
    one, two = (export(str(f), tmp_path / f"out{k}", parity=False) for k, f in enumerate((source("encoder"), copy)))
    assert one.sha256 == two.sha256
    assert set(one.spec["source"]) == {"sha256", "config_sha256"}
    (copy / "tokenizer_config.json").write_text("{}")
    assert export(str(copy), tmp_path / "other", parity=False).sha256 != one.sha256
