"""A T5 as an artifact that serves without torch: encoder, decoder, head, weights, embedding, tokenizer."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from recsys.errors import ArtifactDamaged
from recsys.runtime.artifact import TOKENIZER, Artifact, write_table
from recsys.runtime.decoder_graph import head_graph
from recsys.runtime.heads import GraphHead
from recsys.runtime.quantise import Precision, head_precision, write_exact
from recsys.runtime.seq2seq import Seq2Seq
from recsys.runtime.t5_graph import GRAPH_VERSION, T5Architecture, t5_decoder_graph, t5_encoder_graph
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import WeightFile, Weights


def seq2seq_files(
    source: Path, folder: Path, *, precision: Precision = "fp32", max_tokens: int = 512
) -> dict[str, Any]:
    """Write the files of a T5 into ``folder`` and return their spec.

    Raises:
        ConfigError: the architecture is not supported, or the tokenizer is another model's.
        ArtifactMissing, ArtifactDamaged, ShapeMismatch: files of the model are missing or do not fit together.
    """
    weights, a = Weights(source), T5Architecture.from_folder(source)
    Tokens.from_file(source / TOKENIZER).check_rows(a.vocabulary)
    shutil.copyfile(source / TOKENIZER, folder / TOKENIZER)
    shape = (a.vocabulary, a.hidden)
    embeddings = weights.take("shared.weight", *shape)
    tied = "lm_head.weight" not in weights
    with WeightFile(folder / "weights.data") as store:
        graphs = {
            "encoder.onnx": t5_encoder_graph(a, weights, store, precision),
            "decoder.onnx": t5_decoder_graph(a, weights, store, precision),
            "head.onnx": head_graph(
                a, embeddings if tied else weights.take("lm_head.weight", *shape), store, head_precision(precision)
            ),
        }
    for name, graph in graphs.items():
        (folder / name).write_bytes(graph)
    write_table(folder, "embeddings", embeddings, precision)
    if not tied:
        write_table(folder, "head", weights.take("lm_head.weight", *shape), precision)
    write_exact(folder, precision)
    return {
        "task": "seq2seq",
        "graph": GRAPH_VERSION,
        "precision": precision,
        "max_tokens": max_tokens,
        "tied": tied,
        "architecture": dataclasses.asdict(a),
    }


def seq2seq_from(artifact: Artifact, provider: str = "cpu", threads: int | None = None) -> Seq2Seq:
    """Return the model of a checked artifact. Raises `ArtifactDamaged` for one of another version."""
    if artifact.spec.get("graph") != GRAPH_VERSION:
        raise ArtifactDamaged(f"{artifact.folder} has a graph of another version than is read: export it again")
    try:
        fields = dict(artifact.field("architecture"))
        a = T5Architecture(**(fields | {"eos": tuple(fields["eos"])}))
        max_tokens, tied = int(artifact.field("max_tokens")), bool(artifact.field("tied"))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactDamaged(f"{artifact.folder / 'spec.json'} is damaged: {error}") from error
    embeddings = artifact.table("embeddings")
    head = GraphHead(artifact.session("head.onnx", provider, threads), embeddings if tied else artifact.table("head"))
    return Seq2Seq(
        artifact.session("encoder.onnx", provider, threads),
        artifact.session("decoder.onnx", provider, threads),
        embeddings,
        a,
        head,
        tokens=artifact.tokens(),
        max_tokens=max_tokens,
    )
