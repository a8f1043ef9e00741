"""Prompt templates: TOML files of parts with slots, checked when they are read, so that no request meets a bad one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys.dataset import ItemTable
from recsys.errors import PromptError
from recsys.rerank.foreign import clean

Task = Literal["rating", "sequential", "direct", "explanation", "review-summary"]
Shape = Literal["pointwise", "pairwise", "matching", "reranking", "choosing", "writing"]
When = Literal[
    "always", "history", "no-history", "query", "vague", "specific", "stated", "disliked", "seeds", "chosen", "examples"
]  # fmt: skip
ItemField = Literal["title", "brand", "category", "price", "text", "attributes"]
TASKS: tuple[Task, ...] = get_args(Task)
# Slots that hold one text, and lists with the slots of their lines; the first of a line is what is cut to fit.
SCALARS = frozenset({"query", "stated", "recent", "item", "first", "second", "count"})
LISTS: Mapping[str, tuple[str, ...]] = {
    "candidates": ("item", "place"), "seeds": ("item", "place"), "chosen": ("item", "place"),
    "facts": ("fact", "place"), "reviews": ("review", "place"), "examples": ("given", "answer", "place"),
    "history": ("item", "place"), "ratings": ("item", "act", "place"), "disliked": ("item", "place"),
}  # fmt: skip
# What a template of a shape has to hold: in the part that all candidates share, and in what each has for itself.
_SHARED: Mapping[str, frozenset[str]] = {"reranking": frozenset({"candidates"}), "choosing": frozenset({"history"})}
_EACH: Mapping[str, frozenset[str]] = {
    "pointwise": frozenset({"item"}), "matching": frozenset({"item"}), "pairwise": frozenset({"first", "second"})
}  # fmt: skip
_SLOT = re.compile(r"\{\{|\}\}|\{([a-z]+)\}|[{}]")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Strict):
    """A piece of a prompt: its text, when it is in, and whether each candidate has its own."""

    text: str = Field(min_length=1)
    when: When = "always"
    each: bool = False


class ItemText(_Strict):
    """What is said of an item: ``fields`` in their order; at most ``tokens`` of it."""

    fields: tuple[ItemField, ...] = Field(("title",), min_length=1)
    tokens: int = Field(32, ge=4, le=512)


class Example(_Strict):
    """A worked example in our own words."""

    given: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Template(_Strict):
    """One prompt: what it is for, its parts in order, and how lists are written.

    Attributes:
        task: one of `TASKS`. form: what the model does: judge, choose between two, name, rank, choose from the
            history, write. shots: worked examples; 0 = none. tokens: what the whole prompt may have by default.
        part: the text; those of every candidate come last. lines: list slot -> how one entry is written.
        answers: name -> text of the answers whose likelihood is read. example: written examples, used first.
        source: where it was read; errors name it.
    """

    format: Literal[1]
    task: Task
    form: Shape
    shots: int = Field(0, ge=0, le=8)
    tokens: int = Field(1024, ge=32)
    item: ItemText = ItemText()
    part: tuple[Part, ...] = Field(min_length=1)
    lines: dict[str, str] = Field(default_factory=dict)
    answers: dict[str, str] = Field(default_factory=dict)
    example: tuple[Example, ...] = ()
    source: str = ""

    @classmethod
    def read(cls, path: Path) -> Template:
        """Read a file. Raises `PromptError` for one that is missing, no TOML, or does not hold what its form needs."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(f"{path}: cannot be read: {error}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, source: str) -> Template:
        """Return the template that ``text`` holds. Raises `PromptError` naming ``source`` and the field or line."""
        try:
            made = cls.model_validate(tomllib.loads(text) | {"source": source})
        except tomllib.TOMLDecodeError as error:
            raise PromptError(f"{source}: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise PromptError(f"{source}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        for problem in _problems(made):
            raise PromptError(f"{source}{_line(text, problem)}: {problem}")
        return made

    def require(self, task: Collection[str], form: str, filled: Collection[str], answers: int = 0) -> None:
        """Raise `PromptError` unless this is a template of that task and form whose slots the caller fills.

        ``filled`` are those beyond what the form itself needs; ``answers`` is how many answers it must name at least.
        """
        if self.task not in task or self.form != form:
            raise PromptError(
                f"{self.source}: task {self.task!r}, form {self.form!r}; needed is task "
                f"{' or '.join(map(repr, task))}, form {form!r}"
            )
        own = _SHARED.get(form, frozenset()) | _EACH.get(form, frozenset())
        if foreign := sorted(self.slots() - set(filled) - own):
            raise PromptError(f"{self.source}: nothing fills the slot {{{foreign[0]}}} here")
        if len(self.answers) < answers:
            raise PromptError(f"{self.source}: answers: {answers} are needed, there are {len(self.answers)}")

    def slots(self) -> set[str]:
        """Return the names of all slots of the parts."""
        return {slot for p in self.part for slot, _ in pieces(p.text) if slot}


@lru_cache(maxsize=1024)
def pieces(text: str) -> tuple[tuple[str, str], ...]:
    """Return (slot, "") and ("", plain text) in their order; "{{" and "}}" are plain braces.

    Raises:
        PromptError: a brace by itself.
    """
    out: list[tuple[str, str]] = []
    plain, at = "", 0
    for found in _SLOT.finditer(text):
        plain += text[at : found.start()]
        at = found.end()
        if found[1]:
            out += [("", plain)] if plain else []
            out.append((found[1], ""))
            plain = ""
        elif len(found[0]) == 2:
            plain += found[0][0]
        else:
            raise PromptError(f"a brace by itself at {text[found.start() : found.start() + 20]!r}: write it twice")
    rest = plain + text[at:]
    return (*out, ("", rest)) if rest else tuple(out)


def _problems(made: Template) -> Iterator[str]:
    used: dict[bool, list[str]] = {False: [], True: []}
    for number, part in enumerate(made.part):
        try:
            slots = [slot for slot, _ in pieces(part.text) if slot]
        except PromptError as error:
            yield f"part.{number}: {error}"
            return
        if used[True] and not part.each:
            yield f"part.{number}: parts that candidates share come before those of each candidate"
        used[part.each] += slots
        if part.each:
            used[True].append("")  # there is one, with slots or without
        known = SCALARS if part.each else SCALARS | set(LISTS)
        yield from (f"part.{number}: unknown slot {{{s}}}" for s in slots if s not in known)
        if part.each and part.when != "always":
            yield f"part.{number}: a part of each candidate is always there"
    yield from _missing(made, used[False], used[True])
    yield from _wrong_lines(made, set(used[False]))


def _missing(made: Template, shared: list[str], each: list[str]) -> Iterator[str]:
    yield from (f"form {made.form!r} needs the slot {{{s}}}" for s in sorted(_SHARED.get(made.form, set()) - {*shared}))
    own = _EACH.get(made.form)
    if own is None and each:
        yield f"form {made.form!r} has no part of each candidate"
    yield from (
        f"form {made.form!r} needs the slot {{{s}}} in a part of each candidate" for s in (own or set()) - {*each}
    )
    yield from (f"the slot {{{s}}} may stand only once" for s in LISTS if shared.count(s) > 1)
    if made.task == "explanation" and "facts" not in shared:
        yield "an explanation needs the slot {facts}"
    if made.task == "review-summary" and "reviews" not in shared:
        yield "a review summary needs the slot {reviews}"
    if bool(made.shots) != ("examples" in shared):
        yield f"shots = {made.shots}: the slot {{examples}} has to stand in a part exactly if there are shots"


def _wrong_lines(made: Template, shared: set[str]) -> Iterator[str]:
    yield from (f"lines.{name}: no list has that name" for name in made.lines if name not in LISTS)
    yield from (f"lines.{name}: the slot {{{name}}} stands in no part" for name in made.lines if name not in shared)
    yield from (f"lines: how a line of {{{s}}} is written is missing" for s in shared & set(LISTS) - {*made.lines})
    for name, line in made.lines.items():
        try:
            slots = [slot for slot, _ in pieces(line) if slot]
        except PromptError as error:
            yield f"lines.{name}: {error}"
            continue
        allowed = LISTS.get(name, ())
        yield from (f"lines.{name}: unknown slot {{{s}}}" for s in slots if s not in allowed)
        if allowed and slots.count(allowed[0]) != 1:
            yield f"lines.{name}: the slot {{{allowed[0]}}} has to stand in it once"
        if name == "candidates" and "place" not in slots:
            yield "lines.candidates: the slot {place} is missing: replies name candidates by it"


def _line(text: str, problem: str) -> str:
    """Return ":12" for the first line that holds the slot which a problem is about."""
    named = re.search(r"unknown slot (\{[a-z]+\})", problem)
    at = text.find(named[1]) if named else -1
    return f":{text.count(chr(10), 0, at) + 1}" if at >= 0 else ""


def item_text(items: ItemTable, row: int, fields: Iterable[ItemField]) -> str:
    """Return what a prompt says of an item: its fields, cleaned, with "; " between; "unnamed" where all are empty."""
    return "; ".join(filter(None, (_field(items, row, f) for f in fields))) or "unnamed"


def _field(items: ItemTable, row: int, name: ItemField) -> str:
    if name == "price":
        price = float(items.prices[row])
        return f"{price:.2f}" if price == price else ""
    if name == "category":
        return _cleaned(items.categories[row][-1][:800], 60) if items.categories[row] else ""
    if name == "attributes":  # their values: "1995", "PlayStation 4"
        return _cleaned(", ".join(str(v)[:200] for v in items.attributes[row].values())[:800], 120)
    value = {"title": items.titles, "brand": items.brands, "text": items.texts}[name][row]
    return _cleaned(value[:800], 200)


@lru_cache(maxsize=65536)
def _cleaned(text: str, most: int) -> str:
    return clean(text, most)
