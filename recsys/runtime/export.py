"""From a model of the hub or of a folder to a sealed artifact that serves without torch."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.errors import ArtifactMissing, ConfigError, QuantisationRefused
from recsys.runtime.architectures import read_json
from recsys.runtime.artifact import PARITY, Artifact, model_from, seal, staged
from recsys.runtime.decoder import decoder_files
from recsys.runtime.encoder import Encoder, encoder_files
from recsys.runtime.gate import Bounds, GateData, compare
from recsys.runtime.models import ModelRef, sha256_of
from recsys.runtime.pairs import CrossEncoder, cross_encoder_files
from recsys.runtime.parity import TEXTS, check, measure
from recsys.runtime.quantise import PRECISIONS, QUANTISED, Calibration, Precision, Watching
from recsys.runtime.reference import TASKS, task_of
from recsys.runtime.session import Session
from recsys.runtime.t5 import seq2seq_files

_WRITERS: dict[str, Callable[..., dict[str, Any]]] = {
    "causal": decoder_files, "cross-encoder": cross_encoder_files, "encoder": encoder_files, "seq2seq": seq2seq_files,
}  # fmt: skip
_CALIBRATED = ("encoder", "cross-encoder")
# Files of a model folder that an export reads.
_READ = (".safetensors", ".json", ".jinja")
Tell = Callable[[str], None]


class WatchedArtifact(Artifact):
    """An artifact whose sessions note how far the numbers go."""

    __slots__ = ("ranges",)
    ranges: dict[str, Any]

    @classmethod
    def watching(cls, folder: Path, ranges: dict[str, Any]) -> WatchedArtifact:
        """Open a folder; ``ranges`` is filled while its model runs."""
        made = cls.open(folder)
        object.__setattr__(made, "ranges", ranges)
        return made

    def session(self, name: str, provider: str = "cpu", threads: int | None = None) -> Session:
        """Return a session that watches."""
        return Watching(super().session(name, provider, threads), self.ranges)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: ``sha256`` is what ``[models.NAME]`` may name, ``parity`` how near the reference it is."""

    folder: Path
    sha256: str
    spec: dict[str, Any]
    parity: dict[str, Any]


def export(
    ref: str,
    folder: Path,
    *,
    precision: Precision = "fp32",
    task: str | None = None,
    max_tokens: int | None = None,
    gate: GateData | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    ungated: bool = False,
    parity: bool = True,
    tell: Tell = lambda _: None,
) -> Exported:
    """Write the model at ``ref`` (hf://..., file://... or a plain folder) to ``folder`` as a sealed artifact.

    Weights are read from safetensors alone, tensor by tensor. ``task`` is one of `TASKS`, by default what the
    model's config.json says; ``max_tokens`` cuts texts shorter than the model could take. ``parity`` compares with
    torch where it is installed. A model in eight or four bits is written only if on the lists of ``gate`` it still
    ranks as the whole model does, or if ``ungated`` says that nobody asked; the spec says which.

    Raises:
        ConfigError: the architecture, task or precision is not supported, or ``folder`` is not empty.
        QuantisationRefused: a bound of the gate is broken, or there was nothing to judge by.
        ModelError: a file is missing or damaged, or the result is not its reference. Nothing is left in ``folder``.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r} is not known (there are: {', '.join(PRECISIONS)})")
    if precision in QUANTISED and gate is None and not ungated:
        raise QuantisationRefused(
            f"whether {precision} ranks as well can only be seen on lists of a trained head: give them by --gate "
            "DATA.npz, or say --ungated for a model that is only tried out (recsys export --help)"
        )
    source = ModelRef.parse(ref if "://" in ref else f"file://{ref}").fetch()
    if not (source / "config.json").is_file():
        raise ArtifactMissing(f"{source} has no config.json: recsys export reads a model as Hugging Face lays it out")
    task = task or task_of(source)
    if task not in _WRITERS:
        raise ConfigError(f"task {task!r} is not known (there are: {', '.join(TASKS)})")
    with staged(folder) as made:
        tell(f"writing {task} in {precision}")
        spec = _written(source, made, task, precision, max_tokens)
        spec["source"] = _source(ref, source)
        if parity or gate is not None:
            # What is measured is what will be opened: the sealed files.
            seal(made, spec)
        figures: dict[str, Any] = {"reference": None}
        if parity:
            tell("comparing with torch")
            figures = measure(source, model_from(Artifact.open(made)), task)
            check(figures, precision)
        if precision in QUANTISED:
            spec["gated"] = gate is not None
            if gate is not None:
                tell(f"ranking {len(gate.queries)} lists with both")
                figures["gate"] = _gated(source, made, task, max_tokens, gate, bounds)
        (made / PARITY).write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        digest = seal(made, spec)
    return Exported(folder, digest, spec, figures)


def _source(ref: str, folder: Path) -> dict[str, str]:
    """Return what the model was made from: a place on the hub by name, files by their content, wherever they lie."""
    config = {"config_sha256": sha256_of(folder / "config.json")}
    if ref.startswith("hf://"):
        return {"ref": ref} | config
    files = sorted(p for p in folder.iterdir() if p.suffix in _READ and p.is_file())
    lines = "".join(f"{sha256_of(p)}  {p.name}\n" for p in files)
    return {"sha256": hashlib.sha256(lines.encode()).hexdigest()} | config


def _written(source: Path, folder: Path, task: str, precision: Precision, max_tokens: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {} if max_tokens is None else {"max_tokens": max_tokens}
    if precision == "int8" and task in _CALIBRATED:
        options["calibration"] = _calibrated(source, folder, task, options)
    spec = _WRITERS[task](source, folder, precision=precision, **options)
    template = _template(source)
    if template:
        # JSON's strings are TOML's, but for characters that JSON writes as halves: so it writes none of those.
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in template.items()]
        (folder / "template.toml").write_text("\n".join(lines).replace("\x7f", "\\u007f") + "\n", encoding="utf-8")
    return {"format": 1} | spec


def _calibrated(source: Path, folder: Path, task: str, options: dict[str, Any]) -> Calibration:
    """Return how far numbers go in the whole model when it reads some texts, one by one: padding is no text."""
    watched = folder.parent / f"{folder.name}.watched"
    ranges: dict[str, Any] = {}
    try:
        watched.mkdir()
        seal(watched, _WRITERS[task](source, watched, calibration=Calibration(watch=True), **options))
        model = model_from(WatchedArtifact.watching(watched, ranges))
        for text in TEXTS:
            if isinstance(model, CrossEncoder):
                model.score([(text, TEXTS[0])])
            elif isinstance(model, Encoder):
                model.encode([text])
    finally:
        shutil.rmtree(watched, ignore_errors=True)
    return Calibration(ranges)


def _template(source: Path) -> dict[str, str]:
    """Return the chat template and the tokens that it names, as text: it is kept as data and never run here."""
    path, out = source / "tokenizer_config.json", {}
    config = read_json(path) if path.is_file() else {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = config.get(name)
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            out[name] = value
    chat = source / "chat_template.jinja"
    template = chat.read_text(encoding="utf-8") if chat.is_file() else config.get("chat_template")
    return out | ({"chat_template": template} if isinstance(template, str) else {})


def _gated(
    source: Path, made: Path, task: str, max_tokens: int | None, gate: GateData, bounds: Bounds
) -> dict[str, Any]:
    """Return figures and bounds of the gate. Raises `QuantisationRefused`."""
    whole = made.parent / f"{made.name}.whole"
    try:
        whole.mkdir()
        seal(whole, _written(source, whole, task, "fp32", max_tokens))
        reference = gate.scores(model_from(Artifact.open(whole)))
    finally:
        shutil.rmtree(whole, ignore_errors=True)
    scores = gate.scores(model_from(Artifact.open(made)))
    return compare(reference, scores, gate.starts, gate.labels).check(bounds)
