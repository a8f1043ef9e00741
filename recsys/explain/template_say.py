"""Puts what is told of an item into the words of a language."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from recsys.explain.template_plan import BOTH_CHARS, Told
from recsys.explain.wording import Patterns, Phrases
from recsys.explain.wording_parts import capital, ended, item_name, joined, quote_text, value_text, when_text
from recsys.explanation import Case, Confidence

_CLAUSES = ("main", "also", "shared", "like")


class Saying:
    """Puts what is told about one case into words."""

    def __init__(self, case: Case, words: Phrases) -> None:
        self.case, self.words = case, words
        # The seed alone decides how a list goes on, so neighbours differ; where it begins is the shopper's.
        self.turn = case.seed + crc32((case.user or "").encode("utf-8", "surrogatepass"))
        self.detail = crc32(f"{case.item_id} {case.seed}".encode("utf-8", "surrogatepass"))

    def sentences(self, told: Sequence[Told], sure: Confidence) -> list[str]:
        """Return one sentence for each thing told, as sure as ``sure``."""
        lead, *rest = told
        out = [self._sentence(self.words.leads[lead.kind][sure], lead, self.turn)]
        for place, one in enumerate(rest):
            patterns = self.words.follows[one.kind]
            out.append(self._sentence(patterns, one, self.detail + place))
        return out

    def _sentence(self, patterns: Patterns, told: Told, turn: int) -> str:
        pattern = patterns[turn % len(patterns)]
        values = {slot: self._slot(slot, told) for slot in pattern.slots}
        if self.words.colon_capital:
            begun = {slot for text, slot, *_ in pattern.parts if text.endswith(": ") and slot in _CLAUSES}
            values |= {slot: capital(values[slot]) for slot in begun}
        return ended(capital(pattern.fill(values)))

    def _slot(self, slot: str, told: Told) -> str:
        """Return the text of a slot."""
        words, case = self.words, self.case
        if slot in ("main", "also"):
            return words.acts[self._kind(told)][slot].fill(self._event(told))
        if slot in ("shared", "like"):
            return self._value(slot, told)
        if slot == "quote":
            return self._quotes(told)
        if slot == "aspect":
            return told.fact.aspect or ""
        if slot == "query":
            return self._query(told)
        if slot == "found":
            return self._found(told)
        if slot == "count":
            return words.number(told.evidence[0].count or 0)
        return when_text(words, told.evidence[0].time, case.now)

    def _quotes(self, told: Told) -> str:
        quotes = [e.quote or "" for e in told.evidence]
        if sum(map(len, quotes)) > BOTH_CHARS:
            quotes = [quotes[self.detail % len(quotes)]]
        return quote_text(self.words, quotes)

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
        found = list(dict.fromkeys(value_text(self.words, "", e.value or "").casefold() for e in told.evidence))
        return joined(self.words, [self.words.words["quote"].fill({"quote": one}) for one in found])

    def _found(self, told: Told) -> str:
        places = dict.fromkeys(self.words.found.get(e.field or "", self.words.found["other"]) for e in told.evidence)
        return joined(self.words, list(places))
