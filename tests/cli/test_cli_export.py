"""``recsys export`` on models: JSON, exit codes, and what it says when it refuses."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from recsys import config
from recsys.config import EngineConfig
from recsys.runtime import artifact
from recsys.runtime.artifact import open_model
from recsys.runtime.pairs import CrossEncoder
from recsys.testing.tiny import tiny_encoder

TEXTS = ["a red kettle for tea", "a quiet desk lamp, not too bright", "a soft chair and a long cable"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("hub") / "model", TEXTS, labels=1, num_hidden_layers=1)


def test_a_model_is_written_and_shown(answer: Any, call: Any, model: Path, tmp_path: Path) -> None:
    facts = answer("export", model, "--to", tmp_path / "a", "--max-tokens", 32, "--json")
    assert facts["spec"]["task"] == "cross-encoder"
    assert facts["spec"]["max_tokens"] == 32
    assert facts["parity"]["max_abs"] < 1e-4
    assert len(facts["sha256"]) == 64
    shown = call("export", f"file://{model}", "--to", tmp_path / "b", "--precision", "fp16", "--no-parity").stdout
    assert "fp16" in shown
    assert f"file://{tmp_path / 'b'}" in shown
    assert "the reranker cross-encoder" in shown
    said = EngineConfig.model_validate(tomllib.loads(shown[shown.index("[models.NAME]") :]))
    assert isinstance(open_model(said.models["NAME"]), CrossEncoder)


def test_a_model_that_no_stage_reads_says_how_it_is_opened(call: Any, tmp_path: Path) -> None:
    made = tmp_path / "encoder"
    shown = call("export", tiny_encoder(tmp_path / "hub", TEXTS), "--to", made, "--no-parity").stdout
    line = shown.split("open it in Python by")[1].strip()
    assert "models.NAME" not in shown
    assert line.startswith("recsys.runtime.artifact.open_model(")
    names = {"recsys": SimpleNamespace(config=config, runtime=SimpleNamespace(artifact=artifact))}
    opened = eval(line, names)
    assert opened.encode(["a red kettle"]).shape == (1, 48)


def test_a_refusal_has_figures_and_exit_code_1(call: Any, model: Path, tmp_path: Path) -> None:
    # One weight far from the others in every row: in four bits, the others are all but nothing.
    spiked = tmp_path / "spiked"
    shutil.copytree(model, spiked)
    weights = load_file(spiked / "model.safetensors")
    for name, value in weights.items():
        if name.endswith("dense.weight"):
            value[:, 0] *= 100
    save_file(weights, spiked / "model.safetensors", {"format": "pt"})
    model = spiked
    first = call("export", model, "--to", tmp_path / "out", "--precision", "int4", code=1)
    assert "--gate" in first.stderr
    assert "--ungated" in first.stderr
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(" ".join(TEXTS).split())[:6]) for _ in range(200)]
    labels = np.tile([1.0, *[0.0] * 9], 20)
    data = tmp_path / "data.npz"
    np.savez(data, queries=np.array(texts[:20]), texts=np.array(texts), starts=np.arange(0, 201, 10), labels=labels)
    second = call("export", model, "--to", tmp_path / "out", "--precision", "int4", "--gate", data, code=1)
    assert "Kendall" in second.stderr
    assert "20 lists" in second.stderr
    assert "recsys export --help" in second.stderr
    assert not (tmp_path / "out").exists()
    third = call("export", model, "--to", tmp_path / "out", "--precision", "int4", "--ungated")
    assert "int4" in third.stdout


def test_options_of_models_mean_nothing_for_bundles(call: Any, tmp_path: Path) -> None:
    assert "--precision" in call("export", tmp_path, "--to", tmp_path / "x", "--precision", "int8", code=2).stderr
    assert "--ungated" in call("export", tmp_path, "--to", tmp_path / "x", "--ungated", code=2).stderr


def test_what_cannot_be_fetched(call: Any, tmp_path: Path) -> None:
    missing = call("export", f"file://{tmp_path}/none", "--to", tmp_path / "x", code=1).stderr
    assert "nothing is at" in missing
    assert "recsys export --help" in missing
    assert "recsys fit" not in missing
    assert "must start with file://" in call("export", "ftp://a/b", "--to", tmp_path / "x", code=2).stderr
    assert list(tmp_path.iterdir()) == []
