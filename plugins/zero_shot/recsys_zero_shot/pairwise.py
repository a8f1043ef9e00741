"""The reranker `pairwise`: the model chooses between two candidates, asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.rerank.prompted import Answered, Asked
from recsys.runtime.causal import CausalLM
from recsys.runtime.prefixes import Prompt
from recsys.types import Scores
from recsys_zero_shot.packs import Packed, pack_file


class Pairwise(Packed):
    """Every pair of the window is asked about in both orders; the mean of the two answers favours no place.

    A candidate's score is its mean chance to be preferred over another (pairwise ranking prompting, Qin et al. 2024,
    arXiv 2306.17563; Dai et al. 2023). n candidates are n x (n - 1) questions behind one prefix: keep ``window`` small.
    """

    class Config(Packed.Config):
        """``window`` is 10 here: 90 questions."""

        window: int = Field(10, ge=1, le=100)

    form = "pairwise"
    pack = pack_file("direct/pair")
    answers = 2
    whole_list = True

    def __init__(self, config: Any, items: ItemTable, model: CausalLM) -> None:
        """Read the template. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        super().__init__(config, items, model)
        self._lead, self._ids = self.assembler.answers()

    def answer(self, asked: Sequence[Asked], deadline: float | None) -> list[Answered]:
        """Return mean chances in [0, 1]; an only candidate has no score."""
        prefixes = [Prompt((self._shared(a),), a.request.user or "") for a in asked]
        pairs = [self._pairs(a.rows) for a in asked]
        found = self.model.choice_logits(prefixes, pairs, self._ids, deadline=deadline)
        read = [len(p) + sum(map(len, some)) for p, some in zip(prefixes, pairs, strict=True)]
        return [
            Answered(_chances(preferences(logits, len(a.rows))), {"tokens_in": n, "questions": len(logits)})
            for a, logits, n in zip(asked, found, read, strict=True)
        ]

    def _shared(self, asked: Asked) -> Any:
        return self.assembler.shared(self.values(asked), self.assembler.each_most).ids

    def _pairs(self, rows: Sequence[int]) -> list[Prompt]:
        texts = [self.text(row) for row in rows]
        n = len(rows)
        return [
            Prompt((self.assembler.each({"first": texts[i], "second": texts[j]}), self._lead))
            for i in range(n)
            for j in range(n)
            if i != j
        ]


def preferences(logits: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Return (n, n) how much i is preferred over j, antisymmetric.

    ``logits`` (n x (n - 1), 2) are those of "the first" and "the second" for all ordered pairs (i, j), i != j, row by
    row.
    """
    lead = np.zeros((n, n), np.float32)
    lead[~np.eye(n, dtype=np.bool_)] = logits[:, 0] - logits[:, 1]
    turned: NDArray[np.float32] = (lead - lead.T) * np.float32(0.5)
    return turned


def _chances(preferred: NDArray[np.float32]) -> Scores:
    n = len(preferred)
    if n < 2:
        return np.full(n, np.nan, np.float32)
    chances = 1 / (1 + np.exp(-np.clip(preferred, -30, 30)))
    return np.asarray((chances.sum(axis=1) - 0.5) / (n - 1), np.float32)  # less the half of everyone against itself
