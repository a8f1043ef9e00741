"""Tiny decoders on disk, made once a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import recsys
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.testing.tiny import tiny_decoder, tiny_encoder, tiny_seq2seq

SHOP = Path(recsys.__file__).parent / "data" / "shop"
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
# Between them: grouped and single key heads, tied and own heads, biases, scaled positions, shards, a sliding window.
DECODERS: dict[str, dict[str, object]] = {
    "qwen3": {"family": "qwen3", "head_dim": 16},
    "llama": {"family": "llama", "rope_parameters": LLAMA3, "attention_bias": True, "shard": "60KB"},
    "qwen2-tied": {"family": "qwen2", "tie_word_embeddings": True, "num_key_value_heads": 1},
    "mistral-linear": {
        "family": "mistral", "num_key_value_heads": 4, "sliding_window": 128,
        "rope_parameters": {"rope_type": "linear", "rope_theta": 500.0, "factor": 2.0},
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def shop_texts() -> list[str]:
    """Real text to train tokenizers on."""
    return [(SHOP / f"{part}.toml").read_text(encoding="utf-8") for part in ("audio", "books", "reviews")]


@pytest.fixture(scope="session")
def decoder_folder(tmp_path_factory: pytest.TempPathFactory, shop_texts: list[str]) -> Callable[[str], Path]:
    """Return the folder of a tiny model by its name in `DECODERS`, as it would be after a download."""

    @cache
    def made(name: str) -> Path:
        return tiny_decoder(tmp_path_factory.mktemp("hub") / name, shop_texts, seed=7, **DECODERS[name])  # type: ignore[arg-type]

    return made


@pytest.fixture(scope="session")
def written_folder(
    decoder_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return the same model as a folder that serves from ONNX."""

    @cache
    def made(name: str) -> Path:
        return write_decoder(decoder_folder(name), tmp_path_factory.mktemp("onnx") / name, max_tokens=200)

    return made


@pytest.fixture(scope="session")
def causal(written_folder: Callable[[str], Path]) -> Callable[[str], CausalLM]:
    """Return the same model opened, on one thread."""
    return cache(lambda name: open_decoder(written_folder(name), threads=1))


@pytest.fixture(scope="session")
def source(
    decoder_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, shop_texts: list[str]
) -> Callable[[str], Path]:
    """Return the folder of a tiny model for a task."""

    @cache
    def made(task: str) -> Path:
        folder = tmp_path_factory.mktemp("hub") / task
        if task == "causal":
            # A sharded one: several files and their index.
            return decoder_folder("llama")
        if task == "seq2seq":
            return tiny_seq2seq(folder, shop_texts, gated=True)
        return tiny_encoder(folder, shop_texts, labels=1 if task == "cross-encoder" else 0)

    return made
