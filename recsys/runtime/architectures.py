"""What a decoder-only language model looks like, read from its config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError
from recsys.runtime.rope import Rope

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
# Rows that a sliding window sees where a configuration does not say.
WINDOW = 4096


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes and switches of one model.

    Attributes:
        family: one of `FAMILIES`. hidden, inner: widths of a row and of the gated layer between.
        heads, kv_heads: query heads, and key/value heads that they share; ``head_dim`` is the width of each.
        epsilon: of every RMS norm. vocabulary: rows of the embedding. tied: the head is the embedding itself.
        qk_norm: queries and keys are normed a head (Qwen3). bias, out_bias: of the projections into and out of
            attention. max_tokens: the longest text for which attention is full and positions are known.
        bos, eos: special tokens; bos is None where the model has none.
    """

    family: str
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    epsilon: float
    vocabulary: int
    max_tokens: int
    rope: Rope
    tied: bool = False
    qk_norm: bool = False
    bias: bool = False
    out_bias: bool = False
    bos: int | None = None
    eos: tuple[int, ...] = ()

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read the folder of a model as Hugging Face lays it out.

        Raises:
            ArtifactMissing: no config.json. ArtifactDamaged: it is no JSON object. ConfigError: see `from_config`.
        """
        config = read_json(folder / "config.json")
        generation = folder / "generation_config.json"
        # Chat models often name more than one end token, and only there.
        return cls.from_config(config | (_special(read_json(generation)) if generation.is_file() else {}))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the content of a config.json.

        Raises:
            ConfigError: another family, a switch that the graph does not know, or a size that makes no sense.
        """
        family = str(config.get("model_type"))
        if family not in FAMILIES:
            raise ConfigError(f"config.json: model_type {family!r} is not supported (known: {', '.join(FAMILIES)})")
        if config.get("hidden_act", "silu") != "silu":
            raise ConfigError(f"config.json: hidden_act {config['hidden_act']!r} is not supported (known: silu)")
        if config.get("mlp_bias"):
            raise ConfigError("config.json: mlp_bias is not supported")
        heads, hidden = size_of(config, "num_attention_heads"), size_of(config, "hidden_size")
        made = cls(
            family=family,
            hidden=hidden,
            inner=size_of(config, "intermediate_size"),
            layers=size_of(config, "num_hidden_layers"),
            heads=heads,
            kv_heads=size_of(config, "num_key_value_heads", heads),
            head_dim=size_of(config, "head_dim", hidden // heads),
            epsilon=epsilon_of(config, "rms_norm_eps", 1e-6),
            vocabulary=size_of(config, "vocab_size"),
            max_tokens=_reach(config),
            rope=Rope.from_config(config),
            tied=bool(config.get("tie_word_embeddings", False)),
            qk_norm=family == "qwen3",
            bias=family == "qwen2" or bool(config.get("attention_bias", False)),
            out_bias=family != "qwen2" and bool(config.get("attention_bias", False)),
            bos=next(iter(ids_of(config, "bos_token_id")), None),
            eos=ids_of(config, "eos_token_id"),
        )
        if made.heads % made.kv_heads or made.head_dim % 2:
            raise ConfigError("config.json: heads must be a multiple of num_key_value_heads, head_dim even")
        return made


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file. Raises `ArtifactMissing` or `ArtifactDamaged`."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactMissing(f"{path} is missing") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactDamaged(f"{path} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArtifactDamaged(f"{path} holds no JSON object")
    return value


def _special(generation: Mapping[str, Any]) -> dict[str, Any]:
    return {k: generation[k] for k in ("bos_token_id", "eos_token_id") if generation.get(k) is not None}


def ids_of(config: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Return one token or several that a config.json names, () for none. Raises `ConfigError` for what is no token."""
    value = config.get(name)
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(i, int) and i >= 0 for i in ids):
        raise ConfigError(f"config.json: {name} must be a token's number, got {value!r}")
    return tuple(ids)


def epsilon_of(config: Mapping[str, Any], name: str, default: float) -> float:
    """Return the small number of a norm. Raises `ConfigError` for one that is none."""
    value = config.get(name, default)
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"config.json: {name} must be a small number, got {value!r}")
    return float(value)


def size_of(config: Mapping[str, Any], name: str, default: int | None = None, *, where: str = "config.json") -> int:
    """Return a size that a config.json gives. Raises `ConfigError` for one that is no positive whole number."""
    value = config.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"{where}: {name} must be a positive whole number, got {value!r}")
    return value


def _reach(config: Mapping[str, Any]) -> int:
    """Tokens up to which every row sees all rows before it: a sliding window cuts it down."""
    reach = size_of(config, "max_position_embeddings", 2048)
    slides = config["model_type"] == "mistral" or bool(config.get("use_sliding_window"))
    # Where the key itself is missing the library has a window, where it is null there is none.
    if not slides or config["model_type"] == "llama" or config.get("sliding_window", WINDOW) is None:
        return reach
    return min(reach, size_of(config, "sliding_window", WINDOW))
