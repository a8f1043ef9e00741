"""Reading models from disk: weights, configurations, positions, and the folder that serves."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, MistralConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ShapeMismatch
from recsys.runtime.architectures import Architecture
from recsys.runtime.artifact import seal
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.runtime.rope import Rope
from recsys.runtime.weights import PAGE, WeightFile, Weights

CONFIG: dict[str, Any] = {
    "model_type": "qwen3", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 50, "max_position_embeddings": 128,
}  # fmt: skip
Folder = Callable[[str], Path]


def test_weights_of_every_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
    tensors = {str(k): torch.randn(3, 5).to(k) for k in kinds} | {"none": torch.zeros(0, 4), "one": torch.tensor(2.5)}
    save_file(tensors | {"positions": torch.arange(4)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    weights = Weights(tmp_path)
    assert set(weights) == set(tensors)
    assert len(weights) == 6
    for name, tensor in tensors.items():
        assert weights[name].dtype == np.float32
        assert np.array_equal(weights[name], tensor.float().numpy())
    with pytest.raises(ShapeMismatch, match=r"\(3, 5\), the configuration says \(5, 3\)"):
        weights.take("torch.float16", 5, 3)
    with pytest.raises(ShapeMismatch, match="hold no 'other'"):
        weights.take("other", 1)


def test_shards_hold_the_whole(decoder_folder: Folder) -> None:
    folder = decoder_folder("llama")
    assert len(list(folder.glob("*.safetensors"))) > 1
    assert "lm_head.weight" in Weights(folder)


def header(**entry: Any) -> bytes:
    text = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | entry}).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * 8


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff" * 40, header(shape=[3]), header(shape=[-2]), header(dtype="F8_E4M3"), header(data_offsets=[8, 16]),
        header(data_offsets=[-4, 4]), header(data_offsets=[0]), header(shape=None), struct.pack("<Q", 4) + b"[12]",
        struct.pack("<Q", 4) + b"{oh}",
    ],
)  # fmt: skip
def test_damaged_weights_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ArtifactDamaged):
        Weights(tmp_path)


def test_shards_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="neither"):
        Weights(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    for content, error in (
        ({"weight_map": {"a": "../secret.safetensors"}}, ArtifactDamaged),
        ({"weight_map": {"a": 3}}, ArtifactDamaged),
        ({"weight_map": {"a": "gone.safetensors"}}, ArtifactMissing),
        ([], ArtifactDamaged),
    ):
        index.write_text(json.dumps(content))
        with pytest.raises(error):
            Weights(tmp_path)


def test_weight_file_aligns(tmp_path: Path) -> None:
    with WeightFile(tmp_path / "w.bin") as store:
        places = [store.add(np.full(n, n, np.float32)) for n in (3, 2000, 1)]
    assert [at % PAGE for at, _ in places] == [0, 0, 0]
    data = (tmp_path / "w.bin").read_bytes()
    assert [np.frombuffer(data[at : at + size], "<f4").tolist() for at, size in places][2] == [1.0]
    with pytest.raises(ValueError, match="not open"):
        store.add(np.ones(1, np.float32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "gpt2"}, "known: llama, mistral, qwen2, qwen3"),
        ({"hidden_act": "gelu"}, "gelu"), ({"mlp_bias": True}, "mlp_bias"),
        ({"num_key_value_heads": 3}, "multiple"), ({"hidden_size": "32"}, "hidden_size"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "yarn"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 0}}, "positive"),
        ({"rope_parameters": {"rope_type": "llama3", "low_freq_factor": 4, "high_freq_factor": 1}}, "exceed"),
        ({"partial_rotary_factor": 0.5}, "partial"), ({"partial_rotary_factor": "half"}, "partial"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}}}, "full_attention"),
        ({"rope_parameters": {"rope_type": "default", "mrope_section": [16, 24]}}, "mrope_section"),
        ({"rope_parameters": {"rope_theta": {"full": 1e6}}}, "rope_theta"), ({"rope_parameters": [1e6]}, "table"),
        ({"rms_norm_eps": "tiny"}, "rms_norm_eps"), ({"rms_norm_eps": float("nan")}, "rms_norm_eps"),
        ({"bos_token_id": "<s>"}, "bos_token_id"), ({"eos_token_id": [2, None]}, "eos_token_id"),
    ],
)  # fmt: skip
def test_what_the_graph_cannot_do_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Architecture.from_config(CONFIG | change)


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match=r"config\.json is missing"):
        Architecture.from_folder(tmp_path)
    for content in ("{oh", "[]", "7", "[" * 200_000, '{"a": ' * 200_000, "1" * 5_000):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ArtifactDamaged, match="JSON"):
            Architecture.from_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"eos_token_id": 2}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 9], "bos_token_id": None}))
    assert Architecture.from_folder(tmp_path).eos == (2, 9)


def test_sizes_and_defaults() -> None:
    plain = Architecture.from_config(CONFIG | {"eos_token_id": [2, 7], "rope_theta": 1e6})
    assert (plain.head_dim, plain.qk_norm, plain.tied, plain.eos, plain.rope.theta) == (8, True, False, (2, 7), 1e6)
    # A window that slides is no more than a bound while texts are shorter.
    mistral = Architecture.from_config(CONFIG | {"model_type": "mistral", "sliding_window": 64})
    qwen2 = Architecture.from_config(
        CONFIG | {"model_type": "qwen2", "sliding_window": 64, "use_sliding_window": False}
    )
    assert (mistral.max_tokens, qwen2.max_tokens, qwen2.bias, qwen2.out_bias) == (64, 128, True, False)
    # A mistral that does not say slides over 4,096, as the library has it; one that says null does not.
    long = CONFIG | {"model_type": "mistral", "max_position_embeddings": 32768}
    assert Architecture.from_config(long).max_tokens == MistralConfig().sliding_window == 4096
    assert Architecture.from_config(long | {"sliding_window": None}).max_tokens == 32768
    assert Architecture.from_config(long | {"model_type": "llama", "sliding_window": 64}).max_tokens == 32768


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 10000.0},
        {"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0},
        {
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
        },
    ],
)  # fmt: skip
def test_frequencies_equal_the_reference(rope: dict[str, Any]) -> None:
    config = LlamaConfig(hidden_size=128, num_attention_heads=2, rope_parameters=rope)
    ours = Rope.from_config({"rope_parameters": rope})
    if rope["rope_type"] == "default":
        want = 1.0 / rope["rope_theta"] ** (np.arange(0, 64, 2) / 64)
    else:
        want = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, torch.device("cpu"))[0].numpy()
    np.testing.assert_allclose(ours.frequencies(64), want, rtol=1e-6)
    old = {k: v for k, v in rope.items() if k != "rope_theta"}
    assert Rope.from_config({"rope_theta": rope["rope_theta"], "rope_scaling": old}) == ours


@pytest.fixture
def copy(written_folder: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written_folder("qwen3"), tmp_path / "copy"))


@pytest.mark.parametrize("name", ["body.onnx", "weights.data", "embeddings.npy", "head.npy", "tokenizer.json"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ArtifactDamaged, match=name):
        open_decoder(copy)
    (copy / name).unlink()
    with pytest.raises(ArtifactMissing, match=name):
        open_decoder(copy)


def test_a_spec_that_makes_no_sense_is_refused(copy: Path) -> None:
    spec = json.loads((copy / "spec.json").read_text())
    architecture = spec["architecture"]
    for change in (
        {"graph": 99}, {"architecture": {}}, {"max_tokens": "many"}, {"architecture": architecture | {"more": 1}},
        {"architecture": None},
    ):  # fmt: skip
        seal(copy, spec | change)
        with pytest.raises(ArtifactDamaged):
            open_decoder(copy)
    seal(copy, spec | {"architecture": architecture | {"vocabulary": 77}})
    with pytest.raises(ShapeMismatch, match="77"):
        open_decoder(copy)
    seal(copy, spec | {"task": "encoder"})
    with pytest.raises(ConfigError, match="for 'encoder'"):
        open_decoder(copy)


def test_writing_leaves_nothing_behind_when_it_fails(decoder_folder: Folder, tmp_path: Path) -> None:
    source = Path(shutil.copytree(decoder_folder("qwen3"), tmp_path / "source"))
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ShapeMismatch, match=r"layers\.2"):
        write_decoder(source, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_decoder(decoder_folder("qwen3"), tmp_path / "out")


def test_neither_torch_nor_transformers_is_needed(decoder_folder: Folder, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
for name in ("torch", "transformers"):
    sys.modules[name] = None
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.runtime.prefixes import Prompt
model = open_decoder(write_decoder(Path(sys.argv[1]), Path(sys.argv[2])), threads=1)
prompt = Prompt((model.tokens.encode("A kettle for two"),))
print(model.generate([prompt], max_new_tokens=3)[0].tokens_out)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(decoder_folder("qwen3")), str(tmp_path / "made")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"0", "1", "2", "3"}
