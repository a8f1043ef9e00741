"""Any Hugging Face text encoder, run by torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from recsys.embed.encoder import Encoder, Pooling, Tokenise
from recsys.errors import ModelError
from recsys.protocols import Deps
from recsys.registry import import_optional
from recsys.runtime.models import ModelRef, sha256_of
from recsys.runtime.session import SessionSpec, TensorSpec
from recsys.runtime.torch import TorchSession
from recsys.types import Vectors


class HuggingFace:
    """An encoder of the hub or of a folder: BERT-like models such as E5, BGE, GTE, mpnet (extra ``train``).

    Weights are read from safetensors only, and no code that comes with a model is run. The model is loaded when
    the first text or ``dim`` is asked for.
    """

    class Config(BaseModel):
        """``model`` is ``hf://organisation/name[@revision]`` or ``file://folder``; prefixes as the model card says."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        model: str
        pooling: Pooling = "mean"
        max_tokens: int = Field(128, ge=8)
        query_prefix: str = ""
        item_prefix: str = ""
        device: str = "cpu"

    def __init__(self, config: Config) -> None:
        self.config = config
        self._ref = ModelRef.parse(config.model)
        self._lock = threading.Lock()
        self._loaded: Encoder | None = None
        self._content = ""

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings. Raises `ConfigError` for a reference that cannot be read."""
        return cls(config)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._encoder().dim

    @property
    def model_id(self) -> str:
        """What decides the vector of a text: the model's content or commit, pooling, length, prefixes."""
        self._encoder()
        c = self.config
        return f"hf:{self._content}:{c.pooling}:{c.max_tokens}:{c.query_prefix!r}:{c.item_prefix!r}"

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        """Return ``(len(texts), dim)`` unit vectors; zeros for a text without any known word piece.

        Raises:
            PluginUnavailable: torch or transformers is not installed.
            ModelError: the reference holds no model that can be loaded.
        """
        prefix = self.config.query_prefix if role == "query" else self.config.item_prefix
        encoder = self._encoder()
        vectors = encoder.encode([prefix + t for t in texts])
        # The prefix is words to the model, so an empty text has to be told apart here.
        vectors[[i for i, t in enumerate(texts) if not t.strip()]] = 0
        return vectors

    def _encoder(self) -> Encoder:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> Encoder:
        transformers = import_optional("transformers")
        local = self._ref.scheme == "file"
        place = str(self._ref.path()) if local else self._ref.place
        options = {} if local else {"revision": self._ref.revision or "main"}
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
            model = transformers.AutoModel.from_pretrained(
                place, trust_remote_code=False, use_safetensors=True, dtype="float32", **options
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"{self._ref} cannot be loaded: {error}") from error
        session = TorchSession(model, _SPEC, self.config.device)
        # A branch of the hub may move: its name alone does not say which weights these are.
        self._content = sha256_of(self._ref.path()) if local else f"{self._ref}:{session.weights_sha256()}"
        return Encoder(
            session,
            _tokeniser(tokenizer, self.config.max_tokens),
            int(model.config.hidden_size),
            pooling=self.config.pooling,
            mute=tokenizer.all_special_ids,
            pad=tokenizer.pad_token_id or 0,
        )


_SPEC = SessionSpec(
    tuple(TensorSpec(name, "int64", ("batch", "tokens")) for name in ("input_ids", "attention_mask")),
    (TensorSpec("last_hidden_state", "float32", ("batch", "tokens", None)),),
)


def _tokeniser(tokenizer: Any, max_tokens: int) -> Tokenise:
    # A call sets the truncation of the shared tokeniser before it reads: two calls at a time would clash.
    lock = threading.Lock()

    def tokenise(texts: Sequence[str]) -> list[list[int]]:
        with lock:
            encoded = tokenizer(list(texts), truncation=True, max_length=max_tokens, return_attention_mask=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    return tokenise
