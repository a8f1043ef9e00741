"""ServiceConfig: every setting of the service, from a TOML file and the environment."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from recsys.errors import ConfigError
from recsys.registry import validation_text
from recsys.serving.experiments import Experiment

SECTION = "service"
PREFIX = "RECSYS__SERVICE__"
MIN_SECRET = 32  # characters; HMAC-SHA256 gains nothing beyond


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Section):
    """How large a request may be. ``body_s`` seconds are given for a body to arrive."""

    body_bytes: int = Field(1 << 20, ge=1 << 10)
    body_s: float = Field(30.0, gt=0)
    json_depth: int = Field(32, ge=4, le=200)


class Rate(_Section):
    """Requests that a key may make in each worker process: ``per_s`` in the long run, ``burst`` at once."""

    per_s: float = Field(200.0, gt=0)
    burst: int = Field(400, ge=1)


class Queue(_Section):
    """What waits in front of an engine: ``waiting`` requests at most, and none longer than ``budget_ms`` allows.

    ``budget_ms`` is from the moment a request is read to its answer, where the request itself names no other.
    """

    waiting: int = Field(64, ge=0)
    budget_ms: float = Field(500.0, gt=0)


class Refit(_Section):
    """Learning anew in the background: ``every_s`` seconds, once ``min_events`` have come in; None = never."""

    every_s: float | None = Field(None, ge=1)
    min_events: int = Field(1, ge=0)


class Traces(_Section):
    """OpenTelemetry. ``endpoint`` of an OTLP collector; "" leaves it to OTEL_EXPORTER_OTLP_ENDPOINT."""

    on: bool = False
    endpoint: str = ""
    share: float = Field(1.0, ge=0, le=1)


class ServiceConfig(_Section):
    """All settings of the service; the section [service] of a TOML file.

    Any of them may stand in the environment instead, ``RECSYS__SERVICE__QUEUE__BUDGET_MS=300``; lists as JSON.

    Attributes:
        threads: how many requests one worker computes at a time.
        database: URL of the store, ``sqlite:///FILE`` or ``postgresql://...``; "" = a file that `recsys serve` makes.
        bundles: folder of bundles, None = nothing can be activated by name.
        secret: signs attribution tokens; workers and replicas share it. Without one it is drawn at the start.
        secret_file: a file that holds the secret.
        drain_s: how long the service answers "not ready" and still serves, before it stops to accept connections.
        stop_s: how long accepted requests may take to finish after that.
        engine: settings of engines, for what is yet to be fitted and for every fit; None = those of the active bundle.
        consent: whether shoppers who said nothing are remembered.
        experiments: by name; which shopper gets which variant.
        keep_lists_days: how long lists that were served are kept, for later events, reasons and reports to be joined.
        demo: whether the page is served, with a key of its own.
    """

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    workers: int = Field(1, ge=1, le=256)
    threads: int = Field(2, ge=1, le=256)
    database: str = ""
    bundles: Path | None = None
    engine: Path | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    limits: Limits = Limits()
    rate: Rate = Rate()
    queue: Queue = Queue()
    refit: Refit = Refit()
    traces: Traces = Traces()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_s: float = Field(0.0, ge=0)
    stop_s: float = Field(30.0, ge=0)
    consent: bool = True
    experiments: dict[str, Experiment] = Field(default_factory=dict)
    keep_lists_days: float = Field(90.0, gt=0)
    demo: bool = False

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < MIN_SECRET:
            raise ValueError(f"needs {MIN_SECRET} characters or more, for example those of `openssl rand -hex 32`")
        return secret

    @field_validator("cors_origins")
    @classmethod
    def _named_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2 or "*" in origin:
                raise ValueError("an origin is scheme and host, https://shop.example; there is no wildcard")
        return origins

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("secret: give it or secret_file, not both")
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = SECTION) -> ServiceConfig:
        """Build from plain values. Raises `ConfigError` with the path of each wrong one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(validation_text(error, where)) from error

    @classmethod
    def read(
        cls, path: Path | str | None = None, environ: Mapping[str, str] | None = None, **given: Any
    ) -> ServiceConfig:
        """Read [service] of a TOML file, then the environment, then what is ``given`` and not None; the last wins.

        Raises:
            ConfigError: naming the file, the variable or the path of a wrong setting.
        """
        values = {} if path is None else _section(Path(path))
        if values.get("secret") is not None:
            raise ConfigError(f"service.secret: not in a file of settings; use secret_file or {PREFIX}SECRET")
        values = _merged(values, _from_environment(environ or {}))
        return cls.of(_merged(values, {name: value for name, value in given.items() if value is not None}))

    def key(self) -> bytes | None:
        """Return the secret that signs tokens, or None where there is none.

        Raises:
            ConfigError: the file cannot be read or holds too little.
        """
        if self.secret is not None:
            return self.secret.get_secret_value().encode()
        if self.secret_file is None:
            return None
        try:
            secret = self.secret_file.read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"service.secret_file: {self.secret_file} cannot be read: {error.strerror}") from error
        if len(secret) < MIN_SECRET:
            raise ConfigError(f"service.secret_file: {self.secret_file} holds fewer than {MIN_SECRET} characters")
        return secret


def _section(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no settings at {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    section = values.get(SECTION, {})
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: [{SECTION}] must be a section")
    return section


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        *path, last = name.removeprefix(PREFIX).lower().split("__")
        place = out
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{name}: {part} has a value of its own already")
        place[last] = _value(name, text)
    return out


def _value(name: str, text: str) -> Any:
    """Return a list or section that is written as JSON; pydantic reads numbers and words from text itself."""
    if text[:1] not in "[{" or not text:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name} is not JSON: {error.msg}") from error


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(low)
    for name, value in high.items():
        both = isinstance(value, Mapping) and isinstance(out.get(name), Mapping)
        out[name] = _merged(out[name], value) if both else value
    return out
