"""``recsys doctor`` and ``recsys plugins``: what is installed, and what to type where something is missing."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.checks import checks
from recsys.cli.output import Json, console, print_json, table

# extra -> (what it is for, the modules that it brings)
EXTRAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "train": ("training and hub models", ("torch", "transformers")),
    "onnx": ("the MiniLM text embedder", ("onnx",)),
    "parquet": ("Parquet files", ("pyarrow",)),
    "report": ("plots in the HTML report", ("matplotlib",)),
    "frames": ("results as data frames", ("pandas", "polars")),
    "serve": ("the HTTP service", ("fastapi", "uvicorn", "prometheus_client", "sqlalchemy", "alembic")),
    "postgres": ("stores in PostgreSQL", ("psycopg",)),
    "client": ("asking a service from Python", ("httpx",)),
    "traces": ("OpenTelemetry traces of the service", ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")),
}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_WAIT_POLICY",
)
MIN_PYTHON = (3, 11)


def add(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("doctor")(doctor)
    app.command("plugins")(plugins)


def doctor(
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="FOLDER", help="Also check the sha256 of every file of it.")
    ] = None,
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="Also see whether it is reached, and its tables.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="Also see whether it is free.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Also check its [service] and what that names."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the environment and print what to type where something is missing. Exit code 1 if recsys cannot work."""
    if config is not None:
        from recsys.serving.settings import ServiceConfig

        settings = ServiceConfig.read(config, os.environ, database=database, port=port)
        address: tuple[str, int] | None = (settings.host, settings.port)
        database = settings.database
    else:
        address = None if port is None else ("127.0.0.1", port)
    facts = diagnosis()
    found = list(checks(database, bundle, address))
    facts |= {"checks": [one.to_dict() for one in found], "ok": facts["ok"] and all(one.ok for one in found)}
    if as_json:
        print_json(facts)
    else:
        _show(facts)
    if not facts["ok"]:
        raise typer.Exit(1)


def diagnosis() -> dict[str, Any]:
    """Return what the environment is like; ``ok`` is False if a package that recsys cannot do without is missing."""
    from recsys.data.source import available, data_folder

    required = {name: _version(name) for name in _required()}
    extras = {
        name: {
            "for": purpose,
            "present": (there := all(map(_there, modules))),
            "type": "" if there else f"pip install 'recsys-engine[{name}]'",
        }
        for name, (purpose, modules) in EXTRAS.items()
    }
    folder = data_folder()
    return {
        "ok": sys.version_info >= MIN_PYTHON and all(required.values()),
        "python": platform.python_version(),
        "recsys": _version("recsys-engine"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count() or 1,
        "threads": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "packages": required,
        "missing": [name for name, version in required.items() if not version],
        "extras": extras,
        "data": {"folder": str(folder), "exists": folder.is_dir(), "names": available(folder)},
    }


def _required() -> list[str]:
    """Return the distributions that recsys itself asks for, extras apart."""
    lines = metadata.requires("recsys-engine") or []
    plain = [line for line in lines if "extra ==" not in line]
    ends = ("<", ">", "=", "!", "~", "[", ";", " ")
    return sorted(line[: min([line.find(e) for e in ends if e in line] or [len(line)])] for line in plain)


def _there(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in is not there
        return False


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _show(facts: dict[str, Any]) -> None:
    out = console()
    threads = ", ".join(f"{n}={v}" for n, v in facts["threads"].items()) or "threads not limited"
    data = facts["data"]
    lines = [
        ("recsys", facts["recsys"] or "not installed as a package"),
        ("python", facts["python"]),
        ("system", f"{facts['system']}, {facts['cpus']} cores, {threads}"),
        ("data sets", f"{data['folder']}{'' if data['exists'] else ' (not there)'}: {', '.join(data['names'])}"),
    ]
    out.print(table("environment", ("", ""), lines))
    packages = [(name, version or "MISSING") for name, version in facts["packages"].items()]
    out.print(table("packages", ("", "version"), packages))
    extras = [(n, e["for"], "yes" if e["present"] else f"no; type: {e['type']}") for n, e in facts["extras"].items()]
    out.print(table("extras", ("", "for", "installed"), extras))
    found = [(c["name"], c["detail"] if c["ok"] else f"TROUBLE: {c['detail']}") for c in facts["checks"]]
    out.print(table("checks", ("", ""), found))
    if facts["missing"]:
        typer.echo(f"missing: {', '.join(facts['missing'])}; type: pip install recsys-engine")
    elif facts["ok"]:
        typer.echo("all is well\nnext:  recsys demo")
    elif trouble := [c for c in facts["checks"] if not c["ok"]]:
        for one in trouble:
            typer.echo(f"{one['name']}: {one['detail']}" + (f"; type: {one['type']}" if one["type"] else ""))
    else:
        typer.echo(f"recsys needs Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer")


def plugins(
    kind: Annotated[str | None, typer.Option("--kind", help="Only this kind, for example candidates.")] = None,
    as_json: Json = False,
) -> None:
    """List every plug-in by kind and name, and where it comes from; nothing is loaded."""
    from recsys.errors import ConfigError
    from recsys.registry import KINDS, Registry

    if kind is not None and kind not in KINDS:
        raise ConfigError(f"--kind must be one of {', '.join(KINDS)}; got {kind!r}")
    found = [p for p in Registry().plugins() if kind in (None, p.kind)]
    if as_json:
        names = ("kind", "name", "package", "version", "target")
        print_json([{name: getattr(p, name) for name in names} for p in found])
        return
    lines = [(p.kind, p.name, f"{p.package} {p.version}", p.target) for p in found]
    console().print(table("plug-ins", ("kind", "name", "package", "class"), lines))
