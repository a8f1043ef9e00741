"""``recsys dump``, ``recsys restore`` and ``recsys erase-user``: the store, where everything about people is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.cli.data import DataOption
from recsys.cli.output import Json, print_json, progress
from recsys.errors import DataError

if TYPE_CHECKING:
    from recsys.store.dump import Dumpable

DumpArgument = Annotated[Path, typer.Argument(metavar="DUMP", help="Folder, or one file that ends in .jsonl.gz.")]


def add(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("dump")(dump)
    app.command("restore")(restore)
    app.command("erase-user")(erase_user)


def dump(place: DumpArgument, data: DataOption, as_json: Json = False) -> None:
    """Write a data set as a dump, gzipped JSON lines of all that it has: for --store and for backups."""
    from recsys.data.source import open_data
    from recsys.store.dump import dump as written
    from recsys.store.memory import MemoryStore

    with progress() as tell:
        tell(f"reading {data}")
        store = MemoryStore.of(open_data(data)[0])
        tell(f"writing {place}")
        counts = written(store, place)
    _give(counts, f"in {place}", as_json)


def restore(place: DumpArgument, as_json: Json = False) -> None:
    """Read a dump into an empty store and say what came back: the check that a backup is whole."""
    from recsys.store.dump import restore as read
    from recsys.store.memory import MemoryStore

    counts = read(MemoryStore(), place)
    _give(counts, f"restored from {place}", as_json)


def erase_user(
    user: Annotated[str, typer.Argument(metavar="USER", help="Shopper to forget.")],
    store: Annotated[Path, typer.Option("--store", metavar="DUMP", help="The dump to erase from; it is rewritten.")],
    as_json: Json = False,
) -> None:
    """Erase a shopper from a dump, ids and all. No bundle holds anything about people."""
    from recsys.store.dump import restore as read
    from recsys.store.memory import MemoryStore

    held = MemoryStore()
    read(held, store)
    known = bool(held.export(user))
    if not known:
        raise DataError(f"{store} holds nothing about {user!r}: nothing was erased")
    gone = held.erase(user)
    rewrite(held, store)
    if as_json:
        print_json({"user_id": user, "events": gone, "store": str(store)})
    else:
        typer.echo(f"erased {user}: {gone} events are gone from {store}")


def rewrite(store: Dumpable, place: Path) -> None:
    """Write a dump in place of the one at ``place``: if the process dies, one complete dump is still there."""
    from recsys.store.dump import dump as written

    if not place.is_dir():
        written(store, place)  # which exchanges files itself
        return
    fresh, old = place.with_name(place.name + ".new"), place.with_name(place.name + ".old")
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    written(store, fresh)
    place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old)


def _give(counts: dict[str, int], where: str, as_json: bool) -> None:
    if as_json:
        print_json(counts)
    else:
        typer.echo(", ".join(f"{n:,} {part}" for part, n in counts.items()) + f" {where}")
