"""What both classes tell httpx."""

from __future__ import annotations

from typing import Any

from recsys import __version__
from recsys.errors import ConfigError


def options(url: str, key: str, timeout_s: float, tenant: str | None) -> dict[str, Any]:
    """Return the arguments of httpx's clients.

    Raises:
        ConfigError: a URL, key, tenant or time that is none.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError("url must begin with https:// or http://")
    if not timeout_s > 0:
        raise ConfigError(f"timeout_s must be above 0, got {timeout_s}")
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": f"recsys/{__version__}"}
    if tenant is not None:
        headers["X-Tenant"] = tenant
    for name, value in (("key", key), ("tenant", tenant or "default")):
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigError(f"{name} must be letters, digits and signs, without a space")  # the value is a secret
    return {"base_url": url, "headers": headers, "timeout": timeout_s}
