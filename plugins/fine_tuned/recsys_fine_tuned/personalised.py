"""A personalised language model at serving: soft rows by numpy, text on the runtime; torch is never imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.artifacts import read_json
from recsys.errors import ArtifactDamaged
from recsys.runtime.causal import CausalLM
from recsys.runtime.constraints import Constraint
from recsys.runtime.decoder import open_decoder
from recsys.runtime.decoding import Reply
from recsys.runtime.models import verify
from recsys.runtime.prefixes import Prompt
from recsys_fine_tuned.conditioning import Conditioner, Conditioning, Rows
from recsys_fine_tuned.rows import Layout
from recsys_fine_tuned.tokenizer import SEP

SPEC, DECODER, FORMAT = "personalised.json", "decoder", 1
_HEAD, _ROWS = "heads.", "conditioning."


class PersonalisedLM:
    """A causal model, the rows that it is conditioned on, and its rating head; thread-safe.

    ``users[i]`` (u, d) are vectors of a shopper's history, the latest last, ``items[i]`` (i, d) of the items in
    question; None = nobody, none. Sources are trusted texts: clean foreign ones by `recsys_fine_tuned.tokenizer.plain`.
    """

    def __init__(
        self, model: CausalLM, embeddings: Rows, conditioner: Conditioner, head: Mapping[str, Rows], about: Any = None
    ) -> None:
        if model.tokens is None:
            raise ArtifactDamaged("a personalised model needs its tokenizer")
        self.model, self.conditioner, self.about = model, conditioner, dict(about or {})
        self._embeddings, self._head = embeddings, head
        self.layout = Layout(model.tokens, conditioner.spec, model.max_tokens)

    @classmethod
    def open(
        cls, folder: Path, *, threads: int | None = None, prefix_bytes: int = 0,
        opener: Callable[[Path], CausalLM] | None = None,
    ) -> Self:  # fmt: skip
        """Verify and load an artifact; ``opener`` opens its decoder instead of the runtime's own `open_decoder`.

        Raises:
            ArtifactMissing, ArtifactDamaged, ShapeMismatch: files are missing, changed, or do not fit together.
        """
        spec = read_json(folder / SPEC)
        try:
            if spec["format"] != FORMAT:
                raise ArtifactDamaged(f"{folder} has format {spec['format']}, this version reads {FORMAT}")
            files, about = dict(spec["files"]), dict(spec["trained"])
            wanted = {n: str(files[n]) for n in ("conditioning.json", "conditioning.safetensors")}
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactDamaged(f"{folder / SPEC} is damaged: {error}") from error
        for name, sha in wanted.items():
            verify(folder / name, sha)
        model = opener(folder / DECODER) if opener else open_decoder(
            folder / DECODER, threads=threads, prefix_bytes=prefix_bytes
        )  # fmt: skip
        tensors = _arrays(folder / "conditioning.safetensors")
        conditioner = Conditioner(
            Conditioning(**read_json(folder / "conditioning.json")),
            {n.removeprefix(_ROWS): t for n, t in tensors.items() if n.startswith(_ROWS)},
        )
        head = {n.removeprefix(_HEAD): t for n, t in tensors.items() if n.startswith(_HEAD)}
        embeddings = np.load(folder / DECODER / "embeddings.npy", mmap_mode="r", allow_pickle=False)
        return cls(model, embeddings, conditioner, head, about)

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
        self, prompts: Sequence[Prompt], answers: Sequence[Sequence[str]], *, mean: bool = False
    ) -> list[NDArray[np.float32]]:
        """Return log p of every answer, its end token included, behind its prompt: one (n_i,) array a prompt."""
        known = {text: Prompt((self.layout.target(text),)) for group in answers for text in group}
        return self.model.score(prompts, [[known[t] for t in group] for group in answers], mean=mean)

    def ratings(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return the rating that the head foresees behind each prompt of task "rating", (b,)."""
        if not prompts:
            return np.zeros(0, np.float32)
        hidden = np.concatenate(self.model.hidden(prompts, [[Prompt(())]] * len(prompts)))
        inside = 1.0 / (1.0 + np.exp(-(hidden @ self._head["rating0.weight"].T + self._head["rating0.bias"])))
        out: NDArray[np.float32] = (inside @ self._head["rating2.weight"].T + self._head["rating2.bias"])[:, 0]
        return out.astype(np.float32)

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
        """Return the answer to each prompt, greedily at temperature 0; an answer never holds the separator."""
        return self.model.generate(
            prompts, max_new_tokens=max_new_tokens, stop=(SEP,), constraint=constraint, temperature=temperature,
            seed=seed, deadline=deadline,
        )  # fmt: skip

    def _mean(self, ids: NDArray[np.int64]) -> Rows:
        if not len(ids):
            return np.zeros(self.conditioner.spec.hidden, np.float32)
        out: Rows = np.asarray(self._embeddings[ids], np.float32).mean(axis=0)
        return out


def _arrays(path: Path) -> dict[str, Rows]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return {n: np.asarray(t, np.float32) for n, t in load(path.read_bytes()).items()}
    except SafetensorError as error:
        raise ArtifactDamaged(f"{path} is no safetensors file: {error}") from error
