"""A decoder as an artifact that serves without torch: body graph, weights, embedding, head, tokenizer."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from recsys.errors import ArtifactDamaged, ConfigError
from recsys.runtime.architectures import Architecture
from recsys.runtime.artifact import TOKENIZER, Artifact, seal, staged, write_table
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder_graph import GRAPH_VERSION, Form, decoder_graph, head_graph
from recsys.runtime.heads import GraphHead
from recsys.runtime.prefixes import PrefixCache
from recsys.runtime.quantise import Precision, head_precision, write_exact
from recsys.runtime.rope import Rope
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import WeightFile, Weights

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


def write_decoder(
    source: Path, folder: Path, *, form: Form = "block", max_tokens: int = 2048, precision: Precision = "fp32"
) -> Path:
    """Turn a model folder as Hugging Face lays it out into one that `open_decoder` reads; neither torch nor
    transformers is needed, and one tensor at a time is in memory.

    Raises:
        ConfigError: the architecture is not supported, the tokenizer another model's, or ``folder`` exists.
        ArtifactMissing, ArtifactDamaged, ShapeMismatch: files of the model are missing or do not fit together.
        PluginUnavailable: the ``onnx`` package is not installed.
    """
    with staged(folder) as made:
        seal(made, decoder_files(source, made, form=form, max_tokens=max_tokens, precision=precision))
    return folder


def decoder_files(
    source: Path, folder: Path, *, form: Form = "block", max_tokens: int = 2048, precision: Precision = "fp32"
) -> dict[str, Any]:
    """Write the files of a decoder into ``folder`` and return their spec. Raises as `write_decoder`."""
    weights, architecture = Weights(source), Architecture.from_folder(source)
    architecture = dataclasses.replace(architecture, tied=architecture.tied or HEAD not in weights)
    max_tokens = min(max_tokens, architecture.max_tokens)
    Tokens.from_file(source / TOKENIZER).check_rows(architecture.vocabulary)
    shutil.copyfile(source / TOKENIZER, folder / TOKENIZER)
    shape = (architecture.vocabulary, architecture.hidden)
    with WeightFile(folder / "weights.data") as store:
        body = decoder_graph(architecture, weights, store, form=form, max_tokens=max_tokens, precision=precision)
        rows = weights.take(EMBEDDING if architecture.tied else HEAD, *shape)
        head = head_graph(architecture, rows, store, head_precision(precision))
    (folder / "body.onnx").write_bytes(body)
    (folder / "head.onnx").write_bytes(head)
    write_table(folder, "embeddings", weights.take(EMBEDDING, *shape), precision)
    if not architecture.tied:
        write_table(folder, "head", weights.take(HEAD, *shape), precision)
    write_exact(folder, precision)
    return {
        "task": "causal",
        "graph": GRAPH_VERSION,
        "precision": precision,
        "form": form,
        "max_tokens": max_tokens,
        "architecture": dataclasses.asdict(architecture),
    }


def open_decoder(folder: Path, *, threads: int | None = None, prefix_bytes: int = 0) -> CausalLM:
    """Verify and load a folder of `write_decoder`; ``prefix_bytes`` > 0 keeps states of tagged prompts.

    Raises:
        ArtifactMissing: a file is gone. ArtifactDamaged: one is not the file that was written, or of another format.
        ConfigError: it is an artifact for another task.
    """
    return causal_from(Artifact.open(folder), threads=threads, prefix_bytes=prefix_bytes)


def causal_from(
    artifact: Artifact, provider: str = "cpu", threads: int | None = None, prefix_bytes: int = 0
) -> CausalLM:
    """Return the model of a checked artifact. Raises as `open_decoder`."""
    if artifact.spec["task"] != "causal":
        raise ConfigError(f"{artifact.folder} is a model for {artifact.spec['task']!r}, not for 'causal'")
    if artifact.spec.get("graph") != GRAPH_VERSION:
        raise ArtifactDamaged(f"{artifact.folder} has a graph of another version than is read: export it again")
    try:
        fields = dict(artifact.field("architecture"))
        fields |= {"rope": Rope(**fields["rope"]), "eos": tuple(fields["eos"])}
        architecture, max_tokens = Architecture(**fields), int(artifact.field("max_tokens"))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactDamaged(f"{artifact.folder / 'spec.json'} is damaged: {error}") from error
    embeddings = artifact.table("embeddings")
    rows = embeddings if architecture.tied else artifact.table("head")
    return CausalLM(
        artifact.session("body.onnx", provider, threads),
        embeddings,
        architecture,
        tokens=artifact.tokens(),
        head=GraphHead(artifact.session("head.onnx", provider, threads), rows),
        max_tokens=max_tokens,
        prefixes=PrefixCache(prefix_bytes) if prefix_bytes > 0 else None,
    )
