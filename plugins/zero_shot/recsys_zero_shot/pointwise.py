"""The reranker `pointwise`: the model judges one candidate at a time, by "yes" or "no", or by a rating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys.dataset import ItemTable
from recsys.errors import PromptError
from recsys.rerank.prompted import Answered, Asked
from recsys.runtime.causal import CausalLM
from recsys.runtime.prefixes import Prompt
from recsys.types import Scores
from recsys_zero_shot.packs import Packed, pack_file


class Pointwise(Packed):
    """Asks about each candidate by itself; no reply is written, the likelihoods of the answers are read.

    With a template of the task "direct" or "sequential" the score is the log odds of its first answer against its
    second ("yes", "no"); with one of the task "rating" it is the expected rating over its answers ("1" to "5").
    The shopper is read once for all candidates (Dai et al. 2023, arXiv 2305.02182; Liu et al. 2023, arXiv 2304.10149).
    """

    form = "pointwise"
    tasks = frozenset({"direct", "sequential", "rating"})
    pack = pack_file("direct/yes-no")
    answers = 2

    def __init__(self, config: Any, items: ItemTable, model: CausalLM) -> None:
        """Read the template. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        super().__init__(config, items, model)
        self._lead, self._ids = self.assembler.answers()
        self._ratings = (
            _numbers(self.template.answers, self.template.source) if self.template.task == "rating" else None
        )

    def answer(self, asked: Sequence[Asked], deadline: float | None) -> list[Answered]:
        """Return log odds or expected ratings."""
        prefixes = [Prompt((self._shared(a),), a.request.user or "") for a in asked]
        each = [[Prompt((self.assembler.each({"item": self.text(row)}), self._lead)) for row in a.rows] for a in asked]
        found = self.model.choice_logits(prefixes, each, self._ids, deadline=deadline)
        read = [len(p) + sum(map(len, some)) for p, some in zip(prefixes, each, strict=True)]
        return [Answered(self._scores(logits), {"tokens_in": n}) for logits, n in zip(found, read, strict=True)]

    def _shared(self, asked: Asked) -> Any:
        return self.assembler.shared(self.values(asked), self.assembler.each_most).ids

    def _scores(self, logits: Scores) -> Scores:
        if self._ratings is None:
            return np.asarray(logits[:, 0] - logits[:, 1], np.float32)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return np.asarray(weights @ self._ratings / weights.sum(axis=1), np.float32)


def _numbers(answers: dict[str, str], source: str) -> Scores:
    try:
        return np.array([float(name) for name in answers], np.float32)
    except ValueError as error:
        raise PromptError(f"{source}: answers: the answers of a rating are named by numbers") from error
