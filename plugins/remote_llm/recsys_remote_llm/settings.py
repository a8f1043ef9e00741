"""Settings of a server: where it is, what it may take, what it costs, and when it is left alone."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from recsys.errors import ConfigError

OURS = frozenset({"model", "messages", "query", "documents", "texts", "top_n", "stream"})


class Server(BaseModel):
    """Where a server is and how it is asked.

    Attributes:
        url: up to and with the version: "http://localhost:8000/v1", "https://api.jina.ai/v1".
        model: the name of the model as the server knows it.
        api_key_env: the environment variable that holds the key; "" = none is sent. The key itself is never a setting.
        connect_s, read_s, total_s: seconds until a connection stands; until the server says anything further; for one
            request with all its tries. The deadline of a request ends all of them early.
        retries: further tries after 429, 5xx or a lost connection.
        backoff_s, max_backoff_s: try i waits a random time below ``min(max_backoff_s, backoff_s * 2**i)`` and, on top
            of that, as long as the server asks for by Retry-After.
        concurrency: so many requests at a time, over all threads.
        max_bytes: of an answer.
        breaker_failures, breaker_window_s, breaker_cooldown_s: so many failures within the window, and nothing is
            asked for as long as the cool-down.
        price_in, price_out: of a million tokens read and written, in any currency.
        price_call: of a thousand calls.
        extra: further fields of every request's body; one that is sent anyway, "temperature" say, is sent so.
        omit: fields that this server does not take, such as "max_tokens": not sent.
        seed: of the waiting times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    model: str = Field(min_length=1)
    api_key_env: str = ""
    connect_s: float = Field(2.0, gt=0, le=60)
    read_s: float = Field(10.0, gt=0, le=600)
    total_s: float = Field(30.0, gt=0, le=3600)
    retries: int = Field(2, ge=0, le=10)
    backoff_s: float = Field(0.25, ge=0, le=60)
    max_backoff_s: float = Field(4.0, ge=0, le=600)
    concurrency: int = Field(4, ge=1, le=256)
    max_bytes: int = Field(1_000_000, ge=1_000, le=100_000_000)
    breaker_failures: int = Field(5, ge=1)
    breaker_window_s: float = Field(30.0, gt=0)
    breaker_cooldown_s: float = Field(30.0, gt=0)
    price_in: float = Field(0.0, ge=0)
    price_out: float = Field(0.0, ge=0)
    price_call: float = Field(0.0, ge=0)
    extra: dict[str, Any] = Field(default_factory=dict)
    omit: tuple[str, ...] = ()
    seed: int = Field(0, ge=0)

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a name or password: name the variable of the key by api_key_env")
        if parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url:
            raise ValueError("must be plain ASCII without query and fragment")
        _ = parts.port  # raises ValueError for a port that is none
        return url

    @field_validator("extra", "omit")
    @classmethod
    def _not_ours(cls, fields: Any) -> Any:
        if taken := OURS & set(fields):
            raise ValueError(f"must not set {', '.join(sorted(taken))}")
        return fields

    @field_validator("extra")
    @classmethod
    def _plain_extra(cls, extra: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(extra, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"must be values that JSON knows: {error}") from error
        return extra


def key_of(server: Server) -> SecretStr | None:
    """Return the key of a server from its environment variable; None when it needs none.

    Raises:
        ConfigError: the variable is not set, or its value cannot stand in a header. The value is not shown.
    """
    if not server.api_key_env:
        return None
    key = os.environ.get(server.api_key_env, "").strip()
    if not key:
        raise ConfigError(f"the environment variable {server.api_key_env!r} (api_key_env) is not set")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            f"the value of {server.api_key_env!r} (api_key_env) is no key: it has spaces or odd characters"
        )
    return SecretStr(key)
