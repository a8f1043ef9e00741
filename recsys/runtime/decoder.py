"""A decoder as a folder that serves without torch: body graph, weights, embedding, head, tokenizer, spec."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from recsys.errors import ArtifactDamaged, ConfigError
from recsys.runtime.architectures import Architecture, read_json
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder_graph import GRAPH_VERSION, Form, decoder_graph
from recsys.runtime.models import sha256_of, verify
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.prefixes import PrefixCache
from recsys.runtime.rope import Rope
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import WeightFile, Weights

# Raised when spec.json or the set of files changes.
FORMAT = 1
EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


def write_decoder(source: Path, folder: Path, *, form: Form = "block", max_tokens: int = 2048) -> Path:
    """Turn a model folder as Hugging Face lays it out into one that `open_decoder` reads; neither torch nor
    transformers is needed, and one tensor at a time is in memory.

    Raises:
        ConfigError: the architecture is not supported, or ``folder`` exists.
        ArtifactMissing, ArtifactDamaged, ShapeMismatch: files of the model are missing or do not fit together.
        PluginUnavailable: the ``onnx`` package is not installed.
    """
    if folder.exists():
        raise ConfigError(f"{folder} exists already: give a folder that does not")
    weights, architecture = Weights(source), Architecture.from_folder(source)
    architecture = dataclasses.replace(architecture, tied=architecture.tied or HEAD not in weights)
    tokens = source / "tokenizer.json"
    Tokens.from_file(tokens)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(made, architecture, weights, form, min(max_tokens, architecture.max_tokens))
        shutil.copyfile(tokens, made / "tokenizer.json")
        _seal(made, architecture, form, min(max_tokens, architecture.max_tokens))
        os.replace(made, folder)
    except BaseException:  # Ctrl-C as well: nothing half-written stays, and the error goes on
        shutil.rmtree(made, ignore_errors=True)
        raise
    return folder


def open_decoder(folder: Path, *, threads: int | None = None, prefix_bytes: int = 0) -> CausalLM:
    """Verify and load a folder of `write_decoder`; ``prefix_bytes`` > 0 keeps states of tagged prompts.

    Raises:
        ArtifactMissing: a file is gone. ArtifactDamaged: one is not the file that was written, or of another format.
    """
    spec = read_json(folder / "spec.json")
    if (spec.get("format"), spec.get("graph")) != (FORMAT, GRAPH_VERSION):
        raise ArtifactDamaged(f"{folder} has another format than this version reads: export the model again")
    try:
        files = {str(name): str(sha) for name, sha in spec["files"].items()}
        fields = dict(spec["architecture"])
        fields |= {"rope": Rope(**fields["rope"]), "eos": tuple(fields["eos"])}
        architecture, max_tokens = Architecture(**fields), int(spec["max_tokens"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactDamaged(f"{folder / 'spec.json'} is damaged: {error}") from error
    if not _names(architecture) <= set(files) or any(Path(n).name != n for n in files):
        raise ArtifactDamaged(f"{folder / 'spec.json'} does not list the files of a decoder")
    for name, sha in files.items():
        verify(folder / name, sha)
    return CausalLM(
        OnnxSession(folder / "body.onnx", threads=threads),
        np.load(folder / "embeddings.npy", mmap_mode="r", allow_pickle=False),
        architecture,
        tokens=Tokens.from_file(folder / "tokenizer.json"),
        head=None if architecture.tied else np.load(folder / "head.npy", mmap_mode="r", allow_pickle=False),
        max_tokens=max_tokens,
        prefixes=PrefixCache(prefix_bytes) if prefix_bytes > 0 else None,
    )


def _names(architecture: Architecture) -> set[str]:
    names = {"body.onnx", "weights.bin", "embeddings.npy", "tokenizer.json"}
    return names if architecture.tied else names | {"head.npy"}


def _write(folder: Path, architecture: Architecture, weights: Weights, form: Form, max_tokens: int) -> None:
    with WeightFile(folder / "weights.bin") as store:
        body = decoder_graph(architecture, weights, store, form=form, max_tokens=max_tokens)
    (folder / "body.onnx").write_bytes(body)
    shape = (architecture.vocabulary, architecture.hidden)
    np.save(folder / "embeddings.npy", weights.take(EMBEDDING, *shape), allow_pickle=False)
    if not architecture.tied:
        np.save(folder / "head.npy", weights.take(HEAD, *shape), allow_pickle=False)


def _seal(folder: Path, architecture: Architecture, form: Form, max_tokens: int) -> None:
    spec: dict[str, Any] = {
        "format": FORMAT,
        "graph": GRAPH_VERSION,
        "task": "causal",
        "precision": "fp32",
        "form": form,
        "max_tokens": max_tokens,
        "architecture": dataclasses.asdict(architecture),
        "files": {name: sha256_of(folder / name) for name in sorted(_names(architecture))},
    }
    (folder / "spec.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
