"""The verbs put together. Each module imports what it needs inside its verbs, so that ``--help`` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from recsys import __version__
from recsys.cli import (
    bundles,
    compare,
    data,
    demo,
    evaluate,
    export,
    fit,
    lists,
    people,
    profiles,
    ratings,
    searches,
    serve,
    setup,
    simulate,
    tune,
)
from recsys.cli.errors import Guarded

app = typer.Typer(
    cls=Guarded,
    name="recsys",
    help="Recommender engine for a shop: fit it, ask it, measure it. Begin with: recsys demo",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"recsys {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fit a recommender, ask it, measure it. Begin with: recsys demo."""


MODULES = (
    demo, setup, data, tune, fit, lists, searches, evaluate, ratings, compare, simulate, bundles, export, serve, people,
    profiles,
)  # fmt: skip

for module in MODULES:
    module.add(app)
