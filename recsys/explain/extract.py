"""The extractive explainer: what reviewers wrote, word for word, and which aspect it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from recsys.explain.template import Template, said
from recsys.explain.template_plan import Told, aspect_told
from recsys.explanation import Case, Explanation
from recsys.protocols import Deps


class Extract:
    """Quotes spans of reviews of the item, as the facts of kind "aspect" hold them; no word of them is changed.

    A span that cannot stand in a sentence as it is (markup, quotation marks, too long) is not quoted, and one that was
    quoted for an aspect is not quoted again for another.
    """

    class Config(BaseModel):
        """Settings.

        Attributes:
            sentences: at most so many, each about one aspect.
            fallback: what says something where there is no quote: "template", or "nothing".
            template: settings of the template.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        sentences: int = Field(2, ge=1, le=5)
        fallback: Literal["nothing", "template"] = "nothing"
        template: Template.Config = Field(default_factory=Template.Config)

    def __init__(self, config: Config | None = None) -> None:
        """Read all phrases. Raises `ConfigError` for one that is wrong."""
        self.config = config or self.Config()
        self.template = Template(self.config.template)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case, of kind "extract", or the fallback's where no review can be quoted.

        Raises:
            ConfigError: a language or register that there are no phrases of.
        """
        out = [said(case, self.template.phrases_for(case), self._told(case), "extract") for case in cases]
        if self.config.fallback == "template":
            silent = [place for place, one in enumerate(out) if not one.text]
            for place, one in zip(silent, self.template.explain([cases[p] for p in silent]), strict=True):
                out[place] = one
        return out

    def _told(self, case: Case) -> list[Told]:
        words = self.template.phrases_for(case)
        out: list[Told] = []
        for fact in sorted(case.facts, key=lambda f: -f.strength):
            if len(out) >= self.config.sentences:
                break
            told = aspect_told(case, words, fact, out) if fact.kind == "aspect" else None
            if told is not None:
                out.append(told)
        return out
