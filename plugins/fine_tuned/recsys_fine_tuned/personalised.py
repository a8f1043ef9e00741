"""A personalised language model at serving: soft rows by numpy, text on the runtime; torch is never imported."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged, ConfigError, ShapeMismatch
from recsys.runtime.artifact import Artifact
from recsys.runtime.batching import JoinedCausal
from recsys.runtime.causal import CausalLM
from recsys.runtime.constraints import Constraint
from recsys.runtime.decoder import causal_from
from recsys.runtime.decoding import Reply
from recsys.runtime.prefixes import Prompt
from recsys.runtime.weights import Table
from recsys_fine_tuned.conditioning import Conditioner, Conditioning, Rows
from recsys_fine_tuned.rows import Layout
from recsys_fine_tuned.tasks import REVIEW_CHARS, title_of
from recsys_fine_tuned.tokenizer import plain

TASK = "personalised"
WEIGHTS, VECTORS, IDS = "conditioning.safetensors", "vectors", "ids.json"
_HEAD, _ROWS = "heads.", "conditioning."


class PersonalisedLM:
    """A causal model, the rows that it is conditioned on, and its rating head; thread-safe.

    ``users[i]`` (u, d) are vectors of a shopper's history, the latest last, ``items[i]`` (i, d) of the items in
    question; None = nobody, none. Sources are trusted texts: clean foreign ones by `recsys_fine_tuned.tokenizer.plain`.
    """

    def __init__(
        self,
        model: CausalLM,
        embeddings: Table,
        conditioner: Conditioner,
        head: Mapping[str, Rows],
        *,
        vectors: Mapping[str, Rows] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if model.tokens is None:
            raise ConfigError("a personalised model needs its tokenizer")
        self.model, self.conditioner = model, conditioner
        self.vectors, self.about = dict(vectors or {}), dict(about or {})
        self._embeddings, self._head = embeddings, head
        self.layout = Layout(model.tokens, conditioner.spec, model.max_tokens)

    @classmethod
    def open(
        cls,
        folder: Path,
        sha256: str = "",
        *,
        provider: str = "cpu",
        threads: int | None = None,
        prefix_bytes: int = 0,
        join_ms: float = 0.0,
    ) -> Self:
        """Verify and load an artifact that `recsys_fine_tuned.personalised_training.Trained.export` wrote.

        The options are those of a section ``[models.NAME]``, see `recsys.config.ModelSettings`.

        Raises:
            ArtifactMissing, ArtifactDamaged, ShapeMismatch: files are missing, changed, or do not fit together.
            ConfigError: it is an artifact for another task.
        """
        artifact = Artifact.open(folder, sha256)
        if artifact.spec["task"] != TASK:
            raise ConfigError(f"{folder} is a model for {artifact.spec['task']!r}, not for {TASK!r}")
        # The decoder inside is one like any other.
        inside = dataclasses.replace(artifact, spec={**artifact.spec, "task": "causal"})
        model = causal_from(inside, provider, threads, prefix_bytes)
        if join_ms:
            model = JoinedCausal(model, wait_ms=join_ms)
        tensors = _arrays(folder / WEIGHTS)
        try:
            spec = Conditioning(**artifact.field("conditioning"))
        except TypeError as error:
            raise ArtifactDamaged(f"{folder}: the sizes of the conditioning are damaged: {error}") from error
        conditioner = Conditioner(spec, _part(tensors, _ROWS))
        vectors = _vectors(artifact, spec.width) if artifact.spec.get("vectors") else {}
        about = artifact.field("trained")
        return cls(
            model, artifact.table("embeddings"), conditioner, _part(tensors, _HEAD), vectors=vectors, about=about
        )

    def vectors_of(self, ids: Sequence[str]) -> Rows:
        """Return the vectors kept for these items, (n, width); zeros for items that are not known."""
        nothing = np.zeros(self.conditioner.spec.width, np.float32)
        found = [self.vectors.get(i, nothing) for i in ids]
        return np.array(found, np.float32).reshape(len(ids), len(nothing))

    def prompts(
        self,
        task: str,
        sources: Sequence[str],
        users: Sequence[Rows | None] | None = None,
        items: Sequence[Rows | None] | None = None,
        tags: Sequence[str] | None = None,
    ) -> list[Prompt]:
        """Return what the model reads for each case: soft rows, task token, text, separator."""
        n = len(sources)
        ids = [self.layout.source(task, text) for text in sources]
        queries = np.array([self._mean(i[1:-1]) for i in ids], np.float32).reshape(n, self.conditioner.spec.hidden)
        rows = self.conditioner.rows(users or [None] * n, items or [None] * n, queries)
        return [
            Prompt((soft, text) if len(soft) else (text,), tag)
            for soft, text, tag in zip(rows, ids, tags or [""] * n, strict=True)
        ]

    def likelihoods(
        self,
        prompts: Sequence[Prompt],
        answers: Sequence[Sequence[str]],
        *,
        mean: bool = False,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """Return log p of every answer, its end token included, behind its prompt: one (n_i,) array a prompt.

        Raises:
            BudgetExceeded: ``deadline``, a value of `time.monotonic`, has passed.
        """
        known = {text: Prompt((self.layout.target(text),)) for group in answers for text in group}
        return self.model.score(prompts, [[known[t] for t in group] for group in answers], mean=mean, deadline=deadline)

    def ratings(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return the rating that the head foresees behind each prompt of task "rating", (b,)."""
        if not prompts:
            return np.zeros(0, np.float32)
        hidden = np.concatenate(self.model.hidden(prompts, [[Prompt(())]] * len(prompts)))
        inside = 1.0 / (1.0 + np.exp(-(hidden @ self._head["rating0.weight"].T + self._head["rating0.bias"])))
        out: NDArray[np.float32] = (inside @ self._head["rating2.weight"].T + self._head["rating2.bias"])[:, 0]
        return out.astype(np.float32)

    def rate(
        self, titles: Sequence[str], users: Sequence[Rows | None], items: Sequence[Rows | None] | None = None
    ) -> NDArray[np.float32]:
        """Return the rating, 1 to 5, that each shopper is expected to give an item of this title, (b,)."""
        found = self.ratings(self.prompts("rating", [title_of(t) for t in titles], users, items))
        return np.clip(found, 1.0, 5.0)

    def summarise(
        self,
        reviews: Sequence[str],
        users: Sequence[Rows | None] | None = None,
        items: Sequence[Rows | None] | None = None,
        *,
        max_new_tokens: int = 16,
        deadline: float | None = None,
    ) -> list[str]:
        """Return a summary of each review, in the words that this shopper might choose; reviews are foreign text."""
        prompts = self.prompts("summary", [plain(r, REVIEW_CHARS) for r in reviews], users, items)
        return [reply.text.strip() for reply in self.write(prompts, max_new_tokens=max_new_tokens, deadline=deadline)]

    def write(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 40,
        constraint: Constraint | Sequence[Constraint] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        deadline: float | None = None,
    ) -> list[Reply]:
        """Return the answer to each prompt, greedily at temperature 0; slot tokens stay in its text."""
        return self.model.generate(
            prompts, max_new_tokens=max_new_tokens, constraint=constraint, temperature=temperature,
            seed=seed, deadline=deadline,
        )  # fmt: skip

    def _mean(self, ids: NDArray[np.int64]) -> Rows:
        if not len(ids):
            return np.zeros(self.conditioner.spec.hidden, np.float32)
        out: Rows = np.asarray(self._embeddings[ids], np.float32).mean(axis=0)
        return out


def _part(tensors: Mapping[str, Rows], prefix: str) -> dict[str, Rows]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _vectors(artifact: Artifact, width: int) -> dict[str, Rows]:
    try:
        ids = json.loads((artifact.folder / IDS).read_text(encoding="utf-8"))
        table = artifact.table(VECTORS)
    except (OSError, ValueError) as error:
        raise ArtifactDamaged(f"the item vectors in {artifact.folder} are damaged: {error}") from error
    if not isinstance(ids, list) or table.shape != (len(ids), width):
        raise ShapeMismatch(f"the item vectors in {artifact.folder} are {table.shape}, expected {(len(ids), width)}")
    return dict(zip(map(str, ids), np.asarray(table, np.float32), strict=True))


def _arrays(path: Path) -> dict[str, Rows]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return {n: np.asarray(t, np.float32) for n, t in load(path.read_bytes()).items()}
    except SafetensorError as error:
        raise ArtifactDamaged(f"{path} is no safetensors file: {error}") from error
