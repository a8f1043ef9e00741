"""Reasons with slots: what a language model is told about a case, and the text that it writes, without any name in it.

A model reads which facts there are, how sure they are and in which tone to speak; it writes ``[SEEN]``, ``[BRAND]`` or
``[QUOTE]`` where a name, value or quote belongs. No word of a catalogue or a review ever reaches it, and none that it
writes can be taken for one: both are put in afterwards, letter by letter as the facts have them. (Delexicalisation as
in Wen et al. 2015, arXiv 1508.01745.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from recsys.explain.template_plan import Told, confidence, plan
from recsys.explain.wording import Phrases
from recsys.explain.wording_parts import capital, ended, item_name, joined, quote_text, value_text, when_text
from recsys.explanation import Case, Confidence, Evidence

# Ways to begin: the model is told one of so many numbers, so that neighbours in a list differ.
TURNS = 6
SLOT = re.compile(r"\[[A-Z]+[2-9]?\]")
# Field of an item -> what the slot of its value is called; every other field's is "VALUE".
FIELDS: Mapping[str, str] = {
    "brand": "brand", "author": "author", "category": "category", "genre": "genre", "material": "material",
    "colour": "colour", "color": "colour", "size": "size", "features": "feature",
}  # fmt: skip
OTHER = "other"
# What a field is called in English, and nothing else is: "a colour, [BRAND]" is wrong.
_CALLED: Mapping[str, tuple[str, ...]] = {
    "brand": ("brand", "maker", "manufacturer"), "author": ("author",), "category": ("category", "section"),
    "genre": ("genre",), "material": ("material", "fabric"), "colour": ("colour", "color"), "size": ("size",),
    "feature": (), OTHER: (),
}  # fmt: skip
_SAID: Mapping[str, str] = {
    "purchase": "bought", "view": "looked at", "click": "clicked on", "cart": "put in the cart", "like": "liked",
    "rating": "rated", "interaction": "chose",
}  # fmt: skip
_VALUE_OF_OTHER = "VALUE"
# A slot that a text may leave out: when something was done, and the recommended item's own name.
_OPTIONAL = ("item", "when", "found")
# What changes when a text is filled: how a sentence begins, and slots anywhere.
_FILLED = re.compile(rf"(^|[.!?…]\s+)({SLOT.pattern}|[a-z])|{SLOT.pattern}")
_ENDS = re.compile(r"[.!?;]\s")
_WORD = re.compile(r"\w+")
_SPACE_TOO_MUCH = re.compile(r"\s+(?=[.,;:!?])")
_SPACE_TOO_FEW = re.compile(r"(?<=[\w.,;:!?\]])(?=\[)|(?<=\])(?=\w)")


@dataclass(frozen=True, slots=True)
class Line:
    """One fact that is told, without names.

    Attributes:
        kind: as `recsys.explain.template_plan.Told` has it, or "again": an act on the recommended item itself.
        act: kind of the event that is named. family: of the shared value's field: a value of `FIELDS`, or `OTHER`.
        roles: what stands where: "seen", "when", "value", "quote", "aspect", "query", "found", "count", "date" -> slot.
    """

    kind: str
    act: str = ""
    family: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)

    def spoken(self) -> str:
        """Return the fact as a model reads it."""
        slot = {role: f" {name}" for role, name in self.roles.items()}
        act = _SAID.get(self.act, self.act)
        seen, when, value = slot.get("seen", ""), slot.get("when", ""), slot.get("value", "")
        if self.kind == "again":
            return f"{act} this{when}"
        if self.kind == "event":
            return f"{act}{seen}{when}"
        if self.kind == "event_attribute":
            return f"{act}{seen}{when}; same {self.family}{value}"
        if self.kind == "attribute":
            return f"same {self.family}{value} as{seen}, {act}{when}"
        if self.kind == "query":
            return f"searched{slot['query']}, found{slot.get('found', '')}"
        if self.kind == "popularity":
            return f"at least{slot['count']} shoppers"
        if self.kind == "novelty":
            return f"new{slot.get('date', '')}"
        who = "one review" if self.kind.endswith("_one") else "reviews"
        return f"{who} on{slot['aspect']}:{slot['quote']}" if "aspect" in slot else f"{who}:{slot['quote']}"


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A case without names, and the names.

    Attributes:
        told: what is told, in order. lines: the same, delexicalised.
        slots: slot -> the text that takes its place. required: those that a text must hold.
        tone, sure, turn: of the wording; see `Case` and `TURNS`.
    """

    case: Case
    told: tuple[Told, ...]
    lines: tuple[Line, ...]
    slots: Mapping[str, str]
    required: frozenset[str]
    sure: Confidence
    turn: int

    @property
    def tone(self) -> str:
        """The register of the case."""
        return self.case.register

    @property
    def facts(self) -> str:
        """What a model reads of the facts, one line each."""
        return "\n".join(f"- {line.spoken()}" for line in self.lines)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What the text rests on."""
        return tuple(dict.fromkeys(e for t in self.told for e in t.evidence))

    @property
    def causal_drop(self) -> float | None:
        """Of the first event that is told and was measured."""
        drops = (t.fact.causal_drop for t in self.told if t.event is not None)
        return next((d for d in drops if d is not None), None)

    def missing(self, text: str) -> frozenset[str]:
        """Return what a text with slots should hold and does not."""
        return self.required - set(SLOT.findall(text))

    def foreign(self, text: str) -> tuple[str, ...]:
        """Return what a text with slots should not hold: slots of other cases, and those that stand in it twice."""
        found = SLOT.findall(text)
        return tuple(dict.fromkeys(s for s in found if s not in self.slots or found.count(s) > 1))

    def misplaced(self, text: str) -> tuple[str, ...]:
        """Return the slots of values that a text with slots calls by the name of another field, and not by their own.

        The checker sees a value that the item has, whatever field it is said to be in.
        """
        families = {line.roles["value"]: line.family for line in self.lines if "value" in line.roles}
        out = []
        for sentence in _ENDS.split(text):
            words = set(_WORD.findall(SLOT.sub(" ", sentence).casefold()))
            named = {family for family, nouns in _CALLED.items() if not words.isdisjoint(nouns)}
            found = [slot for slot in SLOT.findall(sentence) if slot in families]
            out += [slot for slot in found if named and families[slot] not in named]
        return tuple(out)

    def filled(self, text: str) -> str:
        """Return a text with names in place of slots, each sentence with a capital at its beginning.

        Raises:
            KeyError: a slot that the case does not have; see `foreign`.
        """

        def put(match: re.Match[str]) -> str:
            what = match[2] or match[0]
            text = self.slots[what] if SLOT.fullmatch(what) else what
            return match[1] + capital(text) if match[2] else text

        # Tokenizers take the space before a slot as part of it.
        spaced = _SPACE_TOO_FEW.sub(" ", _SPACE_TOO_MUCH.sub("", " ".join(text.split())))
        # In one pass: what a name holds is never read again, though a title may look like a slot.
        whole = _FILLED.sub(put, spaced)
        return ended(whole) if whole else ""


def draft(case: Case, phrases: Phrases, sentences: int | None = None) -> Draft | None:
    """Return what a model is told of a case; None where no fact can be put into words.

    Args:
        case: what is explained; its strongest facts are chosen as the template chooses them.
        phrases: of its language and register.
        sentences: at most so many facts; None leaves it to the register.
    """
    told = plan(case, phrases, sentences or phrases.sentences)
    if not told:
        return None
    slots: dict[str, str] = {}
    lines = [_line(case, phrases, one, slots) for one in told]
    required = frozenset(s for line in lines for role, s in line.roles.items() if role not in _OPTIONAL)
    name = item_name(phrases, case.title)
    if name:
        slots["[ITEM]"] = name
    turn = (case.seed + crc32((case.user or "").encode("utf-8", "surrogatepass"))) % TURNS
    return Draft(case, tuple(told), tuple(lines), slots, required, confidence(told), turn)


def slot_names() -> tuple[str, ...]:
    """Return every slot that there may be, in a fixed order."""
    once = ("ITEM", "ASPECT", "QUOTE", "QUERY", "FOUND", "COUNT", "DATE")
    often = ("SEEN", "WHEN", *sorted({f.upper() for f in FIELDS.values()}), _VALUE_OF_OTHER)
    return tuple(f"[{n}]" for n in once) + tuple(f"[{n}{k}]" for n in often for k in ("", "2", "3"))


def _line(case: Case, phrases: Phrases, told: Told, slots: dict[str, str]) -> Line:
    """Return a told thing without names, which are put into ``slots``."""
    if told.event is not None:
        return _of_event(case, phrases, told, told.event, slots)
    texts = {
        "query": lambda: {"query": _query(phrases, told.evidence), "found": _found(phrases, told.evidence)},
        "popularity": lambda: {"count": phrases.number(told.evidence[0].count or 0)},
        "novelty": lambda: {"date": when_text(phrases, told.evidence[0].time, case.now)},
    }
    found = texts[told.kind]() if told.kind in texts else _reviewed(case, phrases, told)
    return Line(told.kind, roles=_named(found, slots))


def _of_event(case: Case, phrases: Phrases, told: Told, event: Evidence, slots: dict[str, str]) -> Line:
    found = {"when": when_text(phrases, event.time, case.now)}
    if event.item_id == case.item_id:
        return Line("again", event.event_kind or "", roles=_named(found, slots))
    found = {"seen": item_name(phrases, event.title), **found}
    if told.value is None:
        return Line(told.kind, event.event_kind or "", roles=_named(found, slots))
    key = (told.value.field or "").casefold()
    family = FIELDS.get(key, OTHER)
    roles = _named({**found, "value": value_text(phrases, key, told.value.value or "")}, slots, value=family)
    return Line(told.kind, event.event_kind or "", family, roles)


def _reviewed(case: Case, phrases: Phrases, told: Told) -> dict[str, str]:
    """Return the quote, one of several; and the aspect where it may be named."""
    pick = crc32(f"{case.item_id} {case.seed}".encode("utf-8", "surrogatepass")) % len(told.evidence)
    found = {"aspect": told.fact.aspect or ""} if told.kind.startswith("aspect") else {}
    return {**found, "quote": quote_text(phrases, [told.evidence[pick].quote or ""])}


def _named(found: Mapping[str, str], slots: dict[str, str], value: str = "") -> dict[str, str]:
    """Return role -> slot of what there is to say, each under a name that no other has."""
    out = {}
    for role, text in found.items():
        if not text:
            continue
        name = (value if value != OTHER else _VALUE_OF_OTHER) if role == "value" else role
        k = next(k for k in ("", "2", "3", "4", "5") if f"[{name.upper()}{k}]" not in slots)
        out[role] = f"[{name.upper()}{k}]"
        slots[out[role]] = text
    return out


def _query(phrases: Phrases, evidence: Iterable[Evidence]) -> str:
    found = dict.fromkeys(value_text(phrases, "", e.value or "").casefold() for e in evidence)
    return joined(phrases, [phrases.words["quote"].fill({"quote": one}) for one in found])


def _found(phrases: Phrases, evidence: Sequence[Evidence]) -> str:
    places = dict.fromkeys(phrases.found.get(e.field or "", phrases.found["other"]) for e in evidence)
    return joined(phrases, list(places))
