"""Review summaries: a headline over what reviewers say of one item."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.rerank.assemble import Entries, Values
from recsys.rerank.foreign import clean
from recsys.runtime.causal import CausalLM
from recsys.types import Review
from recsys_zero_shot.writing import Writer, WritingConfig

TITLE_CHARS, REVIEW_CHARS = 160, 1200


class Headlines:
    """Writes a headline over the reviews of an item (the review summary of P5, Geng et al. 2022, arXiv 2203.13366).

    >>> from recsys.testing.fakes import FakeCausalLM
    >>> reviews = [Review(user_id="u", item_id="i", text="Light, and it dries fast.")]
    >>> model = FakeCausalLM(["Light and quick to dry"])
    >>> Headlines(WritingConfig(budget=4096), model).write([("Rain jacket", reviews)])
    ['Light and quick to dry']
    """

    def __init__(self, config: WritingConfig, model: CausalLM) -> None:
        """Read the prompt. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        self.writer = Writer(config, model, "review-summary", "review-summary/zero-shot", {"item", "reviews"})

    def write(self, items: Sequence[tuple[str, Sequence[Review]]], deadline: float | None = None) -> list[str]:
        """Return a headline for each (title, reviews), "" without a review. Nothing names a reviewer."""
        texts = [[t for r in reviews if (t := clean(r.text, REVIEW_CHARS))] for _, reviews in items]
        some = [i for i, said in enumerate(texts) if said]
        asked = [
            Values({"item": clean(items[i][0], TITLE_CHARS)}, {"reviews": Entries([{"review": t} for t in texts[i]])})
            for i in some
        ]
        found = dict(zip(some, self.writer.write(asked, deadline), strict=True))
        return [found.get(i, "") for i in range(len(items))]
