"""Sizes and settings of personalised language models, by name: data files in ``presets/``."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recsys.errors import ConfigError
from recsys_fine_tuned.conditioning import Conditioning


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DecoderSettings(_Part):
    """A Llama-shaped decoder with a tied head; ``inner`` is the width of its gated layer."""

    hidden: int = Field(ge=2)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    inner: int = Field(ge=1)
    vocabulary: int = Field(ge=300)
    max_tokens: int = Field(ge=16)
    dropout: float = Field(0.1, ge=0, lt=1)
    rope_theta: float = Field(10000.0, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> DecoderSettings:
        if self.hidden % self.heads or self.heads % self.kv_heads or (self.hidden // self.heads) % 2:
            raise ValueError("hidden must be an even multiple of heads, heads a multiple of kv_heads")
        return self


class ConditioningSettings(_Part):
    """See `recsys_fine_tuned.conditioning.Conditioning`."""

    inner: int = Field(128, ge=1)
    history: int = Field(20, ge=1)
    recent: int = Field(8, ge=0)
    layers: int = Field(1, ge=0)
    items: int = Field(2, ge=0)
    persona: bool = True
    user: bool = True

    def of(self, width: int, hidden: int) -> Conditioning:
        """Return the module's sizes for vectors of ``width`` and rows of ``hidden``."""
        return Conditioning(width=width, hidden=hidden, **self.model_dump())


class TrainingSettings(_Part):
    """Rows of a batch, rates, weights of the rating and context losses; ``forget``: share trained as nobody known."""

    learning_rate: float = Field(1e-3, gt=0)
    batch_rows: int = Field(2048, ge=64)
    weight_decay: float = Field(0.05, ge=0)
    rating_weight: float = Field(0.1, ge=0)
    context_weight: float = Field(0.1, ge=0)
    forget: float = Field(0.1, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"


class Preset(_Part):
    """One preset: the decoder, what it is conditioned on, how it is trained."""

    decoder: DecoderSettings
    conditioning: ConditioningSettings = ConditioningSettings()
    training: TrainingSettings = TrainingSettings()


def names() -> list[str]:
    """Return the names of all presets that come with this package."""
    folder = resources.files("recsys_fine_tuned").joinpath("presets")
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def load(name: str) -> Preset:
    """Return a preset by name, or from the path of a TOML file.

    Raises:
        ConfigError: no such preset, or a file that is none.
    """
    if name in names():
        text = resources.files("recsys_fine_tuned").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml") and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        raise ConfigError(f"no preset {name!r}: one of {', '.join(names())}, or the path of a .toml file")
    try:
        return Preset.model_validate(tomllib.loads(text))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"preset {name}: {error}") from error
