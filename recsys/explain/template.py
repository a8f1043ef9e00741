"""The explainer that needs no model: puts the strongest facts of an item into one to three short sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

from recsys.errors import ConfigError
from recsys.explain.template_plan import Told, confidence, plan
from recsys.explain.wording import LOCALES, Patterns, Phrases, phrases
from recsys.explain.wording_parts import capital, ended, item_name, joined, quote_text, value_text, when_text
from recsys.explanation import Case, Confidence, Evidence, Explanation
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
            files: locale -> file of phrases, for further languages or other words.
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
        found = self._phrases.get(case.locale) or self._phrases.get(case.locale.replace("_", "-").partition("-")[0])
        if found is None:
            known = ", ".join(sorted(self._phrases))
            raise ConfigError(f"no phrases in the language {case.locale!r}: choose one of {known}")
        if case.register not in found:
            raise ConfigError(f"no register {case.register!r}: choose one of {', '.join(found)}")
        return found[case.register]

    def _explain(self, case: Case) -> Explanation:
        words = self.phrases_for(case)
        told = plan(case, words, self.config.sentences or words.sentences)
        if not told:
            return Explanation()
        sure = confidence(told)
        text = " ".join(_Saying(case, words).sentences(told, sure))
        evidence: dict[Evidence, None] = dict.fromkeys(e for t in told for e in t.evidence)
        drops = (t.fact.causal_drop for t in told if t.event is not None)
        return Explanation(
            text=text, kind="template", evidence=tuple(evidence), confidence=sure,
            causal_drop=next((d for d in drops if d is not None), None),
        )  # fmt: skip


class _Saying:
    """Puts what is told about one case into words."""

    def __init__(self, case: Case, words: Phrases) -> None:
        self.case, self.words = case, words
        # The seed alone decides how a list goes on, so neighbours differ; where it begins is the shopper's.
        self.turn = case.seed + crc32((case.user or "").encode("utf-8", "surrogatepass"))
        self.detail = crc32(f"{case.item_id} {case.seed}".encode("utf-8", "surrogatepass"))

    def sentences(self, told: Sequence[Told], sure: Confidence) -> list[str]:
        lead, *rest = told
        out = [self._sentence(self.words.leads[lead.kind][sure], lead, self.turn)]
        for place, one in enumerate(rest):
            patterns = self.words.follows[one.kind]
            out.append(self._sentence(patterns, one, self.detail + place))
        return out

    def _sentence(self, patterns: Patterns, told: Told, turn: int) -> str:
        pattern = patterns[turn % len(patterns)]
        values = {slot: self._slot(slot, told) for slot in pattern.slots}
        return ended(capital(pattern.fill(values)))

    def _slot(self, slot: str, told: Told) -> str:
        """Return the text of a slot."""
        words, case = self.words, self.case
        if slot in ("main", "also"):
            return words.acts[self._kind(told)][slot].fill(self._event(told))
        if slot in ("shared", "like"):
            return self._value(slot, told)
        if slot == "quote":
            return quote_text(words, [e.quote or "" for e in told.evidence])
        if slot == "aspect":
            return told.fact.aspect or ""
        if slot == "query":
            return self._query(told)
        if slot == "found":
            return self._found(told)
        if slot == "count":
            return words.number(told.evidence[0].count or 0)
        return when_text(words, told.evidence[0].time, case.now)

    def _kind(self, told: Told) -> str:
        assert told.event is not None
        assert told.event.event_kind is not None
        return told.event.event_kind

    def _event(self, told: Told) -> dict[str, str]:
        event = told.event
        assert event is not None
        same = event.item_id == self.case.item_id
        item = self.words.words["self"].fill({}) if same else item_name(self.words, event.title)
        return {"item": item, "when": when_text(self.words, event.time, self.case.now)}

    def _value(self, slot: str, told: Told) -> str:
        assert told.value is not None
        value = told.value.value or ""
        field = (told.value.field or "").casefold()
        patterns = self.words.fields.get(field, self.words.fields["other"])[slot]
        event = self._event(told)
        values = {"value": value_text(self.words, field, value), "item": event["item"]}
        values["relative"] = self.words.acts[self._kind(told)]["relative"].fill({"when": event["when"]})
        return patterns[self.detail % len(patterns)].fill(values)

    def _query(self, told: Told) -> str:
        found = list(dict.fromkeys((e.value or "").casefold() for e in told.evidence))
        return joined(self.words, [self.words.words["quote"].fill({"quote": one}) for one in found])

    def _found(self, told: Told) -> str:
        places = dict.fromkeys(self.words.found.get(e.field or "", self.words.found["other"]) for e in told.evidence)
        return joined(self.words, list(places))
