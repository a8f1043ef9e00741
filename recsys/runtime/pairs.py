"""A cross-encoder: two texts in one pass, one number out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.runtime.artifact import TOKENIZER, Artifact
from recsys.runtime.bert import GRAPH_VERSION, BertArchitecture, bert_graph, labels_of
from recsys.runtime.encoder import by_length, check_graph, padded
from recsys.runtime.quantise import Calibration, Precision, write_exact
from recsys.runtime.segments import Segments
from recsys.runtime.session import Session, in_time
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import WeightFile, Weights


class CrossEncoder:
    """Scores pairs of texts, such as a query or a history and an item (Nogueira & Cho 2019, arXiv 1901.04085).

    The session takes ``input_ids``, ``attention_mask`` and, where the model has segments, ``token_type_ids`` (b, t),
    and gives ``logits`` (b, 1), or (b, 2) for a model that says no and yes. At most ``max_tokens`` of a pair are
    read: of the longer text the end is cut first.
    """

    def __init__(self, session: Session, tokens: Tokens, segments: Segments, *, max_tokens: int, pad: int = 0) -> None:
        self._session, self.tokens, self._segments = session, tokens, segments
        self.max_tokens, self._pad = max_tokens, pad
        self._inputs = session.spec.input_names
        self._dtype = np.dtype(session.spec.inputs[0].dtype)

    def score(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None, max_tokens: int | None = None
    ) -> NDArray[np.float32]:
        """Return one logit a pair, (m,) float32: higher is better. A text that occurs in many pairs is cut up once.

        ``max_tokens`` lets less of each pair be read than the model could.

        Raises:
            BudgetExceeded: ``deadline``, a value of `time.monotonic`, passed before all were read.
        """
        out = np.zeros(len(pairs), np.float32)
        texts = {text: k for k, text in enumerate(dict.fromkeys(t for pair in pairs for t in pair))}
        ids = self.tokens.encode_all(list(texts))
        most = min(max_tokens or self.max_tokens, self.max_tokens)
        read = [self._segments.double(ids[texts[a]], ids[texts[b]], most) for a, b in pairs]
        for batch in by_length([len(r[0]) for r in read]):
            in_time(deadline)
            out[batch] = self._run([read[k] for k in batch])
        return out

    def _run(self, read: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.float32]:
        tokens, mask = padded([r[0] for r in read], self._pad, self._dtype)
        inputs = {"input_ids": tokens, "attention_mask": mask.astype(self._dtype)}
        if "token_type_ids" in self._inputs:
            inputs["token_type_ids"] = padded([r[1] for r in read], 0, self._dtype)[0]
        logits: NDArray[np.float32] = self._session.run(inputs)["logits"]
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]


def pair_labels(source: Path, architecture: BertArchitecture, weights: Weights) -> int:
    """Return 1 or 2, how many labels a cross-encoder tells apart. Raises `ConfigError` for more."""
    labels = labels_of(weights, "classifier.weight" if architecture.family == "bert" else "classifier.out_proj.weight")
    if labels > 2:
        raise ConfigError(f"{source}: a classifier of {labels} labels is no cross-encoder (known: 1, or 2 for no, yes)")
    return labels


def cross_encoder_files(
    source: Path,
    folder: Path,
    *,
    precision: Precision = "fp32",
    max_tokens: int = 512,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Write the files of a BERT-like cross-encoder into ``folder`` and return their spec.

    Raises:
        ConfigError: the architecture is not supported, its classifier has more than two labels, or the tokenizer is
            another model's.
        ArtifactMissing, ArtifactDamaged, ShapeMismatch: files of the model are missing or do not fit together.
    """
    architecture, weights = BertArchitecture.from_folder(source), Weights(source)
    labels = pair_labels(source, architecture, weights)
    Tokens.from_file(source / TOKENIZER).check_rows(architecture.vocabulary)
    segments = Segments.from_file(source / TOKENIZER)
    shutil.copyfile(source / TOKENIZER, folder / TOKENIZER)
    with WeightFile(folder / "weights.data") as store:
        graph = bert_graph(architecture, weights, store, precision=precision, head=True, calibration=calibration)
    (folder / "model.onnx").write_bytes(graph)
    write_exact(folder, precision)
    return {
        "task": "cross-encoder",
        "graph": GRAPH_VERSION,
        "precision": precision,
        "max_tokens": min(max_tokens, architecture.max_tokens),
        "labels": labels,
        "pad": architecture.pad,
        "segments": segments.fields(),
    }


def cross_encoder_from(artifact: Artifact, provider: str = "cpu", threads: int | None = None) -> CrossEncoder:
    """Return the cross-encoder of a checked artifact. Raises `ArtifactDamaged` for one of another version."""
    check_graph(artifact)
    return CrossEncoder(
        artifact.session("model.onnx", provider, threads),
        artifact.tokens(),
        Segments(**artifact.field("segments")),
        max_tokens=int(artifact.field("max_tokens")),
        pad=int(artifact.field("pad")),
    )
