"""Reranking of texts that the shop does not sell: the shape of Jina's and Cohere's rerankers, so that either can be
replaced by us unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.bm25 import BM25
from recsys.candidates.dense import Dense
from recsys.data.text import clean_text
from recsys.dataset import Dataset, ItemTable
from recsys.engine import Engine
from recsys.errors import ConfigError
from recsys.protocols import Delta, FitOptions
from recsys.serving.asking import Call
from recsys.serving.shapes.lists import RerankIn
from recsys.types import Events, Item, Request, Slates, now_seconds, offsets_of

DENSE, WORDS = "dense", "bm25"
TASTE = 0.2  # how much a shopper's taste counts against the query
MAX_CHARS = 2_000  # of a document that are read


def rerank(call: Call, body: RerankIn, *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return the documents, the best first.

    ``model`` is a reranker of the settings that reads queries, "dense" (the shop's embedder, cosine) or "bm25"; without
    one the first of these that there is. With a shopper, who they are counts a little where vectors are compared.

    Raises:
        ConfigError: there is no such model.
    """
    call = call.within(budget_ms)
    engine = call.tenant.engine
    texts = [d if isinstance(d, str) else d.text for d in body.documents]
    read = [clean_text(text, MAX_CHARS) for text in texts]
    models = _models(engine)
    name = body.model or models[0]
    if name not in models:
        raise ConfigError(f"model must be one of {', '.join(models)}")
    if name == DENSE:
        scores = _dense(engine, body, read)
    elif name == WORDS:
        scores = _words(body.query, read)
    else:
        scores = _judged(engine, name, body.query, read)
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[: body.top_n]
    return {
        "id": f"r_{token_hex(12)}", "model": name, "meta": {"bundle": engine.bundle_id, "documents": len(texts)},
        "results": [
            {"index": i, "relevance_score": float(np.nan_to_num(scores[i])),
             "document": {"text": texts[i]} if body.return_documents else None}
            for i in order.tolist()
        ],
    }  # fmt: skip


def _models(engine: Engine) -> list[str]:
    """Return what can rerank texts here, the one that the settings' variant has first."""
    fitted = engine.fitted
    usual = engine.config.variants[engine.config.variant].rerank
    readers = [name for name, one in fitted.rerankers.items() if getattr(one, "reads_queries", False)]
    dense = [DENSE] if isinstance(fitted.generators.get(DENSE), Dense) else []
    return [*sorted(readers, key=lambda name: name != usual), *dense, WORDS]


def _dense(engine: Engine, body: RerankIn, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (n,) cosines of query and documents in the space of the shop's items, moved to [0, 1]."""
    dense: Dense = engine.fitted.generators[DENSE]
    now = now_seconds()
    history = Events.of(()) if body.who is None else engine.store.history(body.who)
    asked = [Request(text=body.query, now=now), Request(history=history, now=now)]
    fit, taste = dense.texts_scores(asked, texts)
    share = np.where(np.isnan(taste), 0.0, TASTE)
    scores: NDArray[np.float32] = (((1 - share) * fit + share * np.nan_to_num(taste) + 1) / 2).astype(np.float32)
    return scores


def _words(query: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (n,) BM25 scores over the documents of the call."""
    items = _catalogue(texts)
    words = BM25(BM25.Config()).fit(Dataset(items, Dataset.of([], []).log), FitOptions())
    return words.score([Request(text=query, now=0)], _all(len(items))).scores


def _judged(engine: Engine, name: str, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (n,) what a reranker of the settings says of the documents as if they were a catalogue."""
    items = _catalogue(texts)
    delta = Delta(items=items, changed=np.arange(len(items), dtype=np.int32), events=Events.of(()))
    over = engine.fitted.rerankers[name].apply(delta)
    scores: NDArray[np.float32] = over.judge([Request(text=query, now=0)], _all(len(items))).scores
    return scores


def _catalogue(texts: Sequence[str]) -> ItemTable:
    # The text stands as a title: that is what every model reads.
    return ItemTable.of(Item(item_id=str(i), title=text) for i, text in enumerate(texts))


def _all(n: int) -> Slates:
    return Slates(np.arange(n, dtype=np.int32), np.zeros(n, np.float32), offsets_of(np.array([n])), {})
