"""The reranker `listwise`: the model reads all candidates and writes their numbers in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.errors import BudgetExceeded
from recsys.rerank.assemble import Entries
from recsys.rerank.parse import Parsed, parse
from recsys.rerank.prompted import Answered, Asked
from recsys.runtime.causal import CausalLM
from recsys.runtime.prefixes import Prompt
from recsys.types import Scores
from recsys_zero_shot.packs import Packed, pack_file
from recsys_zero_shot.ranking import ranking

# Tokens of one number with its brackets and separator, in a reply that is free.
NUMBER_TOKENS = 8


class Listwise(Packed):
    """LLMRank (Hou et al. 2024, arXiv 2305.08845): the history in order, numbered candidates, numbers out.

    Its variants are templates: "sequential/list", "sequential/list-recency" (the latest item is named again),
    "sequential/list-in-context" (the shopper's own past as an example), "direct/list". Models favour places in a
    list, so each list is asked about ``boots`` times in other orders, in which every candidate stands in other parts
    of it, and the places are averaged.
    """

    class Config(Packed.Config):
        """Settings.

        Attributes:
            boots: prompts a request, each with the candidates in another order; 0 = one prompt in the incoming order.
            reply: "constrained" lets the model write numbers of listed candidates alone; "free" reads what it writes.
            top: so many places are asked for, None = all; the others keep their order behind them.
            seed: of the orders.
        """

        boots: int = Field(3, ge=0, le=20)
        reply: Literal["constrained", "free"] = "constrained"
        top: int | None = Field(None, ge=1)
        seed: int = 0

    form = "reranking"
    pack = pack_file("sequential/list")
    whole_list = True

    def __init__(self, config: Any, items: ItemTable, model: CausalLM) -> None:
        """Read the template. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        super().__init__(config, items, model)
        self.assembler = self.assembler_of(self.template, NUMBER_TOKENS * config.window)

    def answer(self, asked: Sequence[Asked], deadline: float | None) -> list[Answered]:
        """Return how far above the end of the list each candidate stood on average, NaN if no reply named any."""
        jobs = [(i, order) for i, a in enumerate(asked) for order in self.orders(a)]
        prompts = [self.prompt(asked[i], order) for i, order in jobs]
        said = self.ask(prompts, [order for _, order in jobs], deadline)
        return [
            gathered([p for (j, _), p in zip(jobs, said, strict=True) if j == i], len(a.rows))
            for i, a in enumerate(asked)
        ]

    def orders(self, asked: Asked) -> list[NDArray[np.int64]]:
        """Return the orders in which the candidates are listed; they depend on the request and the seed alone."""
        n, boots = len(asked.rows), self.config.boots
        if not n:
            return []
        if not boots:
            return [np.arange(n)]
        what = np.array([self.config.seed, n, *asked.rows, *asked.request.history.rows.tolist()], np.int64)
        digest = hashlib.blake2b(what.tobytes(), digest_size=8).digest()
        shuffled = np.random.default_rng(int.from_bytes(digest, "little")).permutation(n)
        # Turned rather than shuffled anew: every candidate stands in other parts of the list.
        return [np.roll(shuffled, boot * n // boots) for boot in range(boots)]

    def prompt(self, asked: Asked, order: NDArray[np.int64], stated: str = "", chosen: Sequence[int] = ()) -> Prompt:
        """Return the whole prompt with the candidates in an order."""
        lists = {"candidates": Entries([self.line(asked.rows[place]) for place in order])}
        if chosen:
            lists["chosen"] = Entries([self.line(row) for row in chosen])
        return Prompt((self.assembler.shared(self.values(asked, stated, **lists), closed=True).ids,))

    def ask(
        self, prompts: Sequence[Prompt], orders: Sequence[NDArray[np.int64]], deadline: float | None
    ) -> list[tuple[Parsed, Mapping[str, float]]]:
        """Return the replies, read as orders of the candidates in their incoming places, and what they took."""
        return numbered(
            self.model, prompts, orders, top=self.config.top, free=self.config.reply == "free", deadline=deadline
        )


def numbered(
    model: CausalLM,
    prompts: Sequence[Prompt],
    orders: Sequence[NDArray[np.int64]],
    *,
    top: int | None,
    free: bool,
    deadline: float | None,
) -> list[tuple[Parsed, Mapping[str, float]]]:
    """Let the model write numbers behind each prompt, whose list shows ``orders``; return places before the shuffle.

    Raises:
        BudgetExceeded: ``deadline`` passed while it wrote.
    """
    assert model.tokens is not None  # checked when the reranker was made
    rules = None if free else [ranking(len(o), model.tokens, top) for o in orders]
    most = (
        NUMBER_TOKENS * max(map(len, orders), default=0)
        if rules is None
        else max((r.longest for r in rules), default=0)
    )
    replies = model.generate(prompts, max_new_tokens=most, constraint=rules, deadline=deadline) if prompts else []
    if any(r.reason == "deadline" for r in replies):
        raise BudgetExceeded("the deadline of the request passed while the model wrote")
    out: list[tuple[Parsed, Mapping[str, float]]] = []
    for reply, order in zip(replies, orders, strict=True):
        # What is missing follows in the incoming order, wherever the shuffle had put it.
        said = parse(reply.text, len(order), prior=np.argsort(order).tolist(), cut=reply.reason == "length")
        # Fewer numbers than there are candidates are no fault where no more were asked for.
        counts = {"repairs": said.repairs - (said.counts.get("missing", 0) if top and said.found >= top else 0)}
        counts |= {f"reply_{name}": n for name, n in said.counts.items()}
        counts |= {"replies": 1, "tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}
        out.append((Parsed(tuple(order[list(said.order)].tolist()), said.found, said.counts), counts))
    return out


def gathered(said: Sequence[tuple[Parsed, Mapping[str, float]]], n: int) -> Answered:
    """Return the mean height of each candidate over the replies that named any, and all counts together."""
    heights = [_heights(parsed, n) for parsed, _ in said if parsed.found]
    counts = added(c for _, c in said)
    scores = np.mean(heights, axis=0) if heights else np.full(n, np.nan)
    return Answered(scores.astype(np.float32), counts)


def _heights(parsed: Parsed, n: int) -> Scores:
    out = np.empty(n, np.float32)
    out[list(parsed.order)] = np.arange(n, 0, -1) / n
    return out


def added(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sums by name."""
    out: dict[str, float] = {}
    for some in counts:
        for name, n in some.items():
            out[name] = out.get(name, 0) + n
    return out
