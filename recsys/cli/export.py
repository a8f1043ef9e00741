"""``recsys export``: a model to a sealed folder that serves from ONNX, or a copy of a bundle's current version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from recsys.cli.output import Json, console, print_json, progress, table
from recsys.errors import ConfigError, ModelError

# Which stages of an engine read a section [models.NAME], by the task of the model in it.
_READERS = {
    "causal": "a reranker or explainer that asks a language model", "cross-encoder": "the reranker cross-encoder",
}  # fmt: skip


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("export")(export)


def export(
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="A model (hf://OWNER/NAME, file://FOLDER or a folder), or a bundle.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="New folder for what is written.")],
    precision: Annotated[
        str | None, typer.Option("--precision", metavar="NAME", help="fp32 (default), fp16, int8 or int4.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="NAME", help="causal, cross-encoder, encoder or seq2seq; else the model says."),
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option(
            "--gate", metavar="DATA.npz", help="Lists (20 at least) on which int8 and int4 must rank as fp32 does."
        ),
    ] = None,
    ungated: Annotated[
        bool, typer.Option("--ungated", help="Write int8 or int4 without any lists to judge by.")
    ] = False,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=8, metavar="N", help="Longest text that the model will take.")
    ] = None,
    parity: Annotated[bool, typer.Option("--parity/--no-parity", help="Compare with torch if it is here.")] = True,
    as_json: Json = False,
) -> None:
    """Write a model as a sealed folder (ONNX, tokenizer, figures), or copy a bundle's current version, checked."""
    options = {"--precision": precision, "--task": task, "--gate": gate, "--max-tokens": max_tokens}
    given = [name for name, value in options.items() if value is not None] + ["--ungated"] * ungated
    if "://" not in ref and not (Path(ref) / "config.json").is_file():
        if given:
            raise ConfigError(f"{ref} is no model folder (it has no config.json), so {given[0]} means nothing for it")
        _copy(Path(ref), to, as_json)
        return
    from recsys.runtime import export as exporting
    from recsys.runtime.gate import GateData
    from recsys.runtime.quantise import Precision

    with progress() as tell, _advised():
        made = exporting.export(
            ref, to, precision=cast("Precision", precision or "fp32"), task=task, max_tokens=max_tokens,
            gate=None if gate is None else GateData.read(gate), ungated=ungated, parity=parity, tell=tell,
        )  # fmt: skip
    sizes = {p.name: p.stat().st_size for p in sorted(to.iterdir())}
    facts = {"to": str(to), "sha256": made.sha256, "spec": made.spec, "parity": made.parity, "files": sizes}
    if as_json:
        print_json(facts)
    else:
        _show(facts)


@contextmanager
def _advised() -> Iterator[None]:
    """Errors of models say what to type for a bundle: here it is another word."""
    try:
        yield
    except ModelError as error:
        if "recsys " in str(error):
            raise
        raise type(error)(f"{error} (nothing was written; see recsys export --help)") from error


def _show(facts: dict[str, Any]) -> None:
    spec, parity = facts["spec"], dict(facts["parity"])
    gate = parity.pop("gate", {})
    lines = [
        ("task", spec["task"]), ("precision", spec["precision"]), ("longest text", f"{spec['max_tokens']} tokens"),
        ("sha256", facts["sha256"]), ("size", f"{sum(facts['files'].values()) / 2**20:.1f} MiB"),
        *((f"parity: {name}", str(value)) for name, value in parity.items()),
        *((f"gate: {name}", str(value)) for name, value in gate.items()),
    ]  # fmt: skip
    out = console()
    out.print(table(facts["to"], ("", ""), lines))
    place = [f"ref = {json.dumps('file://' + facts['to'], ensure_ascii=False)}", f'sha256 = "{facts["sha256"]}"']
    if reader := _READERS.get(spec["task"]):
        typer.echo(f'next:  in recsys.toml, for {reader} with model = "NAME":')
        typer.echo("\n".join(["[models.NAME]", *place]))
    else:
        typer.echo(f"next:  no stage of an engine reads {spec['task']} from recsys.toml: open it in Python by")
        typer.echo(f"       recsys.runtime.artifact.open_model(recsys.config.ModelSettings({', '.join(place)}))")


def _copy(path: Path, to: Path, as_json: bool) -> None:
    from recsys.bundle import copy_bundle

    bundle = copy_bundle(path, to)
    files = [entry["path"] for entry in bundle.manifest["files"]]
    facts = {"version": bundle.id, "to": str(to), "files": files, "onnx": [f for f in files if f.endswith(".onnx")]}
    if as_json:
        print_json(facts)
    else:
        typer.echo(f"copied version {bundle.id}, {len(files)} files, to {to}")
        typer.echo(f"next:  recsys models {to}")
