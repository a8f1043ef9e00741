"""A model as a sealed folder: graphs, weights, tokenizer, spec; every file is checked before anything is loaded."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, Self
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ModelError
from recsys.runtime.architectures import read_json
from recsys.runtime.models import ModelRef, sha256_of
from recsys.runtime.onnx import shared_session
from recsys.runtime.quantise import EXACT_GRAPH, QUANTISED, check_exact, half, rows_int8
from recsys.runtime.session import Session
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import KeptTable, Table

if TYPE_CHECKING:
    from recsys.runtime.causal import CausalLM
    from recsys.runtime.encoder import Encoder
    from recsys.runtime.pairs import CrossEncoder
    from recsys.runtime.seq2seq import Seq2Seq

FORMAT, VERSION = "recsys-model", 1
MANIFEST, SPEC, PARITY, TOKENIZER = "manifest.json", "spec.json", "parity.json", "tokenizer.json"
MAX_MANIFEST_BYTES = 1 << 20


class ModelSettings(Protocol):
    """Where a model is and how it runs: a section ``[models.NAME]`` of the settings.

    ``ref`` is ``file://FOLDER`` or ``hf://OWNER/NAME``; ``runtime`` "onnx" reads a folder that `recsys export` wrote,
    "torch" one as Hugging Face lays it out. ``sha256`` is what the model must be ("" = not said), ``provider`` where
    it runs ("cpu", "cuda"), ``threads`` bounds its cores.
    """

    @property
    def ref(self) -> str: ...  # noqa: D102
    @property
    def runtime(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def provider(self) -> str: ...  # noqa: D102
    @property
    def threads(self) -> int | None: ...  # noqa: D102

    @property
    def prefix_mb(self) -> int: ...  # noqa: D102

    @property
    def join_ms(self) -> float: ...  # noqa: D102


# A model lives as long as one of its readers; whoever asks for one that is being opened waits for it.
_CAUSAL: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()
_OPENING = Lock()


def open_model(settings: ModelSettings) -> CausalLM | CrossEncoder | Encoder | Seq2Seq:
    """Return the ready model of an artifact by its task. Two that are opened alike share their sessions.

    A causal model is one for all who open it alike: what it remembers of shoppers is kept once, within one bound, and
    calls of all its readers are joined. It goes with the last of them.

    Raises:
        ConfigError: the reference cannot be read, or the runtime does not know the task.
        ArtifactMissing, ArtifactDamaged: a file is gone, or is not the one that was written.
    """
    if settings.runtime == "torch":
        from recsys.runtime.reference import open_torch

        return _joined(open_torch(settings), settings.join_ms)
    ref = ModelRef.parse(settings.ref)
    folder = ref.fetch()
    artifact = Artifact.open(folder, settings.sha256, links=ref.links(folder))
    asked = (settings.provider or "cpu", settings.threads, settings.prefix_mb << 20)
    if artifact.spec["task"] != "causal":
        return model_from(artifact, *asked)
    with _OPENING:
        key = (artifact.sha256, *asked, settings.join_ms)
        model = _CAUSAL.get(key)
        if model is None:
            model = _CAUSAL[key] = _joined(model_from(artifact, *asked), settings.join_ms)
        return model


def _joined(
    model: CausalLM | CrossEncoder | Encoder | Seq2Seq, wait_ms: float
) -> CausalLM | CrossEncoder | Encoder | Seq2Seq:
    from recsys.runtime.batching import JoinedCausal
    from recsys.runtime.causal import CausalLM

    return JoinedCausal(model, wait_ms=wait_ms) if wait_ms and isinstance(model, CausalLM) else model


def model_from(
    artifact: Artifact, provider: str = "cpu", threads: int | None = None, prefix_bytes: int = 0
) -> CausalLM | CrossEncoder | Encoder | Seq2Seq:
    """Return the ready model of a checked artifact by its task; ``prefix_bytes`` bounds what a causal one remembers.

    Raises:
        ConfigError: a task of a plug-in. ModelError: a model in eight bits on a processor that gets them wrong.
    """
    match artifact.spec["task"]:
        case "causal":
            from recsys.runtime.decoder import causal_from

            return causal_from(artifact, provider, threads, prefix_bytes)
        case "cross-encoder":
            from recsys.runtime.pairs import cross_encoder_from

            return cross_encoder_from(artifact, provider, threads)
        case "encoder":
            from recsys.runtime.encoder import encoder_from

            return encoder_from(artifact, provider, threads)
        case "seq2seq":
            from recsys.runtime.t5 import seq2seq_from

            return seq2seq_from(artifact, provider, threads)
        case task:
            raise ConfigError(f"{artifact.folder}: a model for {task!r} is opened by the plug-in that wrote it")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder whose files are all as they were sealed.

    Attributes:
        folder: where it is. spec: what it is; "task" is always there. sha256: of its manifest, which holds the
            sha256 of every file: the one number that says which model this is.
    """

    folder: Path
    spec: Mapping[str, Any]
    sha256: str

    @classmethod
    def open(cls, folder: Path, sha256: str = "", *, links: Path | None = None) -> Self:
        """Check every file of a folder and return it; ``sha256`` is what its manifest must have ("" = anything).

        ``links``: a folder into which its files may be links, as the hub's cache lays them out; None = no links.

        Raises:
            ArtifactMissing: no artifact, or a file is gone. ArtifactDamaged: a file was changed or added, is a
                link, lies elsewhere, or the whole is another model than ``sha256`` says.
            ModelError: written by a newer version.
        """
        path = folder / MANIFEST
        if not path.is_file():
            if (folder / "config.json").is_file():
                raise ArtifactMissing(f"{folder} is not exported yet: type recsys export file://{folder} --to FOLDER")
            raise ArtifactMissing(f"{folder} holds no exported model: it has no {MANIFEST}")
        if _leads_away(path, links) or path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ArtifactDamaged(f"{path} is a link or too large to be a manifest")
        found = sha256_of(path)
        if sha256 and found != sha256.lower():
            raise ArtifactDamaged(f"{folder} is model {found}, expected {sha256.lower()}")
        for name, digest in _listed(read_json(path), folder, links).items():
            if sha256_of(folder / name) != digest:
                raise ArtifactDamaged(f"{name} in {folder} is damaged: its sha256 differs from {MANIFEST}")
        spec = read_json(folder / SPEC)
        if not isinstance(spec.get("task"), str):
            raise ArtifactDamaged(f"{folder / SPEC} names no task")
        return cls(folder, spec, found)

    def session(self, name: str, provider: str = "cpu", threads: int | None = None) -> Session:
        """Return the session of one graph: one a process for equal content, provider and threads.

        Raises:
            ModelError: a model in eight bits on a processor that gets them wrong, or that cannot be tried on it.
        """
        if name != EXACT_GRAPH and self.spec.get("precision") in QUANTISED:
            if not (self.folder / EXACT_GRAPH).is_file():
                raise ArtifactDamaged(f"{self.folder} lacks {EXACT_GRAPH}, which tries the processor: export it again")
            check_exact(self.session(EXACT_GRAPH, provider, 1))
        return shared_session(self.folder / name, f"{self.sha256}/{name}", (provider,), threads)

    def tokens(self) -> Tokens:
        """Return the tokenizer."""
        return Tokens.from_file(self.folder / TOKENIZER)

    def table(self, name: str) -> Table:
        """Return what `write_table` wrote, memory-mapped: rows are widened when they are asked for.

        Raises:
            ArtifactDamaged: it is no array.
        """
        path, scale = self.folder / f"{name}.npy", self.folder / f"{name}.scale.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return KeptTable(array, np.load(scale, mmap_mode="r", allow_pickle=False)) if scale.is_file() else array
        except FileNotFoundError as error:
            raise ArtifactMissing(f"{path.name} is missing in {self.folder}") from error
        except (ValueError, EOFError) as error:
            raise ArtifactDamaged(f"{path.name} in {self.folder} is no array: {error}") from error

    def field(self, *names: str) -> Any:
        """Return a value deep in the spec. Raises `ArtifactDamaged` where there is none."""
        value: Any = self.spec
        for name in names:
            if not isinstance(value, Mapping) or name not in value:
                raise ArtifactDamaged(f"{self.folder / SPEC} has no {'.'.join(names)}: export the model again")
            value = value[name]
        return value


def write_table(folder: Path, name: str, array: NDArray[np.float32], precision: str) -> None:
    """Write a (rows, width) array for `Artifact.table`: in eight bits a row for "int8" and "int4"."""
    kept: NDArray[Any] = array
    if precision == "fp16":
        kept = half(name, array)
    elif precision != "fp32":
        kept, scale = rows_int8(array)
        np.save(folder / f"{name}.scale.npy", scale, allow_pickle=False)
    np.save(folder / f"{name}.npy", kept, allow_pickle=False)


def seal(folder: Path, spec: Mapping[str, Any]) -> str:
    """Write spec and manifest of the files in ``folder``, replacing older ones; return the sha256 of the whole.

    Raises:
        ModelError: a link or a folder lies in it.
    """
    if odd := [p.name for p in sorted(folder.iterdir()) if p.is_symlink() or not p.is_file()]:
        raise ModelError(f"a model folder holds plain files alone: {', '.join(odd)} is none")
    (folder / SPEC).write_text(json.dumps(dict(spec), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    files = sorted(p for p in folder.iterdir() if p.name != MANIFEST)
    entries = [{"path": p.name, "bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in files]
    manifest = {"format": FORMAT, "version": VERSION, "files": entries}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return sha256_of(folder / MANIFEST)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield a folder beside ``folder`` that takes its place at the end, or vanishes on any error.

    Raises:
        ConfigError: ``folder`` exists and is not empty.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise ConfigError(f"{folder} exists already: give a folder that does not")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        # A temporary folder is its owner's alone; a model is read by whoever reads its neighbours.
        made.chmod(0o755)
        yield made
        os.replace(made, folder)
    except BaseException:  # Ctrl-C as well: nothing half-written stays, and the error goes on
        shutil.rmtree(made, ignore_errors=True)
        raise


def _leads_away(path: Path, links: Path | None) -> bool:
    """Whether a file is a link, other than one into ``links``."""
    return path.is_symlink() and (links is None or not path.resolve().is_relative_to(links.resolve()))


def _listed(manifest: Mapping[str, Any], folder: Path, links: Path | None) -> dict[str, str]:
    """Return name -> sha256 of every file, all of them there, of the listed size and no links that lead elsewhere."""
    if manifest.get("format") != FORMAT:
        raise ArtifactDamaged(f"{folder} is no exported model: its format is {manifest.get('format')!r}")
    if manifest.get("version") != VERSION:
        raise ModelError(f"{folder} has format version {manifest.get('version')!r}, this recsys reads {VERSION}")
    try:
        listed = {str(e["path"]): (int(e["bytes"]), str(e["sha256"])) for e in manifest["files"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactDamaged(f"{folder / MANIFEST} is damaged: {error!r}") from error
    if bad := [n for n in listed if Path(n).name != n or n in ("", ".", "..", MANIFEST) or "\\" in n or "\0" in n]:
        raise ArtifactDamaged(f"{folder / MANIFEST} names a file that cannot be one of its own: {bad[0]!r}")
    if extra := sorted({p.name for p in folder.iterdir()} - listed.keys() - {MANIFEST}):
        raise ArtifactDamaged(f"{extra[0]} in {folder} is not listed in {MANIFEST}")
    for name, (size, _) in listed.items():
        path = folder / name
        if _leads_away(path, links):
            raise ArtifactDamaged(f"{name} in {folder} is a link: a model folder holds plain files alone")
        if not path.is_file():
            raise ArtifactMissing(f"{name} is missing in {folder}")
        if path.stat().st_size != size:
            raise ArtifactDamaged(f"{name} in {folder} has another size than {MANIFEST} says")
    if SPEC not in listed:
        raise ArtifactMissing(f"{SPEC} is missing in {folder}")
    return {name: digest for name, (_, digest) in listed.items()}
