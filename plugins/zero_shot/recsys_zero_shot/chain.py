"""The reranker `chain`: three questions in a row, each building on the last answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.errors import BudgetExceeded
from recsys.rerank.assemble import Assembler, Entries, Values
from recsys.rerank.foreign import clean
from recsys.rerank.prompt import Template
from recsys.rerank.prompted import FILLED, Answered, Asked
from recsys.runtime.causal import CausalLM
from recsys.runtime.prefixes import Prompt
from recsys_zero_shot.listwise import NUMBER_TOKENS, Listwise, added, gathered, numbered
from recsys_zero_shot.packs import pack_file

# Of a taste in the model's words, what is passed on.
TASTE_CHARS = 300


class Chain(Listwise):
    """NIR (Wang & Lim 2023, arXiv 2304.03153): what matters to me, which of my items show it best, what next.

    Step 1 lets the model say the taste in words, step 2 choose the items of the history that show it best (numbers
    alone), step 3 order the candidates given both. What the model wrote is as foreign as a title: it is cleaned and
    delimited. A shopper without a history goes straight to step 3.
    """

    class Config(Listwise.Config):
        """``profile``, ``choose``: templates of the first steps; ``tastes`` tokens and ``chosen`` items they give."""

        profile: str = "sequential/profile"
        choose: str = "sequential/choose"
        tastes: int = Field(48, ge=1, le=256)
        chosen: int = Field(5, ge=1, le=20)
        boots: int = Field(0, ge=0, le=20)

    pack = pack_file("sequential/follow")
    fills = frozenset({"chosen"})

    def __init__(self, config: Any, items: ItemTable, model: CausalLM) -> None:
        """Read the templates. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        super().__init__(config, items, model)
        self._profile = self._step(config.profile, "writing", config.tastes)
        self._choose = self._step(config.choose, "choosing", NUMBER_TOKENS * config.chosen)

    def _step(self, name: str, form: str, reply: int) -> Assembler:
        template = Template.read(self.find(name))
        template.require(self.tasks, form, FILLED)
        return self.assembler_of(template, reply)

    def answer(self, asked: Sequence[Asked], deadline: float | None) -> list[Answered]:
        """Return the scores of step 3; tokens of all steps are counted."""
        tastes, first = self._tastes(asked, deadline)
        chosen, second = self._chosen(asked, deadline)
        jobs = [(i, order) for i, a in enumerate(asked) for order in self.orders(a)]
        prompts = [self.prompt(asked[i], order, tastes[i], chosen[i]) for i, order in jobs]
        said = self.ask(prompts, [order for _, order in jobs], deadline)
        out = []
        for i, a in enumerate(asked):
            last = gathered([p for (j, _), p in zip(jobs, said, strict=True) if j == i], len(a.rows))
            out.append(Answered(last.scores, added((first[i], second[i], last.counts))))
        return out

    def _tastes(self, asked: Sequence[Asked], deadline: float | None) -> tuple[list[str], list[Mapping[str, float]]]:
        """Return the taste of each shopper in the model's words, "" without a history, and what it took."""
        values = [self._own(a) for a in asked]
        some = [i for i, v in enumerate(values) if "history" in v.lists]
        prompts = [
            Prompt((self._profile.shared(values[i], closed=True).ids,), asked[i].request.user or "") for i in some
        ]
        tastes, counts = [""] * len(asked), [dict[str, float]() for _ in asked]
        if prompts:
            replies = self.model.generate(prompts, max_new_tokens=self.config.tastes, stop=["\n"], deadline=deadline)
            if any(r.reason == "deadline" for r in replies):
                raise BudgetExceeded("the deadline of the request passed while the model wrote")
            for i, reply in zip(some, replies, strict=True):
                tastes[i] = clean(reply.text, TASTE_CHARS)
                counts[i] = {"tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}
        return tastes, list(counts)

    def _chosen(
        self, asked: Sequence[Asked], deadline: float | None
    ) -> tuple[list[list[int]], list[Mapping[str, float]]]:
        """Return the rows of the history that the model calls the most telling, and what it took."""
        chosen, counts = [list[int]() for _ in asked], [dict[str, float]() for _ in asked]
        jobs, prompts = [], []
        for i, a in enumerate(asked):
            values = self._own(a)
            if "history" in values.lists:
                made = self._choose.shared(values, closed=True)
                liked = self.history(self.schema(a), a)[0]
                jobs.append((i, [liked[place] for place in made.kept["history"]]))
                prompts.append(Prompt((made.ids,), a.request.user or ""))
        orders = [np.arange(len(rows)) for _, rows in jobs]
        top, free = self.config.chosen, self.config.reply == "free"
        said = numbered(self.model, prompts, orders, top=top, free=free, deadline=deadline)
        for (i, rows), (parsed, took) in zip(jobs, said, strict=True):
            chosen[i] = [rows[place] for place in parsed.order[: min(parsed.found, top)]]
            counts[i] = {n: v for n, v in took.items() if n.startswith("tokens") or n == "repairs"}
        return chosen, list(counts)

    def _own(self, asked: Asked) -> Values:
        """Return what fills the first steps: the shopper, and no candidate."""
        schema = self.schema(asked)
        liked, keep = self.history(schema, asked)
        lists = {"history": Entries([self.line(row) for row in liked], keep)} if liked else {}
        return Values({"query": schema.query}, lists)
