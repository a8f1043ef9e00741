"""From texts to vectors with a transformer: batch by length, run, pool, normalise; or one vector a token."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged
from recsys.runtime.artifact import TOKENIZER, Artifact
from recsys.runtime.bert import GRAPH_VERSION, BertArchitecture, bert_graph
from recsys.runtime.quantise import Calibration, Precision, write_exact
from recsys.runtime.segments import Segments
from recsys.runtime.sentences import Pooling, SentenceLayout
from recsys.runtime.session import Session
from recsys.runtime.tokens import Tokens
from recsys.runtime.vectors import unit
from recsys.runtime.weights import WeightFile, Weights

Tokenise = Callable[[Sequence[str]], list[list[int]]]
# Padded tokens of one model call: large enough to fill the cores, small enough for a shop's process.
BATCH_TOKENS = 4096


class Encoder:
    """A session and its tokeniser.

    The session takes the integer inputs ``input_ids`` and ``attention_mask`` (b, t) and its first output
    is ``(b, t, dim)`` float32, one vector a token.
    ``tokenise`` returns the ids of each text, special tokens included, cut to the model's length. A text that
    consists of ``mute`` ids alone (special, unknown) has nothing to say and becomes zeros.
    """

    def __init__(
        self,
        session: Session,
        tokenise: Tokenise,
        dim: int,
        *,
        pooling: Pooling = "mean",
        mute: Collection[int] = (),
        pad: int = 0,
    ) -> None:
        self._session = session
        self.tokenise = tokenise
        self.dim = dim
        self._pooling = pooling
        self.mute = frozenset(mute)
        self._mute = np.array(sorted(mute), dtype=np.int64)
        self._pad = pad
        self._dtype = np.dtype(session.spec.inputs[0].dtype)
        self._output = session.spec.output_names[0]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(len(texts), dim)`` unit vectors, in the order of ``texts``."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for batch, hidden, mask, _ in self._runs(texts):
            if self._pooling == "cls":
                out[batch] = unit(hidden[:, 0])
            else:
                out[batch] = unit(np.einsum("btd,bt->bd", hidden, mask.astype(np.float32)))
        return out

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one vector a token of each text, ``(t_i, dim)`` as the model gives them, special ones left out.

        A text without anything to say gives ``(0, dim)``.
        """
        out = [np.zeros((0, self.dim), np.float32)] * len(texts)
        for batch, hidden, mask, tokens in self._runs(texts):
            keep = mask & ~np.isin(tokens, self._mute)
            for row, k in enumerate(batch):
                out[k] = hidden[row, keep[row]]
        return out

    def _runs(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[list[int], NDArray[np.float32], NDArray[np.bool_], NDArray[Any]]]:
        """Yield which texts, their rows (b, t, dim), which of them are text (b, t), and the tokens (b, t)."""
        if not texts:
            return
        # Half a surrogate pair is no UTF-8: tokenisers refuse it.
        clean = [t.encode("utf-8", "replace").decode("utf-8") for t in texts]
        ids = [np.asarray(i, dtype=np.int64) for i in self.tokenise(clean)]
        speaking = [k for k, i in enumerate(ids) if not np.isin(i, self._mute).all()]
        # Texts of like length share a batch, so that almost nothing is padding.
        for batch in by_length([len(ids[k]) for k in speaking]):
            chosen = [speaking[k] for k in batch]
            tokens, mask = padded([ids[k] for k in chosen], self._pad, self._dtype)
            inputs = {"input_ids": tokens, "attention_mask": mask.astype(self._dtype)}
            yield chosen, self._session.run(inputs)[self._output], mask, tokens


def by_length(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Cut 0..len(sizes), sorted by size, so that no padded batch exceeds `BATCH_TOKENS` (one text always fits)."""
    batch: list[int] = []
    for k in sorted(range(len(sizes)), key=lambda k: sizes[k]):
        if batch and (len(batch) + 1) * sizes[k] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(k)
    if batch:
        yield batch


def padded(ids: Sequence[NDArray[np.int64]], pad: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return texts side by side (b, t), filled behind with ``pad``, and where they are text."""
    lengths = np.array([len(i) for i in ids])
    mask = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.full(mask.shape, pad, dtype=dtype)
    tokens[mask] = np.concatenate(ids)
    return tokens, mask


def encoder_files(
    source: Path,
    folder: Path,
    *,
    precision: Precision = "fp32",
    max_tokens: int = 512,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Write the files of a BERT-like encoder into ``folder`` and return their spec.

    Pooling and the longest text are those of sentence-transformers where it wrote them, else the mean of all rows.

    Raises:
        ConfigError: the architecture or the pooling is not supported, or the tokenizer is another model's.
        ArtifactMissing, ArtifactDamaged, ShapeMismatch: files of the model are missing or do not fit together.
    """
    architecture, segments = BertArchitecture.from_folder(source), Segments.from_file(source / TOKENIZER)
    tokens = Tokens.from_file(source / TOKENIZER)
    tokens.check_rows(architecture.vocabulary)
    layout = SentenceLayout.from_folder(source, tokens)
    shutil.copyfile(source / TOKENIZER, folder / TOKENIZER)
    with WeightFile(folder / "weights.data") as store:
        graph = bert_graph(architecture, Weights(source), store, precision=precision, calibration=calibration)
    (folder / "model.onnx").write_bytes(graph)
    write_exact(folder, precision)
    return {
        "task": "encoder",
        "graph": GRAPH_VERSION,
        "precision": precision,
        "max_tokens": min(max_tokens, architecture.max_tokens, layout.max_tokens or max_tokens),
        "dim": architecture.hidden,
        "pooling": layout.pooling,
        "pad": architecture.pad,
        "segments": segments.fields(),
    }


def encoder_from(artifact: Artifact, provider: str = "cpu", threads: int | None = None) -> Encoder:
    """Return the encoder of a checked artifact. Raises `ArtifactDamaged` for one of another version."""
    check_graph(artifact)
    tokens, segments = artifact.tokens(), Segments(**artifact.field("segments"))
    limit = int(artifact.field("max_tokens"))

    def tokenise(texts: Sequence[str]) -> list[list[int]]:
        return [segments.single(ids, limit)[0].tolist() for ids in tokens.encode_all(texts)]

    return Encoder(
        artifact.session("model.onnx", provider, threads),
        tokenise,
        int(artifact.field("dim")),
        pooling="cls" if artifact.field("pooling") == "cls" else "mean",
        mute=mute_ids(tokens, segments),
        pad=int(artifact.field("pad")),
    )


def mute_ids(tokens: Tokens, segments: Segments) -> set[int]:
    """Return the tokens that say nothing: those around a text, and the unknown one."""
    unknown = tokens.unknown
    return segments.special() | (set() if unknown is None else {unknown})


def check_graph(artifact: Artifact) -> None:
    """Raises `ArtifactDamaged` for an encoder's graph of another version."""
    if artifact.spec.get("graph") != GRAPH_VERSION:
        raise ArtifactDamaged(f"{artifact.folder} has a graph of another version than is read: export it again")
