"""Logs: one JSON line a request on stderr. Who asked, for whom and what for is in none of them."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

ACCESS = logging.getLogger("recsys.serving.access")
# What a line may hold beside time, level and message: a closed list, so that nothing gets in by accident.
FIELDS = ("request_id", "method", "route", "status", "took_ms", "tenant", "key_id", "error", "at", "bundle", "pid")
_ROOT = Path(__file__).parents[2]


class JsonLines(logging.Formatter):
    """One JSON object a line. Of an exception the class and the places in the code are kept, never its message.

    A message of an exception quotes what could not be used: ids of shoppers, texts of searches.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        line |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line |= described(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def described(error: BaseException) -> dict[str, Any]:
    """Return the class of an error and of its causes, and where in the code it came up."""
    names: list[str] = []
    one: BaseException | None = error
    while one is not None and len(names) < 5:
        names.append(type(one).__name__)
        one = one.__cause__ or one.__context__
    return {"error": " from ".join(names), "at": places(error.__traceback__)}


def places(trace: TracebackType | None, most: int = 12) -> list[str]:
    """Return the innermost frames as "recsys/engine.py:120 add_events"."""
    out = []
    for frame in traceback.extract_tb(trace)[-most:]:
        path = Path(frame.filename)
        shown = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else Path(*path.parts[-3:])
        out.append(f"{shown}:{frame.lineno} {frame.name}")
    return out


def configure(level: str = "info", stream: Any = None) -> None:
    """Write the log of this process as JSON lines to stderr. Only `recsys serve` does this; a library must not.

    ``level`` is of recsys and of the server. Of all other libraries only warnings are written: clients of HTTP, say,
    log every URL.
    """
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("recsys").setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(level.upper())
        logger.propagate = name != "uvicorn.access"  # its lines have whole paths, with ids of shoppers in them
