"""``recsys evaluate``: honest tables."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.data import DataOption
from recsys.cli.fit import ConfigOption, DeviceOption, KeepOption
from recsys.cli.output import JsonFile, OptionalFile, console, give_json, progress, write_text
from recsys.cli.output import table as rich_table
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from recsys.eval.results import Results
    from recsys.eval.tables import Cell, Table


class Repeats(StrEnum):
    """What happens to items that a shopper has chosen before."""

    auto = "auto"
    masked = "masked"
    shown = "shown"


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate", cls=OptionalFile)(evaluate)


def evaluate(
    context: typer.Context,
    data: DataOption,
    split: Annotated[str, typer.Option("--split", help="global-time or leave-one-out.")] = "global-time",
    config: ConfigOption = None,
    rows: Annotated[str | None, typer.Option("--rows", help="Only these rows, separated by commas.")] = None,
    rerank: Annotated[
        str | None,
        typer.Option("--rerank", help="Rows cascade+NAME of rerankers: zero-shot, fine-tuned, or by their own name."),
    ] = None,
    repeats: Annotated[
        Repeats, typer.Option("--repeats", help="Items chosen before: never again, again, or as the data asks for.")
    ] = Repeats.auto,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="NAME=FILE", help="A run file (TREC, CSV) as another row; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.")] = 0,
    refit: Annotated[bool, typer.Option(help="Also measure rows @refit, with validation's events fitted.")] = True,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also the cascade without each of its generators.")] = False,
    all_items: Annotated[
        bool, typer.Option("--all-items", help="Rank all items where the data brings candidate lists along, too.")
    ] = False,
    sampled: Annotated[
        int | None, typer.Option("--sampled", metavar="N", help="Rank each target among N - 1 random others alone.")
    ] = None,
    shuffle_ties: Annotated[
        bool, typer.Option("--shuffle-ties", help="Put what a shopper did at one time in random order, by the seed.")
    ] = False,
    anonymise: Annotated[
        bool, typer.Option("--anonymise", help="Put opaque words for all words: what is left without known names?")
    ] = False,
    device: DeviceOption = "cpu",
    keep: KeepOption = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="One page with tables and plots.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="The tables as Markdown.")] = None,
    latex: Annotated[
        Path | None, typer.Option("--latex", metavar="FILE", help="The tables as LaTeX (booktabs).")
    ] = None,
    per_user: Annotated[
        Path | None, typer.Option("--per-user", metavar="FILE", help="Every metric of every shopper: .csv, .parquet.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Fit, choose on validation, measure on test: every generator, every control, with intervals and paired tests.

    A catalogue with judged queries (search:icecat, search:msrd) is searched instead: five folds by query, every way to
    search, spelling mistakes; of the options it takes --rows, --seed and those that write files. Given candidates
    (llmrank:games, llmrank:ml-1m) are put in order; of the options go --config, --rows, --rerank, --seed and those
    that write. With --all-items their shoppers are measured as any others are. --sampled N makes such lists of any
    other data, as S3-Rec and P5 do.
    """
    from recsys.config import EngineConfig
    from recsys.data.anonymise import anonymised
    from recsys.data.source import open_data
    from recsys.data.ties import with_shuffled_ties
    from recsys.eval.evaluate import evaluate as measured
    from recsys.eval.given import evaluate_given, is_given, with_sampled, without_lists
    from recsys.eval.per_user import write_per_user
    from recsys.eval.report import to_html, to_latex, to_markdown
    from recsys.eval.search import evaluate_search, is_search
    from recsys.eval.svg import require_matplotlib
    from recsys.protocols import FitOptions

    runs = _runs(run or [])
    for target in (html, markdown, latex, per_user, Path(json_file) if json_file else None):
        if target is not None and not target.parent.is_dir():  # hours of work should not end here
            raise ConfigError(f"there is no folder {target.parent} to write {target.name} into")
    if html is not None:
        require_matplotlib()
    settings = None if config is None else EngineConfig.read(config)
    how = FitOptions(device=device, kept=keep)
    with progress() as tell:
        tell(f"reading {data}")
        found, _ = open_data(data)
        if all_items:
            found = without_lists(found)
        if shuffle_ties:
            found = with_shuffled_ties(found, seed)
        if anonymise and not is_search(found):
            tell("replacing all words")
            found = anonymised(found, seed)
        if sampled is not None and is_given(found):
            raise ConfigError(f"--sampled: {data} brings its lists along; type --all-items, too, to leave these aside")
        if sampled is not None and not is_search(found):
            found = with_sampled(found, sampled, seed)
        if is_search(found):
            names = (
                "split", "config", "rerank", "repeats", "run", "refit", "ablate", "all_items", "sampled", "anonymise",
                "device", "keep",
            )  # fmt: skip
            _refuse(context, data, names, "holds judged queries and no shoppers")
            evaluation = evaluate_search(found, seed=seed, rows=_names(rows), progress=tell)
        elif is_given(found):
            _refuse(context, data, ("split", "repeats", "run", "refit", "ablate"), "brings its lists along")
            evaluation = evaluate_given(
                found, settings, seed=seed, rows=_names(rows), rerank=_names(rerank) or (), how=how, progress=tell
            )
        else:
            evaluation = measured(
                found, split, settings, seed=seed, rows=_names(rows), repeats=repeats.value, runs=runs, refit=refit,
                ablate=ablate, rerank=_names(rerank) or (), how=how, progress=tell,
            )  # fmt: skip
    results = evaluation.results
    if json_file is not None:
        give_json(results.to_dict(), json_file)
    for path, make in ((html, to_html), (markdown, to_markdown), (latex, to_latex)):
        if path is not None:
            write_text(path, make(results))
    if per_user is not None:
        write_per_user(per_user, evaluation.users, evaluation.per_user)
    if json_file != "-":
        show(results)


def _refuse(context: typer.Context, data: str, names: tuple[str, ...], why: str) -> None:
    """Raise `ConfigError` where an option was given that means nothing with this data."""
    sources = {n: context.get_parameter_source(n) for n in names}
    asked = [n for n, source in sources.items() if source is not None and source.name != "DEFAULT"]
    if asked:
        raise ConfigError(
            f"{', '.join('--' + n.replace('_', '-') for n in asked)}: {data} {why}; "
            "with it go --rows, --seed, --json, --html, --markdown, --latex and --per-user"
        )


def _names(rows: str | None) -> list[str] | None:
    return None if rows is None else [name.strip() for name in rows.split(",") if name.strip()]


def _runs(given: list[str]) -> dict[str, Path]:
    out: dict[str, Path] = {}
    for text in given:
        name, mark, file = text.partition("=")
        if not (name and mark and file):
            raise ConfigError(f"--run must be NAME=FILE, got {text!r}")
        if name in out:
            raise ConfigError(f"--run names {name!r} twice")
        out[name] = Path(file)
    return out


def show(results: Results) -> None:
    """Print the main table, the comparison with the first baseline and the facts that they rest on."""
    from recsys.eval.letters import comparisons
    from recsys.eval.tables import accuracy, against, debiased, gains, headline

    out = console()
    print_table(out, accuracy(results), notes=(0,))
    more = (debiased(results), gains(results), *(against(results, base) for base in comparisons(results)[:1]))
    for table in more:
        if table.lines:
            print_table(out, table)
    typer.echo(headline(results))
    for note in results.notes:
        typer.echo(f"- {note}")


def print_table(out: Any, table: Table, notes: Collection[int] | None = None) -> None:
    """Print a table and its legend, with the small print of the columns ``notes``, None = all. A star: the best."""

    def text(cell: Cell, noted: bool) -> str:
        note = f"({cell.note})" if noted and cell.note else ""
        return " ".join(filter(None, ("*" if cell.best else "", cell.text, cell.marks, note)))

    lines = [[text(cell, notes is None or i in notes) for i, cell in enumerate(line)] for line in table.lines]
    out.print(rich_table(table.title, table.head, lines, numbers=range(1, len(table.head))))
    for line in table.legend:
        typer.echo(line)
