"""What `recsys doctor` looks at beside the packages: database, bundle, port, disk, folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recsys.errors import RecsysError

SPARE_BYTES = 200 << 20  # less is trouble: a fit and a bundle need about as much


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: ``detail`` is what was found, ``type`` what to type where it is not well."""

    name: str
    ok: bool
    detail: str
    type: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def checks(
    database: str | None = None, bundle: Path | None = None, address: tuple[str, int] | None = None
) -> Iterator[Check]:
    """Yield what was found, of database, bundle and port only where they are named; nothing is changed by looking."""
    for name, folder in (("the temporary folder", Path(tempfile.gettempdir())), ("this folder", Path.cwd())):
        yield _folder(name, folder)
        yield _disk(f"disk of {name}", folder)
    if database:
        yield _guarded("database", lambda: _database(database), "recsys serve --database URL, which makes its tables")
    if bundle is not None:
        yield _guarded("bundle", lambda: _bundle(bundle), "recsys fit --data READER:PATH --out BUNDLE")
    if address is not None:
        yield _guarded("port", lambda: _port(*address), "recsys serve --port ANOTHER")


def _guarded(name: str, look: Callable[[], Check], otherwise: str) -> Check:
    try:
        return look()
    except RecsysError as error:
        return Check(name, False, " ".join(str(error).split()), otherwise)
    except ImportError as error:  # an extra is not installed
        from recsys.registry import install_hint

        return Check(name, False, f"{error.name} is not installed", install_hint(error).removeprefix("Type: "))


def _folder(name: str, folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check(name, True, f"{folder} can be written")
    except OSError as error:
        return Check(name, False, f"{folder} cannot be written: {error.strerror}", "cd ANOTHER_FOLDER, or set TMPDIR")


def _disk(name: str, folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    return Check(name, free >= SPARE_BYTES, f"{free / 2**30:.1f} GiB free", "df -h" if free < SPARE_BYTES else "")


def _database(url: str) -> Check:
    from recsys.store.sql.database import Database
    from recsys.store.sql.migrating import HEAD, version_of

    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not file.exists():  # to open it would make it
        folder = next(parent for parent in file.absolute().parents if parent.exists())
        well = os.access(folder, os.W_OK)
        return Check(
            "database", well, f"{file} is not there yet; " + ("it can be made" if well else f"{folder} is read-only")
        )
    opened = Database.open(url, migrate=False)
    try:
        found = version_of(opened)
    finally:
        opened.close()
    if found is None:
        return Check("database", True, f"{opened.url} is reached and empty; `recsys serve` makes its tables")
    told = f"{opened.url} is reached, its tables are of version {found}"
    if found > HEAD:
        return Check("database", False, f"{told}; this recsys knows {HEAD}", "pip install --upgrade recsys-engine")
    return Check("database", True, told if found == HEAD else f"{told}; `recsys serve` brings them to {HEAD}")


def _bundle(path: Path) -> Check:
    from recsys.bundle import open_bundle

    found = open_bundle(path)
    return Check(
        "bundle", True, f"version {found.id}, every sha256 of {len(found.manifest['files'])} files as recorded"
    )


def _port(host: str, port: int) -> Check:
    from recsys.serving.run import bound

    with bound(host, port):
        return Check("port", True, f"{host}:{port} is free")
