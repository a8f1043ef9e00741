"""``recsys profile``: what a shop believes about a shopper, to read, to correct and to forget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.lists import SourceOption, StoreOption, opened
from recsys.cli.output import Json, console, print_json, table
from recsys.cli.people import rewrite
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:
    from recsys.engine import Engine
    from recsys.profile.lines import Profile

NO_STORE = "give --store DUMP or --data READER:PATH: that is where shoppers are"
NOT_KEPT = "--forget, --edit and --restore change a store: give --store DUMP, which is rewritten"


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("profile")(profile)


def profile(
    user: Annotated[str, typer.Argument(metavar="USER", help="Shopper.")],
    store: StoreOption = None,
    data: SourceOption = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="BUNDLE", help="What `recsys fit` wrote: adds what own reviews speak of."),
    ] = None,
    forget: Annotated[
        str | None, typer.Option("--forget", metavar="LINE", help="Forget a line and the events behind it.")
    ] = None,
    edit: Annotated[
        tuple[str, str] | None, typer.Option("--edit", metavar="LINE TEXT", help="Say a line in the shopper's words.")
    ] = None,
    restore: Annotated[
        str | None, typer.Option("--restore", metavar="LINE", help="Undo what was changed in a line.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is known of a shopper, line by line with the evidence, as of the latest event of the store."""
    if store is None and data is None:
        raise ConfigError(NO_STORE)
    changes = [change for change in (forget, edit, restore) if change is not None]
    if changes and store is None:
        raise ConfigError(NOT_KEPT)
    if len(changes) > 1:
        raise ConfigError("give one of --forget, --edit and --restore at a time")
    engine = _over(store, data) if bundle is None else opened(bundle, store, data)
    now = int(engine.store.log().events.times.max(initial=-1)) + 1
    done: dict[str, Any] = {}
    if forget is not None:
        done = {"forgotten": list(engine.forget(user, forget, now))}
        now += 1  # the wish is an event itself
    if edit is not None:
        engine.edit_profile(user, *edit, now)
    if restore is not None and not engine.restore_line(user, restore):
        raise DataError(f"line {restore!r} of {user!r} was not changed: there is nothing to restore")
    if changes and store is not None:
        rewrite(engine.store, store)
    _give(engine.profile(user, now), done, as_json)


def _over(store: Path | None, data: str | None) -> Engine:
    from recsys.data.source import open_data
    from recsys.engine import Engine
    from recsys.store.dump import restore
    from recsys.store.memory import MemoryStore

    if store is not None and data is not None:
        raise ConfigError("give --store or --data, not both")
    if store is None:
        return Engine(store=MemoryStore.of(open_data(data or "")[0]))
    held = MemoryStore()
    restore(held, store)
    return Engine(store=held)


def _give(known: Profile, done: dict[str, Any], as_json: bool) -> None:
    from recsys.cli.reasons import evidence_lines

    if as_json:
        print_json({**known.to_dict(), **done})
        return
    lines = [
        (line.line_id, line.text + (" (own words)" if line.edited else ""),
         "\n".join(evidence_lines([e.to_dict() for e in line.evidence])))
        for line in known
    ]  # fmt: skip
    if lines:
        console().print(table(f"What is known of {known.user}", ("line", "it says", "because of"), lines))
    else:
        typer.echo(f"Nothing is known of {known.user}.")
    if done:
        typer.echo(f"forgotten: what was done with {len(done['forgotten'])} items counts no more")
    if known.hidden:
        typer.echo(f"taken out: {', '.join(known.hidden)} (--restore LINE brings one back)")
