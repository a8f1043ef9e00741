"""The fitted model on disk: immutable versions, and one pointer that moves in a single step.

::

    bundle/
      CURRENT               JSON: the version that is served, and the one before it
      versions/<id>/        the files of the engine and manifest.json, never changed once there
      .lock                 held by whoever writes

A writer fills ``versions/.writing``, flushes it, renames it to its id and then replaces CURRENT. Whatever moment it
dies at, CURRENT names a complete version: the old one until the last step, the new one after it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.artifacts import flush_folder, write_json
from recsys.errors import ArtifactDamaged, ArtifactMissing, ModelError
from recsys.manifest import FORMAT, check, seal, unique_keys

CURRENT = "CURRENT"
VERSIONS = "versions"
WRITING = ".writing"
LOCK = ".lock"
LOCK_WAIT_S = 60.0
_ID = re.compile(r"[0-9a-f]{16}")
_MAX_POINTER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Bundle:
    """One complete version: ``folder`` holds its files, ``manifest`` what made it and every file's sha256."""

    folder: Path
    id: str
    manifest: Mapping[str, Any]

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the writer said about it: settings, data set, metrics."""
        meta: Mapping[str, Any] = self.manifest["meta"]
        return meta


def write_bundle(
    path: Path, write: Callable[[Path], None], meta: Mapping[str, Any], wait_s: float = LOCK_WAIT_S
) -> str:
    """Write a new version, make it the current one and return its id.

    ``write`` gets an empty folder and fills it; if it raises, nothing changes. ``meta`` must be JSON and hold nothing
    about a person. The version before stays for `rollback`, older ones are removed. One writer at a time: another
    waits up to ``wait_s`` seconds.

    Raises:
        ModelError: ``path`` holds something else, another writer is at work, or the files cannot form a bundle.
    """
    _refuse_foreign(path)
    path.mkdir(parents=True, exist_ok=True)
    flush_folder(path.parent)
    with _lock(path, wait_s):
        versions = path / VERSIONS
        versions.mkdir(exist_ok=True)
        before = _pointer(path) if (path / CURRENT).exists() else (None, None)
        folder = versions / WRITING
        if folder.exists():  # a killed writer left it: the lock says that nobody is at work in it
            shutil.rmtree(folder)
        folder.mkdir()
        try:
            write(folder)
            bundle_id = seal(folder, meta)
            folder.rename(versions / bundle_id)
        except BaseException:  # Ctrl-C as well: nothing half-written stays, and the error goes on
            shutil.rmtree(folder, ignore_errors=True)
            raise
        flush_folder(versions)
        _point(path, bundle_id, before[0])
        _prune(versions, keep=(bundle_id, before[0]))
    return bundle_id


def open_bundle(path: Path, verify: bool = True) -> Bundle:
    """Return the current version after checking it against its manifest.

    ``verify`` compares the sha256 of every file; without it only names and sizes are compared, which is quick and
    enough where the same process wrote it.

    Raises:
        ArtifactMissing: there is no bundle, or a file of it is gone. ArtifactDamaged: a file differs.
        ModelError: another format, or a newer one.
    """
    if not path.is_dir() or not any(path.iterdir()):
        raise ArtifactMissing(f"no bundle at {path}: make one with `recsys fit`")
    _refuse_foreign(path)
    while True:
        current, _ = _pointer(path)
        try:
            return _open_version(path, current, verify)
        except (ModelError, FileNotFoundError):
            # Two writers in a row may have pruned this version while it was read; then CURRENT names another.
            if _pointer(path)[0] == current:
                raise


def rollback(path: Path, wait_s: float = LOCK_WAIT_S) -> str:
    """Make the version before the current one, checked in full, and return its id; a second call goes forth again.

    Raises:
        ArtifactMissing: there is no bundle, or no earlier version. ArtifactDamaged: the earlier one is damaged.
    """
    open_folder = path.is_dir() and (path / CURRENT).exists()
    if not open_folder:
        raise ArtifactMissing(f"no bundle at {path}: make one with `recsys fit`")
    with _lock(path, wait_s):
        current, previous = _pointer(path)
        if previous is None:
            raise ArtifactMissing(f"{path} has no earlier version to go back to")
        _open_version(path, previous, verify=True)
        _point(path, previous, current)
    return previous


def previous(path: Path) -> str | None:
    """Return the id of the version that `rollback` would go to, or None."""
    return _pointer(path)[1]


def copy_bundle(path: Path, to: Path, wait_s: float = LOCK_WAIT_S) -> Bundle:
    """Copy the current version to ``to``, a new or empty folder, as a bundle of one version; return the copy.

    Every file is checked against its sha256 before and after.

    Raises:
        ModelError: ``path`` holds no sound bundle, or ``to`` is not empty.
    """
    bundle = open_bundle(path)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ModelError(f"{to} is not empty: name a new folder for the copy")
    to.mkdir(parents=True, exist_ok=True)
    with _lock(to, wait_s):
        shutil.copytree(bundle.folder, to / VERSIONS / bundle.id)
        copy = _open_version(to, bundle.id, verify=True)
        _point(to, bundle.id, None)
    return copy


def _open_version(path: Path, bundle_id: str, verify: bool) -> Bundle:
    versions = path / VERSIONS
    folder = versions / bundle_id
    if versions.is_symlink() or folder.is_symlink():
        raise ArtifactDamaged(f"{folder} is reached by a symbolic link: a bundle holds plain files alone")
    if not folder.is_dir():
        raise ArtifactMissing(f"version {bundle_id} is missing in {path}: fit again with `recsys fit`")
    return Bundle(folder, bundle_id, check(folder, bundle_id, verify))


def _refuse_foreign(path: Path) -> None:
    """Raise unless ``path`` is absent, empty or a bundle: a fit must never write into somebody's other folder."""
    if path.exists() and not path.is_dir():
        raise ModelError(f"{path} is a file: name a folder for the bundle")
    if path.is_dir() and not (path / VERSIONS).is_dir() and {p.name for p in path.iterdir()} - {LOCK, CURRENT}:
        raise ArtifactDamaged(f"{path} is no recsys bundle but holds other files: name an empty or new folder")


def _pointer(path: Path) -> tuple[str, str | None]:
    """Return the ids of the current version and of the one before it."""
    file = path / CURRENT
    if file.is_symlink():
        raise ArtifactDamaged(f"{file} is a symbolic link: a bundle holds plain files alone")
    if not file.is_file():
        raise ArtifactMissing(f"{path} has no {CURRENT}: no fit was completed there, run `recsys fit`")
    try:
        with file.open("rb") as handle:
            value = json.loads(handle.read(_MAX_POINTER_BYTES).decode("utf-8"), object_pairs_hook=unique_keys)
        if value["format"] != FORMAT:
            raise ModelError(f"{file} is no pointer of a recsys bundle: its format is {value['format']!r}")
        current, previous = value["version"], value["previous"]
        sound = _ID.fullmatch(current) and (previous is None or _ID.fullmatch(previous))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactDamaged(f"{file} is damaged ({error}): remove it and run `recsys fit`") from error
    if not sound:
        raise ArtifactDamaged(f"{file} names {current!r} and {previous!r}, which are no versions")
    return current, previous


def _point(path: Path, current: str, previous: str | None) -> None:
    fresh = path / f".{CURRENT}.tmp"
    write_json(fresh, {"format": FORMAT, "version": current, "previous": previous})
    with fresh.open("rb") as handle:
        os.fsync(handle.fileno())
    os.replace(fresh, path / CURRENT)
    flush_folder(path)


def _prune(versions: Path, keep: tuple[str | None, str | None]) -> None:
    for entry in versions.iterdir():
        if entry.name not in keep:
            # What cannot be removed now is tried again by the next writer: no reason to fail a finished fit.
            shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def _lock(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the bundle for writing. The kernel lets go of the lock when its holder dies, so none is ever stale."""
    import fcntl  # POSIX only; reading a bundle needs no lock and works anywhere

    until = time.monotonic() + wait_s
    with (path / LOCK).open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise ModelError(f"another process is writing {path}: waited {wait_s:g} s") from None
                time.sleep(0.02)
        yield  # closing the file lets go
