"""What rerankers share that ask a causal language model through a template."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.errors import BudgetExceeded, ConfigError
from recsys.protocols import Deps
from recsys.rerank.assemble import Assembler, Entries, Line, Values
from recsys.rerank.base import Judgement, Reranker
from recsys.rerank.history import Retrieval, keep_order, own_examples, own_ratings
from recsys.rerank.prompt import Task, Template, item_text
from recsys.rerank.request import Form, RequestSchema, naming_words, schema_of, words
from recsys.runtime.causal import CausalLM
from recsys.types import Notes, Request, Scores, Slates

Model = TypeVar("Model")
# Slots that every prompted reranker fills.
FILLED = frozenset({"query", "stated", "recent", "count", "seeds", "history", "ratings", "disliked", "examples"})
# Liked items that are looked through for those worth a place in the prompt, and past items of one worked example.
READ, EXAMPLE_ITEMS = 200, 5


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and the catalogue rows that the model is asked about, best first."""

    request: Request
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the model said: (n,) scores of the rows asked about, NaN = nothing, and what it took, see `Notes.counts`."""

    scores: Scores
    counts: Mapping[str, float]


class Prompted(Reranker):
    """Base of rerankers over a `CausalLM` and a `Template`: who asks is said once for all candidates of a request.

    A subclass says which ``tasks`` and which ``form`` of template it reads, which is the ``pack`` by default, which
    further slots it fills, and answers.
    """

    class Config(Reranker.Config):
        """Settings.

        Attributes:
            model: the name of a model in ``[models]``. template: a TOML file; "" takes the one of the reranker.
            budget: tokens of one prompt with its answer; None takes the template's, the model's limit bounds both.
            window: candidates that are judged together; those behind keep their order.
            history: liked items that a prompt holds at most, chosen by ``retrieval``.
            before, after: what stands around the user's turn in the model's own chat format.
            chunk: requests that go through the model together; the clock is looked at between chunks.
        """

        model: str = ""
        template: str = ""
        budget: int | None = Field(None, ge=32)
        window: int = Field(20, ge=1, le=100)
        history: int = Field(20, ge=0, le=READ)
        retrieval: Retrieval = "both"
        before: str = ""
        after: str = ""
        chunk: int = Field(32, ge=1)

    reads_queries: ClassVar[bool] = True
    tasks: ClassVar[frozenset[Task]] = frozenset({"sequential", "direct"})
    form: ClassVar[Form]
    pack: ClassVar[Path]
    fills: ClassVar[frozenset[str]] = frozenset()
    answers: ClassVar[int] = 0
    whole_list: ClassVar[bool] = False  # whether candidates are seen beside one another: then at most a window

    def __init__(self, config: Any, items: ItemTable, model: CausalLM) -> None:
        """Read the template. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        super().__init__(config, items)
        self.model = model
        self.template = Template.read(self.find(config.template) if config.template else self.pack)
        self.template.require(self.tasks, self.form, FILLED | self.fills, self.answers)
        self.assembler = self.assembler_of(self.template)

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings; the model is opened, or shared with whoever opened it before."""
        if deps.items is None:
            raise ConfigError(f"the reranker {cls.__name__} needs the catalogue (deps.items)")
        return cls(config, deps.items, causal_model(config.model, deps))

    @classmethod
    def find(cls, template: str) -> Path:
        """Return the file of a template by the name in the settings."""
        return Path(template)

    def assembler_of(self, template: Template, reply: int = 0) -> Assembler:
        """Return what fills a template for this model, leaving ``reply`` tokens."""
        c, limit = self.config, self.model.max_tokens
        if self.model.tokens is None:
            raise ConfigError(f"model '{c.model}' has no tokenizer: prompts need one")
        bos = self.model.architecture.bos
        return Assembler(
            template, self.model.tokens, budget=min(c.budget or template.tokens, limit) - reply, window=c.window,
            begin=() if bos is None or c.before else (bos,), before=c.before, after=c.after,
        )  # fmt: skip

    def warm_up(self) -> None:
        """Let the model read and write a token, so that the first caller does not pay for what is set up then."""
        self.model.warm_up()

    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        """Ask the model about every list; entries that are no items of the catalogue stay without a score."""
        scores = np.full(len(slates.items), np.nan, np.float32)
        notes: list[Notes] = []
        known = (slates.items >= 0) & (slates.items < len(self.items))
        for first in range(0, len(requests), self.config.chunk):
            part = range(first, min(first + self.config.chunk, len(requests)))
            places = [self._judged_places(slates, i, known) for i in part]
            asked = [Asked(requests[i], tuple(slates.items[p].tolist())) for i, p in zip(part, places)]
            deadline = earliest(requests[i].deadline for i in part)
            check_clock(deadline)
            for place, answered in zip(places, self.answer(asked, deadline), strict=True):
                scores[place] = answered.scores
                notes.append(Notes(counts=answered.counts))
        return Judgement(scores, tuple(notes))

    def _judged_places(self, slates: Slates, i: int, known: Any) -> Any:
        places = np.arange(slates.offsets[i], slates.offsets[i + 1])
        places = places[known[places]]
        return places[: self.config.window] if self.whole_list else places

    def forget(self, user: str) -> int:
        """Drop the states of prompts that hold this shopper's history; return how many there were."""
        return self.model.forget(user)

    @abstractmethod
    def answer(self, asked: Sequence[Asked], deadline: float | None) -> list[Answered]:
        """Return what the model says to each; lists may be empty. Raises `BudgetExceeded` at ``deadline``."""

    def schema(self, asked: Asked, stated: str = "") -> RequestSchema:
        """Return what is asked, as a schema."""
        return schema_of(asked.request, self.items, np.array(asked.rows, np.int32), self.form, stated, READ)

    def history(self, schema: RequestSchema, asked: Asked) -> tuple[list[int], list[int]]:
        """Return the liked rows that a prompt holds, oldest first, and their places in the order of their use."""
        question = words(schema.query)
        if self.whole_list:
            question = question.union(*(naming_words(self.items, row) for row in asked.rows))
        kept = keep_order([naming_words(self.items, r) for r in schema.liked], question, self.config.retrieval)
        kept = kept[: self.config.history]
        shown = sorted(kept)
        return [schema.liked[place] for place in shown], [shown.index(place) for place in kept]

    def values(self, asked: Asked, stated: str = "", **lists: Entries) -> Values:
        """Return what fills the part of the template that all candidates share; ``lists`` are added or replaced."""
        schema = self.schema(asked, stated)
        liked, keep = self.history(schema, asked)
        latest = schema.acts[-self.config.history :] if self.config.history else ()
        own = {
            "history": Entries([self.line(row) for row in liked], keep),
            "ratings": Entries([self.line(row, act=act) for row, act in latest], range(len(latest))[::-1]),
            "disliked": Entries([self.line(r) for r in schema.disliked], range(len(schema.disliked))[::-1]),
            "seeds": Entries([self.line(r) for r in schema.seeds]),
            "examples": Entries(self.examples(schema, asked.rows)),
            **lists,
        }
        texts = {"query": schema.query, "stated": schema.stated, "count": str(len(asked.rows))}
        if schema.liked:
            texts["recent"] = self.text(schema.liked[-1])
        used = self.template.slots()
        filled = {name: entries for name, entries in own.items() if name in used and entries.lines}
        return Values(texts, filled, frozenset({schema.intention}) if schema.query else frozenset())

    def text(self, row: int) -> str:
        """Return what prompts say of an item."""
        return item_text(self.items, row, self.template.item.fields)

    def line(self, row: int, **beside: str) -> Line:
        """Return an entry of a list of items."""
        return {"item": self.text(row), **beside}

    def examples(self, schema: RequestSchema, rows: Sequence[int]) -> list[Line]:
        """Return worked examples: those of the template, then of the shopper's own past; never about a candidate."""
        shots = self.template.shots
        out: list[Line] = [{"given": e.given, "answer": e.answer} for e in self.template.example[:shots]]
        if len(out) < shots and self.template.task == "rating":
            rated = own_ratings(schema, shots - len(out), set(rows))
            out += [{"given": self.text(row), "answer": rating} for row, rating in rated]
        elif len(out) < shots:
            for past, after in own_examples(schema, shots - len(out), set(rows)):
                given = ", ".join(f'"{self.text(row)}"' for row in past[-EXAMPLE_ITEMS:])
                out.append({"given": given, "answer": self.text(after)})
        return out


def causal_model(name: str, deps: Deps) -> CausalLM:
    """Return the model ``[models.NAME]``, opened. Raises `ConfigError` for a name without settings, or another task."""
    return named_model(name, deps, CausalLM, "causal language model")


def named_model(name: str, deps: Deps, kind: type[Model], what: str) -> Model:
    """Return the model ``[models.NAME]``, opened, of a class that is called ``what``. Raises as `causal_model`."""
    from recsys.runtime.artifact import open_model

    if name not in deps.models:
        known = ", ".join(sorted(deps.models)) or "none"
        raise ConfigError(f"model: there is no [models.{name or 'NAME'}] in the settings (defined: {known})")
    model = open_model(deps.models[name])
    if not isinstance(model, kind):
        raise ConfigError(f"model: [models.{name}] is a {type(model).__name__}, needed is a {what}")
    return model


def earliest(deadlines: Iterable[float | None]) -> float | None:
    """Return the first of some deadlines, None where there is none."""
    return min((d for d in deadlines if d is not None), default=None)


def check_clock(deadline: float | None) -> None:
    """Raise `BudgetExceeded` once ``deadline``, a value of `time.monotonic`, has passed."""
    if deadline is not None and time.monotonic() >= deadline:
        raise BudgetExceeded("the deadline of the request has passed")
