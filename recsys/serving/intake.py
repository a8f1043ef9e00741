"""Bodies of requests: how many bytes are taken, of which type, and how deeply JSON may be nested."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from recsys.serving.problems import Problem
from recsys.serving.settings import Limits

JSON = "application/json"
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_PAIR = re.compile(rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_STRING = re.compile(rb'"[^"]*"')
_LEAF = re.compile(rb"\[\]|\{\}")
_REST = bytes(set(range(256)) - set(b'[]{}"'))


@dataclass(frozen=True, slots=True)
class Upload:
    """What one path takes instead of JSON: media types, and how many bytes."""

    types: frozenset[str]
    most_bytes: int


class Bodies:
    """Reads a body before anybody parses it.

    ``uploads`` are paths that take something else than JSON, or more of it.
    """

    def __init__(self, limits: Limits, uploads: Mapping[str, Upload] | None = None) -> None:
        self.limits, self.uploads = limits, dict(uploads or {})

    async def read(self, scope: Scope, receive: Receive) -> Receive:
        """Read the body and return a ``receive`` that gives it out again.

        Raises:
            Problem: 400, 408, 413 or 415.
        """
        headers = Headers(scope=scope)
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return receive
        upload = self.uploads.get(scope["path"])
        most = self.limits.body_bytes if upload is None else upload.most_bytes
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(self.limits.body_s):
                body, gone = await _taken(receive, most)
        except TimeoutError:
            raise Problem(
                408, "body-too-slow", "The body did not arrive",
                f"the body has to be there within {self.limits.body_s:g} s", headers={"Connection": "close"},
            ) from None  # fmt: skip
        if body and not gone:
            self._check(body, headers.get("content-type", ""), upload)
        return _again(body, gone, receive)

    def _check(self, body: bytes, content_type: str, upload: Upload | None) -> None:
        media = content_type.partition(";")[0].strip().lower()
        taken = (media == JSON or media.endswith("+json")) if upload is None else media in upload.types
        if not taken:
            wanted = JSON if upload is None else ", ".join(sorted(upload.types))
            raise Problem(
                415, "media-type", "The body is of a type that is not taken here", f"send Content-Type: {wanted}",
                headers={"Accept": wanted},
            )  # fmt: skip
        if upload is None and deeper(body, self.limits.json_depth):
            raise Problem(
                400, "too-deep", "The body is nested too deeply",
                f"arrays and objects may lie in one another {self.limits.json_depth} levels deep", field="body",
            )  # fmt: skip
        if upload is None and (odd := oddity(body)):
            raise Problem(400, "malformed", "The request cannot be read", f"the body holds {odd}", field="body")


async def _taken(receive: Receive, most: int) -> tuple[bytes, bool]:
    """Return the body and whether the client is gone; what is over the limit is never held."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts), True
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts), False


def _again(body: bytes, gone: bool, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if gone:
            return {"type": "http.disconnect"}
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _too_large(most: int) -> Problem:
    # The rest of the body is not read, so that nothing else can come over this connection.
    return Problem(
        413, "too-large", "The body is too large", f"a body may have {most} bytes: send smaller batches",
        extra={"max_bytes": most}, headers={"Connection": "close"},
    )  # fmt: skip


def oddity(body: bytes) -> str:
    r"""Return what a body holds that Python's parser takes and JSON (RFC 8259) or UTF-8 have not; "" = nothing.

    NaN and Infinity are no numbers of JSON, and what cannot be written as JSON again cannot be answered. The half of a
    surrogate pair, "\ud83d", is no character: no database keeps it, and no answer can repeat it.
    """
    if b"\\u" in body and _HALF.search(_PAIR.sub(b"", body)):
        return "half a character: escapes of the surrogates D800 to DFFF come in pairs"
    if b"NaN" in body or b"Infinity" in body:
        bare = _STRING.sub(b"", _ESCAPED.sub(b"", body))
        if b"NaN" in bare or b"Infinity" in bare:
            return "NaN or Infinity, which are no numbers of JSON"
    return ""


def deeper(body: bytes, depth: int) -> bool:
    """Whether JSON is nested more than ``depth`` levels deep, without parsing it.

    Escapes go first, then all but brackets and quotes, then strings; then leaves are peeled off, one level at a time,
    so that each step is one pass over what is left. For what is no JSON, True means too many brackets stay open.
    """
    if body.count(b"[") + body.count(b"{") <= depth:
        return False
    bare = (_ESCAPED.sub(b"", body) if b"\\" in body else body).translate(None, _REST)
    left = _STRING.sub(b"", bare.replace(b'""', b""))
    for _ in range(depth):
        if not left:
            return False
        peeled = _LEAF.sub(b"", left)
        if len(peeled) == len(left):
            break  # no JSON: the parser will say so, unless it would drown in it
        left = peeled
    return left.count(b"[") + left.count(b"{") > (0 if _LEAF.search(left) else depth)
