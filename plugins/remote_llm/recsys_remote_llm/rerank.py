"""The reranker `remote-rerank`: a reranking model behind a ``/rerank`` endpoint of Jina's or Cohere's shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field

from recsys.rerank.base import Reranker
from recsys.types import ItemRows, Notes, Request
from recsys_remote_llm.each import RemoteReranker, Verdict
from recsys_remote_llm.replies import rerank_scores
from recsys_remote_llm.settings import Server
from recsys_remote_llm.texts import document, query


class RemoteRerank(RemoteReranker):
    """Sends a query and the texts of a list; the model's relevance is the judgement.

    The query is what was typed; without it the items of the page, else the latest likes. Served by Jina, Cohere, vLLM,
    llama.cpp, text-embeddings-inference (``documents_field = "texts"``) and others. Documents without a score in the
    answer keep their order below the others; the repairs are counted.
    """

    name = "remote-rerank"

    class Config(Reranker.Config, Server):
        """Where the server is, and what it is sent.

        Attributes:
            path: of the endpoint, below the url.
            documents_field: what the body calls the texts.
            item_chars: of the text of an item.
            history: so many latest likes make the query of a recommendation.
            prompts: a file of texts in place of the package's ``prompts.toml``.
        """

        path: str = Field("/rerank", pattern=r"^/[\x21-\x7e]*$")
        documents_field: str = Field("documents", min_length=1)
        item_chars: int = Field(400, ge=20, le=8_000)
        history: int = Field(5, ge=1, le=100)
        prompts: str = ""

    def question(self, request: Request, rows: ItemRows) -> Callable[[], Verdict] | None:
        """Return what asks about one list; None where neither query nor history says anything."""
        asked = query(request, self.items, rows, self.prompts, self.config.history)
        if not asked:
            return None
        body = {
            "query": asked,
            self.config.documents_field: [document(self.items, row, self.config.item_chars) for row in rows.tolist()],
        }
        return partial(self._ask, body, len(rows), request.deadline)

    def _ask(self, body: dict[str, Any], n: int, deadline: float | None) -> Verdict:
        reply = self.client.ask(self.config.path, body, deadline)
        scores, repairs = rerank_scores(reply.data, n)
        failed = "BadReply" if np.isnan(scores).all() else ""
        return Verdict(scores, Notes(counts={**reply.counts, **repairs}), failed)
