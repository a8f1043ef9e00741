"""Errors as one red line and the next thing to type, instead of a traceback."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from recsys.errors import (
    ArtifactMissing,
    ConfigError,
    DataError,
    ModelError,
    NotFittedError,
    PluginError,
    PluginUnavailable,
    RecsysError,
    StoreDown,
)

TRACEBACK_VARIABLE = "RECSYS_TRACEBACK"
USAGE, FAILURE = 2, 1

# The first class that fits says what to type next.
NEXT: tuple[tuple[type[Exception], str], ...] = (
    (ArtifactMissing, "recsys fit --data shop --out BUNDLE"),
    (ModelError, "recsys models BUNDLE --rollback, or recsys fit --data READER:PATH --out BUNDLE"),
    (NotFittedError, "recsys fit --data READER:PATH --out BUNDLE"),
    (PluginUnavailable, "recsys doctor"),
    (PluginError, "recsys plugins"),
    (ConfigError, "recsys init --out recsys.toml, or recsys VERB --help"),
    (StoreDown, "recsys doctor --database URL"),
    (DataError, "recsys data, which lists the data sets that are here"),
)


class Guarded(TyperGroup):
    """The group of all verbs: an error of recsys or of the file system ends the program with one line.

    Exit code 2 for a wrong setting or argument, 1 for everything else. ``RECSYS_TRACEBACK=1`` shows the traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except (RecsysError, OSError) as error:
            if os.environ.get(TRACEBACK_VARIABLE) == "1":
                raise
            report(error)
            raise typer.Exit(USAGE if isinstance(error, ConfigError) else FAILURE) from error


def report(error: Exception) -> None:
    """Print one red line and what to type next to stderr."""
    text = " ".join(str(error).split()) or type(error).__name__
    typer.secho(f"error: {text}", fg="red", err=True, color=None if sys.stderr.isatty() else False)
    hint = next((line for kind, line in NEXT if isinstance(error, kind)), None)
    # Many messages say themselves what to type, and better than a rule by class can.
    if hint is not None and "recsys " not in text and "Type: " not in text:
        typer.echo(f"next:  {hint}", err=True)
