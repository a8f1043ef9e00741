"""``recsys rate``: how well ratings are foretold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.cli.data import DataOption
from recsys.cli.evaluate import show
from recsys.cli.output import JsonFile, OptionalFile, give_json, progress, write_text
from recsys.errors import ConfigError


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("rate", cls=OptionalFile)(rate)


def rate(
    data: DataOption,
    split: Annotated[str, typer.Option("--split", help="random (8:1:1), global-time or leave-one-out.")] = "random",
    rows: Annotated[str | None, typer.Option("--rows", help="Only these rows, separated by commas.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random, the split too.")] = 0,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="One page with tables and plots.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="The tables as Markdown.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Foretell ratings and measure RMSE and MAE: a regressor beside means, biases and matrix factorisation.

    Settings are chosen on validation, every row learns from the same ratings and is asked about the same pairs.
    """
    from recsys.data.source import open_data
    from recsys.eval.rating import evaluate_rating
    from recsys.eval.report import to_html, to_markdown

    for target in (html, markdown, Path(json_file) if json_file else None):
        if target is not None and not target.parent.is_dir():
            raise ConfigError(f"there is no folder {target.parent} to write {target.name} into")
    named = None if rows is None else [name.strip() for name in rows.split(",") if name.strip()]
    with progress() as tell:
        tell(f"reading {data}")
        found, _ = open_data(data)
        results = evaluate_rating(found, split, seed=seed, rows=named, progress=tell)
    if json_file is not None:
        give_json(results.to_dict(), json_file)
    for path, make in ((html, to_html), (markdown, to_markdown)):
        if path is not None:
            write_text(path, make(results))
    if json_file != "-":
        show(results)
