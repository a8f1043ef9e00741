"""EngineConfig: every setting of an engine, read from TOML; the only reader of files and environment."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recsys.errors import ConfigError
from recsys.explanation import LOCALES, language_of
from recsys.filters.exclusions import Exclusions
from recsys.registry import validation_text
from recsys.signal import check_weights

# Without settings: what needs no tuning to be sensible, cheap first. The order is the order of columns.
DEFAULT_CANDIDATES: Mapping[str, dict[str, Any]] = {
    "transitions": {}, "attributes": {}, "item-knn": {}, "als": {}, "ease": {}, "dense": {}, "popularity": {"n": 30},
}  # fmt: skip

# The plan that serves, and its ranker, where settings name no other.
FILE = "file://"
USUAL, USUAL_RANKER = "no-llm", "lightgbm"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(BaseModel):
    """One component: ``use`` names the plug-in, ``n`` how many items it may return, all else is its own config."""

    model_config = ConfigDict(frozen=True, extra="allow")

    use: str
    n: int = Field(150, ge=1)

    @property
    def options(self) -> dict[str, Any]:
        """What the component itself is configured with, "use" included."""
        return {"use": self.use, **(self.model_extra or {})}


class RerankStage(Stage):
    """A reranker: ``top`` of each list go through it, within ``budget_ms`` a request (None: as long as it takes)."""

    top: int = Field(20, ge=1, le=1_000)
    budget_ms: float | None = Field(None, gt=0)


class ModelSettings(_Section):
    """A model that stages share: ``ref`` is file://FOLDER, package://MODULE/FOLDER or hf://OWNER/NAME.

    ``sha256`` is that of its manifest, as `recsys export` prints it, or for "torch" that of the whole folder;
    ``provider`` is ONNX Runtime's name for where it runs ("cpu", "cuda"), ``threads`` bounds its cores. ``prefix_mb``
    of memory keep what a causal model has read of returning shoppers, 0 = nothing. With ``join_ms`` above 0 calls of
    several threads wait that long for one another and are read in one batch.
    """

    ref: str = Field(min_length=1)
    runtime: Literal["onnx", "torch"] = "onnx"
    sha256: str = ""
    provider: str = "cpu"
    threads: int | None = Field(None, ge=1)
    prefix_mb: int = Field(64, ge=0)
    join_ms: float = Field(0.0, ge=0, le=1_000)


class EventSettings(_Section):
    """What events mean: ``weights`` by kind instead of `recsys.signal.DEFAULT_WEIGHTS`; how much history counts."""

    weights: dict[str, float] = Field(default_factory=dict)
    history_limit: int = Field(200, ge=1)

    _known_kinds = field_validator("weights")(check_weights)


class FusionSettings(_Section):
    """Weight of each generator in the fused score, and how many fused candidates reach the ranker."""

    weights: dict[str, float] = Field(default_factory=dict)
    default: float = Field(0.3, ge=0)
    n: int = Field(150, ge=1)


class SearchSettings(_Section):
    """How `Engine.search` finds and orders.

    ``candidates`` are generators that only searches use; a search also asks those of ``also`` that the plan has.
    ``weights`` are of the fused order: each finder by its name, and "personal" for what the plan of `recommend` says of
    the same items. ``rank`` names a ranker of [rank] that orders what was found; ``n`` items reach it. Where no variant
    uses it too, it learns from the search log: from ``rank_requests`` searches that ended with a choice, at most.
    """

    candidates: dict[str, Stage] = Field(default_factory=lambda: {"text": Stage(use="text", n=200)})
    also: tuple[str, ...] = ("dense",)
    weights: dict[str, float] = Field(default_factory=lambda: {"text": 1.0, "dense": 0.5, "personal": 0.2})
    rank: str | None = None
    n: int = Field(200, ge=1)
    rank_requests: int = Field(2_000, ge=1)


class ExplainSettings(_Section):
    """How reasons are given.

    ``use`` names the explainer, ``options`` are its own, ``others`` those of other ones by name, which variants and
    calls may ask for: [explain.others.generate]. ``candidates`` are generators that only reasons use (aspects
    of reviews). ``measured`` events of each item get their causal drop measured; ``facts`` are limits, see
    `recsys.explain.facts_settings.FactSettings`. ``tone`` ("plain", "friendly", "brief") and ``locale`` pick the
    wording.
    """

    use: str = "template"
    options: dict[str, Any] = Field(default_factory=dict)
    others: dict[str, dict[str, Any]] = Field(default_factory=dict)
    candidates: dict[str, Stage] = Field(default_factory=lambda: {"aspects": Stage(use="aspects")})
    measured: int = Field(2, ge=0)
    facts: dict[str, Any] = Field(default_factory=dict)
    tone: str = "plain"
    locale: str = "en"

    @field_validator("locale")
    @classmethod
    def _known_language(cls, locale: str) -> str:
        """A reason in a language that it cannot be checked in would fail at every call."""
        if language_of(locale) not in LOCALES:
            raise ValueError(f"no reasons in the language {locale!r}: choose one of {', '.join(LOCALES)}")
        return locale


class Variant(_Section):
    """One plan: which generators (None = all), which ranker, which reranker, which explainer (None: [explain]'s)."""

    candidates: tuple[str, ...] | None = None
    rank: str | None = None
    rerank: str | None = None
    explain: str | None = None


def _named(stages: Any) -> Any:
    """Return stages each of which says what it uses: without a word, the plug-in of its own name."""
    if not isinstance(stages, Mapping):
        return stages
    return {name: {"use": name, **stage} if isinstance(stage, Mapping) else stage for name, stage in stages.items()}


def _with_usual(values: Mapping[str, Any]) -> Any:
    """Return the variants with the built-in one where it is the one that serves, and nothing defines it anew."""
    variants, serves = values.get("variants"), values.get("variant", USUAL)
    ranked = USUAL_RANKER in (values.get("rank") or {USUAL_RANKER})
    if not isinstance(variants, Mapping) or serves != USUAL or USUAL in variants or not ranked:
        return variants
    return {USUAL: {"rank": USUAL_RANKER}, **variants}


def _references(value: Any, changed: Callable[[str], str]) -> Any:
    """Return settings with every reference to a file, wherever it stands, as ``changed`` has its path."""
    if isinstance(value, Mapping):
        return {name: _references(part, changed) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_references(part, changed) for part in value]
    if isinstance(value, str) and value.startswith(FILE):
        return FILE + changed(value.removeprefix(FILE))
    return value


def _placed(values: Any, folder: Path) -> Any:
    """Return values of a file in ``folder`` with absolute references: a bundle is served from anywhere."""
    # An absolute path stays as it is, and so does one of somebody's home.
    return _references(values, lambda path: path if not path or path.startswith("~") else str(folder / path))


class EngineConfig(_Section):
    """All settings; ``EngineConfig.read(path)`` takes them from a TOML file.

    Of ``variants``, plans by name, ``variant`` serves where a call names none. Without a word that is "no-llm", which
    needs no definition: all generators behind LightGBM.
    """

    candidates: dict[str, Stage] = Field(default_factory=dict, validate_default=True)
    fusion: FusionSettings = FusionSettings()
    rank: dict[str, Stage] = Field(default_factory=lambda: {USUAL_RANKER: Stage(use=USUAL_RANKER)})
    rerank: dict[str, RerankStage] = Field(default_factory=dict)
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    variants: dict[str, Variant] = Field(default_factory=lambda: {USUAL: Variant(rank=USUAL_RANKER)})
    variant: str = USUAL
    events: EventSettings = EventSettings()
    search: SearchSettings = SearchSettings()
    exclusions: Exclusions = Exclusions()
    rules: dict[str, Any] = Field(default_factory=dict)  # see recsys.rules.Rules
    explain: ExplainSettings = ExplainSettings()
    hide_seen: bool = True
    seed: int = 0
    rank_requests: int = Field(40_000, ge=1)  # a ranker learns from at most so many shoppers, drawn at random

    @model_validator(mode="before")
    @classmethod
    def _named_stages(cls, values: Any) -> Any:
        """Let a stage be named after its plug-in: [candidates.als] needs no ``use``."""
        if not isinstance(values, Mapping):
            return values
        out = dict(values)
        out.setdefault("candidates", {name: dict(options) for name, options in DEFAULT_CANDIDATES.items()})
        out["variants"] = _with_usual(out)
        for section in ("candidates", "rank", "rerank"):
            out[section] = _named(out.get(section))
        for section in ("search", "explain"):
            if isinstance(part := out.get(section), Mapping) and "candidates" in part:
                out[section] = {**part, "candidates": _named(part["candidates"])}
        return {name: value for name, value in out.items() if value is not None}

    @model_validator(mode="after")
    def _plans_exist(self) -> Self:
        if not self.candidates:
            raise ValueError("candidates: at least one generator is needed")
        if odd := [name for name in self.fusion.weights if name not in self.candidates]:
            raise ValueError(f"fusion.weights: no generator {', '.join(odd)} (there are: {', '.join(self.candidates)})")
        if both := sorted(set(self.candidates) & set(self.search.candidates)):
            raise ValueError(f"search.candidates: {', '.join(both)} is among the candidates already: name it in also")
        if self.search.rank is not None and self.search.rank not in self.rank:
            raise ValueError(f"search.rank: unknown '{self.search.rank}' (there are: {', '.join(self.rank)})")
        if self.variant not in self.variants:
            raise ValueError(f"variant: no [variants.{self.variant}] (there are: {', '.join(self.variants)})")
        for name, variant in self.variants.items():
            missing = [c for c in variant.candidates or () if c not in self.candidates]
            if missing:
                raise ValueError(f"variants.{name}.candidates: unknown {', '.join(missing)}")
            for part, there in (("rank", self.rank), ("rerank", self.rerank)):
                used = getattr(variant, part)
                if used is not None and used not in there:
                    known = ", ".join(there) or "none"
                    raise ValueError(f"variants.{name}.{part}: unknown '{used}' (there are: {known})")
        return self

    @property
    def stages(self) -> dict[str, Stage]:
        """Every generator by name: those of `recommend`, then those that only searches and reasons use."""
        return {**self.explain.candidates, **self.search.candidates, **self.candidates}

    @property
    def beside(self) -> tuple[str, ...]:
        """The generators that no list is made of: those that only searches and reasons use."""
        return tuple(n for n in (*self.search.candidates, *self.explain.candidates) if n not in self.candidates)

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "") -> EngineConfig:
        """Build from plain values. Raises `ConfigError` with the path of each wrong one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(validation_text(error, where)) from error

    @classmethod
    def read(cls, path: Path | str) -> EngineConfig:
        """Read a TOML file; relative ``file://`` references to models are looked for beside it.

        Raises:
            ConfigError: naming file, line or path.
        """
        path = Path(path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"no settings at {path}: type 'recsys init' to write them") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
        return cls.of(_placed(values, path.absolute().parent), path.name)

    def trimmed(self) -> EngineConfig:
        """Return the settings without generators and rankers that no variant uses: an evaluation has more of them."""
        used = list(self.variants.values())
        if any(v.candidates is None for v in used):
            names = set(self.candidates)
        else:
            names = {name for v in used for name in v.candidates or ()}
        rankers = {v.rank for v in used} | {self.search.rank}
        rerankers = {v.rerank for v in used}
        return self.model_copy(
            update={
                "candidates": {n: s for n, s in self.candidates.items() if n in names},
                "rank": {n: s for n, s in self.rank.items() if n in rankers},
                "rerank": {n: s for n, s in self.rerank.items() if n in rerankers},
            }
        )

    def plain(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON and TOML."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def hash(self) -> str:
        """First 16 hex digits of the sha256 of the settings: recorded with every figure.

        Settings of searches, rules and reasons do not count while they are the default ones: evaluations and
        lists are the same without them.
        """
        plain = self.plain()
        usual = {
            "search": SearchSettings(), "exclusions": Exclusions(), "rules": {}, "explain": ExplainSettings(),
            "rerank": {}, "models": {},
        }  # fmt: skip
        for name, value in usual.items():
            if getattr(self, name) == value:
                del plain[name]
        # Where a model lies is no setting: the same folder of files, moved, gives the same lists.
        named = _references(plain, lambda path: Path(path).name)
        text = json.dumps(named, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
