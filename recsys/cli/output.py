"""What verbs print: JSON or tables on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from recsys.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="[FILE]", help="Write JSON to FILE; without FILE print it on stdout.")
]
STDOUT = "-"


class OptionalFile(TyperCommand):
    """A verb whose ``--json`` may stand alone: it then means stdout."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a lone ``--json`` its value."""
        out = []
        for place, word in enumerate(args):
            lone = word == "--json" and (place + 1 == len(args) or args[place + 1].startswith("--"))
            out.append(f"--json={STDOUT}" if lone else word)
        return super().parse_args(ctx, out)


def print_json(value: Any) -> None:
    """Print ``value`` as JSON on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False))


def give_json(value: Any, target: str) -> None:
    """Write ``value`` to the file ``target``, or to stdout for "-"."""
    if target == STDOUT:
        print_json(value)
    else:
        write_text(Path(target), json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whose folder must exist. Raises `ConfigError` where it does not."""
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent} to write {path.name} into")
    path.write_text(text, encoding="utf-8")


def console() -> Any:
    """Return a rich console for stdout; 100 columns wide where nothing says otherwise."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=120, soft_wrap=False)


def table(title: str, head: Sequence[str], lines: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> Any:
    """Return a rich table of plain text; the columns ``numbers`` are set to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(head):
        out.add_column(name, justify="right" if place in numbers else "left", overflow="fold")
    for line in lines:
        # Text, not str: a title of the catalogue must not be read as markup.
        out.add_row(*(Text(cell) for cell in line))
    return out


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield a function that tells what is being done: a moving bar on a terminal, plain lines elsewhere, on stderr."""
    begin = time.perf_counter()
    if not sys.stderr.isatty():
        yield lambda message: typer.echo(f"[{time.perf_counter() - begin:6.1f} s] {message}", err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda message: bar.update(task, description=message.strip())
