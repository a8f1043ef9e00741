"""The explainer `prompted`: a causal model puts checked statements about an item into its own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import Field

from recsys.explain.check import Checked, check
from recsys.explain.template import Template
from recsys.explanation import Case, Evidence, Explanation
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
        told = [self._told(case) for case in cases]
        some = [i for i, said in enumerate(told) if said]
        texts = self.writer.write([_values(cases[i], told[i]) for i in some])
        for i, text in zip(some, texts, strict=True):
            evidence = tuple(dict.fromkeys(e for one in told[i] for e in one.evidence))
            found = _checked(text, evidence, cases[i]) if text else None
            # Words that claim nothing are no reason.
            if found is not None and found.supported and found.used:
                out[i] = _said(cases[i], found, out[i])
        return out

    def _told(self, case: Case) -> list[Explanation]:
        facts = sorted(case.facts, key=lambda fact: -fact.strength)
        alone = self.fallback.explain([replace(case, facts=(fact,)) for fact in facts])
        return [one for one in alone if one.text][: self.config.facts]


def _values(case: Case, told: Sequence[Explanation]) -> Values:
    facts = Entries([{"fact": one.text} for one in told])
    return Values({"item": clean(case.title, TITLE_CHARS) or "this product"}, {"facts": facts})


def _checked(text: str, evidence: Sequence[Evidence], case: Case) -> Checked:
    return check(text, evidence, case.title, now=case.now, locale=case.locale, item_id=case.item_id)


def _said(case: Case, found: Checked, template: Explanation) -> Explanation:
    # What a text needs may be less than what it was given; it has to hold against that alone.
    used = found.used if _checked(found.text, found.used, case).supported else found.evidence
    drops = (f.causal_drop for f in case.facts if f.kind == "event" and f.evidence[0] in used)
    drop = next((d for d in drops if d is not None), None)
    return Explanation(
        text=found.text, kind="generated", evidence=tuple(used), confidence=template.confidence, causal_drop=drop
    )
