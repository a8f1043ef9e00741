"""A tiny Qwen3 with random weights, exported to ONNX as a downloaded one would be, made once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

import recsys
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.testing.tiny import tiny_decoder

SHOP = Path(recsys.__file__).parent / "data" / "shop"


@pytest.fixture(scope="session")
def tiny_causal(tmp_path_factory: pytest.TempPathFactory) -> CausalLM:
    folder = tmp_path_factory.mktemp("tiny")
    texts = [(SHOP / f"{part}.toml").read_text(encoding="utf-8") for part in ("kitchen", "reviews")]
    tiny_decoder(folder / "hub", texts, seed=5, head_dim=16, max_position_embeddings=1024)
    return open_decoder(
        write_decoder(folder / "hub", folder / "onnx", max_tokens=1024), threads=1, prefix_bytes=4_000_000
    )
