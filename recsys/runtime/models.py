"""Where models come from: references, content hashes, and the folder for what can be made again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError
from recsys.registry import import_optional

CACHE_VARIABLE = "RECSYS_CACHE"
_FILES = ("*.safetensors", "*.json", "*.toml", "*.jinja", "*.onnx", "*.data", "*.npy")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model by reference: ``file://path`` (file or folder), ``package://module/path`` or ``hf://owner/name[@revision]``.

    Attributes:
        scheme: "file", "package" or "hf". place: the path, an installed module and the path inside its folder, or the
            repository name on the hub.
        revision: branch, tag or commit of the repository; "" = its main branch, always "" for files.
    """

    scheme: str
    place: str
    revision: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises:
            ConfigError: another scheme, or no place after it.
        """
        scheme, found, place = text.partition("://")
        if not found or scheme not in ("file", "package", "hf"):
            raise ConfigError(f"model ref must start with file://, package:// or hf://, got {text!r}")
        revision = ""
        if scheme == "hf":
            place, _, revision = place.partition("@")
            parts = place.split("/")
            if len(parts) > 2 or any(not p or p.startswith(".") for p in parts):
                raise ConfigError(f"model ref must read hf://organisation/name[@revision], got {text!r}")
        if not place:
            raise ConfigError(f"model ref names no place: {text!r}")
        if scheme == "package" and (".." in place.split("/") or not place.split("/")[0].isidentifier()):
            raise ConfigError(f"model ref must read package://module/path, got {text!r}")
        return cls(scheme, place, revision)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}" + (f"@{self.revision}" if self.revision else "")

    def path(self) -> Path:
        """Return the path of a file, or of what an installed package brings along.

        Raises:
            ArtifactMissing: nothing is there. ConfigError: the reference is on the hub.
        """
        if self.scheme == "hf":
            raise ConfigError(f"{self} is no file:// reference")
        path = Path(self.place).expanduser() if self.scheme == "file" else _inside_package(self)
        if not path.exists():
            raise ArtifactMissing(f"{self}: nothing is at {path}")
        return path

    def fetch(self) -> Path:
        """Return the folder of the model: its path here, or where the hub's copy was put.

        Only safetensors, JSON, TOML and our own formats are fetched: never a pickle, never code.

        Raises:
            ArtifactMissing: nothing is there, or the hub cannot be reached and holds no copy here.
            PluginUnavailable: ``huggingface_hub`` is not installed.
        """
        if self.scheme != "hf":
            return self.path()
        hub = import_optional("huggingface_hub")
        try:
            return Path(hub.snapshot_download(self.place, revision=self.revision or None, allow_patterns=list(_FILES)))
        except Exception as error:  # the library has no base class of its own errors
            raise ArtifactMissing(f"{self} cannot be fetched: {error}") from error

    def links(self, folder: Path) -> Path | None:
        """Return the folder into which files of a fetched ``folder`` may be links: that of its repository, or None.

        The hub's cache keeps each content once, under ``blobs``, and links it from the snapshots beside it.
        """
        return folder.parent.parent if self.scheme == "hf" else None


def _inside_package(ref: ModelRef) -> Path:
    module, _, inside = ref.place.partition("/")
    # The package is found, not imported: what it would load is not wanted here.
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactMissing(f"{ref}: no package {module} is installed")
    folder = Path(next(iter(spec.submodule_search_locations)))
    path = folder / inside
    if not path.is_relative_to(folder):  # an absolute path takes the place of all before it
        raise ConfigError(f"model ref must read package://module/path, got {str(ref)!r}")
    return path


def sha256_of(path: Path) -> str:
    """Return the content hash of a file, or of a folder, as 64 hex digits.

    A folder's hash is that of its sorted lines "hash  relative/path": equal for equal content under equal names.

    Raises:
        ArtifactMissing: nothing is there.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        lines = "".join(f"{sha256_of(p)}  {p.relative_to(path).as_posix()}\n" for p in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ArtifactMissing(f"{path} is missing") from error


def verify(path: Path, sha256: str) -> Path:
    """Return ``path`` if its content has this hash.

    Raises:
        ArtifactMissing: nothing is there. ArtifactDamaged: it is another content.
    """
    found = sha256_of(path)
    if found != sha256.lower():
        raise ArtifactDamaged(f"{path} has sha256 {found}, expected {sha256.lower()}: fetch or install it again")
    return path


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``RECSYS_CACHE``, else ``~/.cache/recsys``."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "recsys")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that every reader sees either the old content or all of the new one.

    Two processes may write the same file at a time: the later one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:  # Ctrl-C as well: nothing half-written stays, and the error goes on
        Path(name).unlink(missing_ok=True)
        raise
