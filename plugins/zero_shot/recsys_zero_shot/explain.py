"""The explainer `prompted`: a causal model puts checked statements about an item into its own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pydantic import Field

from recsys.explain.check import check
from recsys.explain.statements import evidence_of, reworded, told
from recsys.explain.template import Template
from recsys.explanation import Case, Explanation
from recsys.protocols import Deps
from recsys.rerank.assemble import Entries, Values
from recsys.rerank.foreign import clean
from recsys.rerank.prompted import causal_model
from recsys.runtime.causal import CausalLM
from recsys_zero_shot.writing import Writer, WritingConfig

TITLE_CHARS = 160


class Prompted:
    """Gives the model the strongest facts of a case as sentences of the template explainer; it writes the reason.

    A text stands only if every statement of it passes `recsys.explain.check` against the case's own evidence; where
    one does not, the template speaks. Prompts hold titles, quotes and acts, no id and no name of a shopper.
    ``slow`` tells an engine that lists do not wait for it: its texts join later ones.
    """

    slow: ClassVar[bool] = True

    class Config(WritingConfig):
        """``facts``: so many of the strongest are given to the model."""

        facts: int = Field(3, ge=1, le=10)

    def __init__(self, config: Config, model: CausalLM, template: Template | None = None) -> None:
        """Read the prompt. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        self.config = config
        self.fallback = template or Template()
        self.writer = Writer(config, model, "explanation", "explanation/zero-shot", {"item", "facts"})

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings; the model is opened, or shared with whoever opened it before."""
        return cls(config, causal_model(config.model, deps))

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case: of kind "generated" where the model's text holds, else the template's.

        Raises:
            ConfigError: a language or register that there are no phrases of.
        """
        out = self.fallback.explain(cases)
        facts = [told(case, self.fallback, self.config.facts) for case in cases]
        some = [i for i, said in enumerate(facts) if said]
        texts = self.writer.write([_values(cases[i], facts[i]) for i in some])
        for i, text in zip(some, texts, strict=True):
            case, evidence = cases[i], evidence_of(facts[i])
            found = check(text, evidence, case.title, now=case.now, locale=case.locale, item_id=case.item_id)
            # Words that claim nothing are no reason.
            if found.supported and found.used:
                out[i] = reworded(case, found.text, evidence, out[i])
        return out


def _values(case: Case, said: Sequence[Explanation]) -> Values:
    facts = Entries([{"fact": one.text} for one in said])
    return Values({"item": clean(case.title, TITLE_CHARS) or "this product"}, {"facts": facts})
