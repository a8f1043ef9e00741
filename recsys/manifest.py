"""The manifest of a bundle: which files it has, their sizes and hashes, and what made it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from recsys.artifacts import flush_folder, write_json
from recsys.errors import ArtifactDamaged, ArtifactMissing, ModelError

FORMAT = "recsys-bundle"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 4 << 20
# Names under which pickled objects travel: loading one runs code, so none is written and none is accepted.
PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill"})
_LIBRARIES = ("numpy", "scipy", "implicit", "lightgbm", "onnxruntime", "scikit-learn", "tantivy", "bm25s")
_ID_CHARS = 16


def seal(folder: Path, meta: Mapping[str, Any]) -> str:
    """Write the manifest of the files in ``folder``, flush all of it to the disk and return the bundle id.

    The id is the first 16 hex digits of the manifest's sha256, and the manifest holds the sha256 of every file.

    Raises:
        ModelError: no file at all, a link, a pickle, or a file that is already called ``manifest.json``.
    """
    found = dict(_walk(folder))
    if not found:
        raise ModelError("a bundle needs at least one file: nothing was written into it")
    if MANIFEST in found:
        raise ModelError(f"{MANIFEST} is written by the bundle itself: choose another file name")
    entries = [
        {"path": n, "bytes": p.stat().st_size, "sha256": _sha256(p, flush=True)} for n, p in sorted(found.items())
    ]
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(),
        "recsys": _version("recsys-engine"),
        "libraries": {"python": platform.python_version(), **{n: v for n in _LIBRARIES if (v := _version(n))}},
        "meta": dict(meta),
        "files": entries,
    }
    path = folder / MANIFEST
    write_json(path, manifest)
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ModelError(f"the manifest would exceed {MAX_MANIFEST_BYTES} bytes: write fewer files or a smaller meta")
    digest = _sha256(path, flush=True)
    for parent, _, _ in os.walk(folder, topdown=False):
        flush_folder(Path(parent))
    return digest[:_ID_CHARS]


def check(folder: Path, bundle_id: str, verify: bool = True) -> Mapping[str, Any]:
    """Return the manifest of ``folder`` after comparing every file with it: sizes, and hashes with ``verify``.

    Raises:
        ModelError: another format, or one newer than this version of recsys reads.
        ArtifactMissing: the manifest or a file that it lists is not there.
        ArtifactDamaged: any other difference, a link, a pickle, a path that leaves the folder.
    """
    manifest = _read(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise ModelError(f"{folder} is no recsys bundle: its format is {manifest.get('format')!r}, expected {FORMAT!r}")
    version = manifest.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ArtifactDamaged(f"{MANIFEST} in {folder} has no usable format_version: {version!r}")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{folder} has bundle format {version}, this recsys reads up to {FORMAT_VERSION}: "
            "upgrade recsys-engine, or fit again with `recsys fit`"
        )
    if _sha256(folder / MANIFEST)[:_ID_CHARS] != bundle_id:
        raise ArtifactDamaged(f"{MANIFEST} in {folder} was changed after it was written")
    listed = _entries(manifest, folder)
    found = dict(_walk(folder))
    found.pop(MANIFEST)
    missing, extra = sorted(listed.keys() - found.keys()), sorted(found.keys() - listed.keys())
    if missing:
        raise ArtifactMissing(f"{missing[0]} is missing in {folder} ({len(missing)} of {len(listed)} files)")
    if extra:
        raise ArtifactDamaged(f"{extra[0]} in {folder} is not listed in {MANIFEST}")
    for name, (size, digest) in listed.items():
        actual = found[name].stat().st_size
        if actual != size:
            raise ArtifactDamaged(
                f"{name} in {folder} has {actual} bytes, {MANIFEST} says {size}: truncated or replaced"
            )
        if verify and _sha256(found[name]) != digest:
            raise ArtifactDamaged(f"{name} in {folder} is damaged: its sha256 differs from {MANIFEST}")
    return manifest


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; a key that occurs twice is a `ValueError`: two readers could take different ones."""
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key occurs twice")
    return out


def _read(path: Path) -> dict[str, Any]:
    if path.is_symlink():
        raise ArtifactDamaged(f"{path} is a symbolic link: a bundle holds plain files alone")
    if not path.is_file():
        raise ArtifactMissing(f"{MANIFEST} is missing in {path.parent}: fit again with `recsys fit`")
    size = path.stat().st_size
    if size > MAX_MANIFEST_BYTES:
        raise ArtifactDamaged(f"{path} has {size} bytes, more than the {MAX_MANIFEST_BYTES} a manifest may have")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise ArtifactDamaged(f"{path} is not a manifest: {error}") from error
    if not isinstance(manifest, dict):
        raise ArtifactDamaged(f"{path} is not a manifest: expected a JSON object")
    return manifest


def _entries(manifest: Mapping[str, Any], folder: Path) -> dict[str, tuple[int, str]]:
    """Return name -> (bytes, sha256) of what the manifest lists."""
    files = manifest.get("files")
    if not isinstance(files, list) or not isinstance(manifest.get("meta"), dict):
        raise ArtifactDamaged(f"{MANIFEST} in {folder} lists no files or no meta")
    out: dict[str, tuple[int, str]] = {}
    for entry in files:
        name, size, digest = (
            entry.get(key) if isinstance(entry, dict) else None for key in ("path", "bytes", "sha256")
        )
        if not isinstance(name, str) or not isinstance(size, int) or not isinstance(digest, str):
            raise ArtifactDamaged(f"{MANIFEST} in {folder} has an entry without path, bytes and sha256: {entry!r}")
        # Backslash and colon are a separator and a drive on other systems, where the bundle may be opened.
        parts = name.split("/")
        if any(p in ("", ".", "..") for p in parts) or any(c in name for c in "\\:\0"):
            raise ArtifactDamaged(f"{MANIFEST} in {folder} lists {name!r}: only plain relative paths are allowed")
        if Path(name).suffix.lower() in PICKLE_SUFFIXES:
            raise ArtifactDamaged(f"{MANIFEST} in {folder} lists {name!r}: pickled objects are never loaded")
        if name in out:
            raise ArtifactDamaged(f"{MANIFEST} in {folder} lists {name!r} twice")
        out[name] = (size, digest)
    return out


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield (path with "/", file) of every file below; links, sockets and pickles are refused."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{name}/")
            elif not entry.is_file(follow_symlinks=False):
                raise ArtifactDamaged(f"{name} in a bundle is a link or a device: a bundle holds plain files alone")
            elif Path(name).suffix.lower() in PICKLE_SUFFIXES:
                raise ArtifactDamaged(
                    f"{name} looks like a pickled object: use npy, npz, safetensors, onnx, text or json"
                )
            else:
                yield name, Path(entry.path)


def _sha256(path: Path, flush: bool = False) -> str:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        if flush:
            os.fsync(handle.fileno())
    return digest


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
