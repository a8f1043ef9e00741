"""How far a training run is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

Say = Callable[[str], None]
# Seconds between two plain lines: a log file should stay readable.
EVERY_S = 10.0


class Progress:
    """Shows steps of ``total`` with their figures; use it in a ``with`` block.

    ``say`` takes plain lines; None means a bar where standard error is a terminal, and lines to it elsewhere.
    """

    def __init__(self, total: int, title: str, say: Say | None = None) -> None:
        self._total, self._title = total, title
        self._say = say or _to_stderr
        self._bar: Any = None
        self._task: Any = None
        self._spoken = 0.0
        self._wants_bar = say is None and sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._wants_bar:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, done: int, figures: Mapping[str, float]) -> None:
        """Show that ``done`` steps are done; plain lines appear every `EVERY_S` seconds."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=f"{self._title} {_words(figures)}")
        elif time.monotonic() - self._spoken >= EVERY_S:
            self._spoken = time.monotonic()
            self._say(f"{self._title}: step {done}/{self._total} {_words(figures)}")

    def note(self, text: str) -> None:
        """Show one line that stays."""
        if self._bar is not None:
            self._bar.console.print(text)
        else:
            self._say(f"{self._title}: {text}")


def _words(figures: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
