"""``recsys models``: what a bundle holds and its versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.output import Json, console, print_json, table

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="What `recsys fit` wrote.")]


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("models")(models)


def models(
    path: BundleArgument,
    back: Annotated[
        bool, typer.Option("--rollback", help="First make the version before the current one current.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a bundle holds, checking the sha256 of every file."""
    from recsys.bundle import open_bundle, previous, rollback

    if back:
        rollback(path)
    bundle = open_bundle(path)
    facts = {
        "path": str(path), "version": bundle.id, "previous": previous(path), "created": bundle.manifest["created"],
        "recsys": bundle.manifest["recsys"], "libraries": dict(bundle.manifest["libraries"]),
        "meta": dict(bundle.meta), "files": [dict(entry) for entry in bundle.manifest["files"]],
    }  # fmt: skip
    if as_json:
        print_json(facts)
        return
    _show(facts)


def _show(facts: dict[str, Any]) -> None:
    total = sum(entry["bytes"] for entry in facts["files"])
    lines = [
        ("version", facts["version"]),
        ("version before", facts["previous"] or "none"),
        ("made", f"{facts['created']} by recsys {facts['recsys']}"),
        *((name, str(value)) for name, value in facts["meta"].items()),
        ("files", f"{len(facts['files'])}, {total / 2**20:.1f} MiB, every sha256 as recorded"),
    ]
    out = console()
    out.print(table(facts["path"], ("", ""), lines))
    largest = sorted(facts["files"], key=lambda entry: -entry["bytes"])[:12]
    files = [(e["path"], f"{e['bytes'] / 2**10:,.0f}", e["sha256"][:16]) for e in largest]
    out.print(table("largest files", ("file", "KiB", "sha256"), files, numbers=(1,)))
