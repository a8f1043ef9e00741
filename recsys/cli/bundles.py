"""``recsys models`` and ``recsys export``: what a bundle holds, its versions, a copy of the current one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.output import Json, console, print_json, table

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="What `recsys fit` wrote.")]


def add(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("models")(models)
    app.command("export")(export)


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


def export(
    path: BundleArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="New folder for the copy.")],
    as_json: Json = False,
) -> None:
    """Copy the current version to a new folder, checked before and after: ONNX models, arrays, settings, manifest."""
    from recsys.bundle import copy_bundle

    bundle = copy_bundle(path, to)
    files = [entry["path"] for entry in bundle.manifest["files"]]
    facts = {"version": bundle.id, "to": str(to), "files": files, "onnx": [f for f in files if f.endswith(".onnx")]}
    if as_json:
        print_json(facts)
    else:
        typer.echo(f"copied version {bundle.id}, {len(files)} files, to {to}")
        typer.echo(f"next:  recsys models {to}")
