"""The explainer that needs no model: puts the strongest facts of an item into one to three short sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from recsys.errors import ConfigError
from recsys.explain.template_plan import Told, confidence, plan
from recsys.explain.template_say import Saying
from recsys.explain.wording import Phrases
from recsys.explain.wording_read import phrases
from recsys.explanation import LOCALES, Case, Evidence, Explanation, language_of
from recsys.protocols import Deps


class Template:
    """Says facts in phrases of a language, see ``phrases.<locale>.toml``.

    Every text holds against its own evidence: there is a phrase for what a fact says, and for nothing else. Neighbours
    in a list, whose seeds follow one another, begin in different words. The same case always gives the same text.
    """

    class Config(BaseModel):
        """Settings.

        Attributes:
            sentences: at most so many; None leaves it to the register.
            files: locale -> file of phrases, for other words. An engine checks what it says, and takes the languages
                of `recsys.explanation.LOCALES` alone: a further language is for who uses the template without one.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        sentences: int | None = Field(None, ge=1, le=5)
        files: dict[str, str] = Field(default_factory=dict)

    def __init__(self, config: Config | None = None) -> None:
        """Read all phrases. Raises `ConfigError` for one that is wrong."""
        self.config = config or self.Config()
        known = {locale: phrases(locale) for locale in LOCALES}
        own = {locale: phrases(locale, file) for locale, file in self.config.files.items()}
        self._phrases: Mapping[str, Mapping[str, Phrases]] = {**known, **own}

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case; of kind "none" where no fact can be said.

        Raises:
            ConfigError: a language or register that there are no phrases of.
        """
        return [self._explain(case) for case in cases]

    def phrases_for(self, case: Case) -> Phrases:
        """Return the phrases of a case: of its language, "de" for "de-AT". Raises `ConfigError` if there are none."""
        found = self._phrases.get(case.locale) or self._phrases.get(language_of(case.locale))
        if found is None:
            known = ", ".join(sorted(self._phrases))
            raise ConfigError(f"no phrases in the language {case.locale!r}: choose one of {known}")
        if case.register not in found:
            raise ConfigError(f"no register {case.register!r}: choose one of {', '.join(found)}")
        return found[case.register]

    def _explain(self, case: Case) -> Explanation:
        words = self.phrases_for(case)
        return said(case, words, plan(case, words, self.config.sentences or words.sentences), "template")


def said(case: Case, words: Phrases, told: Sequence[Told], kind: str) -> Explanation:
    """Return the explanation of ``kind`` that tells this, with the evidence that its words rest on and no more."""
    if not told:
        return Explanation()
    sure = confidence(told)
    evidence: dict[Evidence, None] = dict.fromkeys(e for t in told for e in t.evidence)
    drops = (t.fact.causal_drop for t in told if t.event is not None)
    return Explanation(
        text=" ".join(Saying(case, words).sentences(told, sure)), kind=kind, evidence=tuple(evidence), confidence=sure,
        causal_drop=next((d for d in drops if d is not None), None),
    )  # fmt: skip
