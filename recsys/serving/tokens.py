"""Signed tokens: what a list was, so that a later purchase can be joined to it, and where its next page begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from recsys.errors import ConfigError, DataError

PREFIX = "at_"
MAX_CHARS = 2_000
MIN_SECRET_BYTES = 32
_MAC_BYTES = 16  # of HMAC-SHA256; RFC 2104 asks for half at least


class Signer:
    """Writes and reads tokens. They are signed, not secret: a client can read what is in them, so no shopper may be.

    ``secret`` signs; tokens signed with one of ``earlier`` are still read, so that a secret can be changed.

    Raises:
        ConfigError: a secret of fewer than 32 bytes.
    """

    def __init__(self, secret: bytes, earlier: Sequence[bytes] = ()) -> None:
        if any(len(one) < MIN_SECRET_BYTES for one in (secret, *earlier)):
            raise ConfigError(f"secret: needs {MIN_SECRET_BYTES} bytes or more")
        # A key of its own for this use: the same secret may sign other things later.
        self._keys = [hmac.digest(one, b"recsys tokens", "sha256") for one in (secret, *earlier)]

    def sign(self, payload: Mapping[str, Any]) -> str:
        """Return a token that holds ``payload``: ``at_`` and letters that may stand in a URL."""
        text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        return PREFIX + base64.urlsafe_b64encode(_mac(self._keys[0], text) + text).rstrip(b"=").decode()

    def read(self, token: str) -> dict[str, Any]:
        """Return the payload of a token.

        Raises:
            DataError: it was not signed here, or was changed; all of that reads the same.
        """
        raw = _decoded(token)
        mac, text = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, text)) for key in self._keys):
            raise _foreign()
        payload: dict[str, Any] = json.loads(text)
        return payload


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()[:_MAC_BYTES]


def _decoded(token: str) -> bytes:
    if not token.startswith(PREFIX) or len(token) > MAX_CHARS:
        raise _foreign()
    text = token.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error
    # Unused bits at the end would let one token be written in several ways.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise _foreign()
    return raw


def _foreign() -> DataError:
    return DataError("token: not one of this service; send it as it came with the list")
