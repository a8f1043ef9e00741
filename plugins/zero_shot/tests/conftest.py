"""An encoder and a tiny Qwen3 with random weights, as rerankers of this plug-in take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import recsys
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.testing.fakes import WORD, HashEmbedder
from recsys.testing.tiny import tiny_decoder

SHOP = Path(recsys.__file__).parent / "data" / "shop"


class WordEncoder(HashEmbedder):
    """One vector a word, given by its hash: texts are as near as they share words."""

    def __init__(self) -> None:
        super().__init__(64)
        self.read: list[str] = []

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        self.read += texts
        return [self.embed(WORD.findall(text), "item") for text in texts]


@pytest.fixture
def words() -> WordEncoder:
    return WordEncoder()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that serves from ONNX."""
    folder = tmp_path_factory.mktemp("tiny")
    texts = [(SHOP / f"{part}.toml").read_text(encoding="utf-8") for part in ("kitchen", "reviews")]
    tiny_decoder(folder / "hub", texts, seed=5, head_dim=16, max_position_embeddings=2048)
    return write_decoder(folder / "hub", folder / "onnx", max_tokens=2048)


@pytest.fixture(scope="session")
def tiny_causal(tiny_folder: Path) -> CausalLM:
    return open_decoder(tiny_folder, threads=1, prefix_bytes=4_000_000)
