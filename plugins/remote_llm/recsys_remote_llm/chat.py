"""The reranker `remote-chat`: a chat model that is shown a numbered list and answers with the numbers in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field

from recsys.rerank.base import Reranker
from recsys.rerank.parse import parse
from recsys.types import ItemRows, Notes, Request
from recsys_remote_llm.each import RemoteReranker, Verdict
from recsys_remote_llm.replies import chat_reply
from recsys_remote_llm.settings import Server
from recsys_remote_llm.texts import known, listed

PATH = "/chat/completions"


class RemoteChat(RemoteReranker):
    """Asks any OpenAI-compatible server (vLLM, llama.cpp, Ollama, ...) to order a list, list-wise as in LLMRank.

    The model is shown the latest likes and dislikes, the page, the query, and the candidates as numbered, quoted
    lines; of its answer nothing but numbers of the list is read. Candidates that it does not name keep their order
    below those that it names. Counts: "repairs" and "reply_<counter>" of `recsys.rerank.parse`. (Hou et al. 2024,
    LLMRank, arXiv 2305.08845.)
    """

    name = "remote-chat"

    class Config(Reranker.Config, Server):
        """Where the server is, and what it is sent.

        Attributes:
            item_chars: of the text of a candidate.
            history: so many latest likes, and dislikes, are shown.
            max_tokens: of the answer; None asks for six a candidate and 16 more.
            temperature: 0 takes the likeliest word each time.
            prompts: a file of texts in place of the package's ``prompts.toml``.
        """

        item_chars: int = Field(160, ge=20, le=8_000)
        history: int = Field(10, ge=1, le=200)
        max_tokens: int | None = Field(None, ge=1, le=100_000)
        temperature: float = Field(0.0, ge=0, le=2)
        prompts: str = ""

    def question(self, request: Request, rows: ItemRows) -> Callable[[], Verdict] | None:
        """Return what asks about one list; None where nothing is known of the shopper and nothing was typed."""
        said = known(request, self.items, rows, self.prompts, self.config.history)
        if not said:
            return None
        candidates = listed(self.items, rows.tolist(), self.config.item_chars)
        text = self.prompts.fill("rank.user", known=said, candidates=candidates, n=len(rows))
        most = self.config.max_tokens or 16 + 6 * len(rows)
        body = chat_body(self.prompts.fill("rank.system"), text, most, self.config.temperature)
        return partial(self._ask, body, len(rows), request.deadline)

    def _ask(self, body: dict[str, Any], n: int, deadline: float | None) -> Verdict:
        reply = self.client.ask(PATH, body, deadline)
        text, cut = chat_reply(reply.data)
        parsed = parse(text, n, cut=cut)
        scores = np.full(n, np.nan, dtype=np.float32)
        scores[list(parsed.order[: parsed.found])] = np.arange(n, n - parsed.found, -1)
        counts: dict[str, float] = {**reply.counts, **{f"reply_{name}": c for name, c in parsed.counts.items()}}
        if parsed.repairs:
            counts["repairs"] = parsed.repairs
        return Verdict(scores, Notes(counts=counts), "" if parsed.found else "BadReply")


def chat_body(system: str, user: str, max_tokens: int, temperature: float) -> dict[str, Any]:
    """Return the body of a chat request in the form that all compatible servers know."""
    return {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "max_tokens": max_tokens, "temperature": temperature, "stream": False,
    }  # fmt: skip
