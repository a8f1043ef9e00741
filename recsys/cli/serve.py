"""``recsys serve``: the HTTP service over a bundle and a database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.output import Json, progress
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from recsys.serving.settings import ServiceConfig

HOME = Path(".recsys")
OWNER_ONLY = 0o600


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("serve")(serve)


def serve(
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="FOLDER", help="What `recsys fit` wrote; none = the active one.")
    ] = None,
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="sqlite:///FILE or postgresql://USER@HOST/NAME.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="TOML with a section [service].")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen at; 0 = a free one.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Requests that a process computes at once.")] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Write the first key there (mode 600) instead of to stderr.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve over HTTP until Ctrl-C or SIGTERM. The first start makes the database and the first key, shown once."""
    from recsys.registry import import_optional

    for library in ("uvicorn", "fastapi", "prometheus_client", "sqlalchemy"):
        import_optional(library)
    from recsys.serving import main, run

    given = {"database": database, "host": host, "port": port, "workers": workers, "threads": threads}
    if key_file is not None and not key_file.absolute().parent.is_dir():
        raise ConfigError(f"--key-file: there is no folder {key_file.parent} to write it into")
    settings = settled(config, given)
    with progress() as tell:
        tell("opens the database and the bundle")
        key = main.prepare(settings, bundle)
    if key is not None:
        _hand_over(key, key_file)
    run.serve(settings, main.build, told=lambda address: _told(address, settings, as_json))


def settled(config: Path | None, given: dict[str, Any]) -> ServiceConfig:
    """Return the settings: of the file, of the environment, of the command line; a folder here keeps what has none."""
    from recsys.serving.settings import ServiceConfig

    settings = ServiceConfig.read(config, os.environ, **given)
    places: dict[str, Any] = {}
    if not settings.database:
        places["database"] = f"sqlite:///{(HOME / 'shop.db').absolute()}"
    if settings.bundles is None:
        places["bundles"] = (HOME / "bundles").absolute()
    return settings.model_copy(update=places)


def _hand_over(key: str, file: Path | None) -> None:
    if file is None:
        typer.echo(f"The first key, with every right; it is shown this once:\n\n    {key}\n", err=True)
        return
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "w") as handle:
        os.fchmod(handle.fileno(), OWNER_ONLY)  # a file that was there keeps its mode otherwise
        handle.write(key + "\n")
    typer.echo(f"The first key, with every right, is in {file}.", err=True)


def _told(address: str, settings: ServiceConfig, as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps({"address": address, "workers": settings.workers, "pid": os.getpid()}))
        return
    typer.echo(f"recsys serves at {address} (openapi: {address}/openapi.json). Ctrl-C ends it.")
