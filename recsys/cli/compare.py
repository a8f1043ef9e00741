"""``recsys compare``: evaluations side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.cli.evaluate import print_table
from recsys.cli.output import Json, console, print_json, write_text
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:
    from recsys.eval.results import Results
    from recsys.eval.runs import Run

DIFFERENCE = 3  # the column


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("compare")(compare)


def compare(
    files: Annotated[list[Path], typer.Argument(metavar="A.json B.json", help="What `recsys evaluate --json` wrote.")],
    metric: Annotated[str | None, typer.Option("--metric", help="Metric to compare; else the main one of A.")] = None,
    per_user: Annotated[
        list[Path] | None,
        typer.Option(
            "--per-user", metavar="FILE",
            help="What `recsys evaluate --per-user` wrote, once for every evaluation in their order: paired tests.",
        ),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also compare evaluations of two protocols.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="One page with tables and plots.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="As Markdown.")] = None,
    latex: Annotated[Path | None, typer.Option("--latex", metavar="FILE", help="As LaTeX (booktabs).")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Set the rows of two or more evaluations side by side: every other against the first, with intervals.

    Evaluations of two protocols (data, split, users, items, repeats, ranking) are refused unless --anyway is given;
    other versions, seeds and settings are named. With the per-user tables of all of them the tests are paired.
    """
    from recsys.eval.runs import side_by_side
    from recsys.eval.runs_report import pair_table, remarks, to_dict, to_html, to_latex, to_markdown, warnings

    targets = ((html, to_html), (markdown, to_markdown), (latex, to_latex))
    if clash := [path for path, _ in targets if path is not None and path in (*files, *(per_user or ()))]:
        raise ConfigError(f"{clash[0]} is one of the files to compare: write into another one")
    pairs = side_by_side(_runs(files, per_user or []), metric, anyway=anyway)
    for path, make in targets:
        if path is not None:
            write_text(path, make(pairs))
    if as_json:
        print_json(to_dict(pairs))
        return
    out = console()
    for pair in pairs:
        for line in warnings(pair):
            typer.echo(line)
        print_table(out, pair_table(pair), notes=(DIFFERENCE,))
        for line in remarks(pair):
            typer.echo(line)


def _runs(files: list[Path], per_user: list[Path]) -> list[Run]:
    from recsys.eval.per_user import read_per_user
    from recsys.eval.runs import Run

    if per_user and len(per_user) != len(files):
        raise ConfigError(
            f"--per-user goes once with every evaluation: {len(files)} of these, {len(per_user)} of those"
        )
    stems = [path.stem.removeprefix("evaluate-") for path in files]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in files]
    tables = [read_per_user(path) for path in per_user] or [((), {})] * len(files)
    return [Run(name, _read(path), *table) for name, path, table in zip(names, files, tables, strict=True)]


def _read(path: Path) -> Results:
    from recsys.eval.results import Results

    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(
            f"{path} is not JSON: {error}; type 'recsys evaluate --json {path} ...' to write one"
        ) from error
    if not isinstance(value, dict):
        raise DataError(f"{path} holds no evaluation: type 'recsys evaluate --json {path} ...' to write one")
    return Results.from_dict(value)
