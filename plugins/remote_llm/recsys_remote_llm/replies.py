"""Reads what a ``/rerank`` endpoint answered; pure, and forgiving: the answer is a stranger's."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.types import Scores
from recsys_remote_llm.errors import BadReply


def rerank_scores(data: Any, n: int) -> tuple[Scores, dict[str, float]]:
    """Return (n,) scores in the order of the documents, NaN where there is none, and what had to be repaired.

    Jina, Cohere, vLLM and llama.cpp answer ``{"results": [{"index": 1, "relevance_score": .9}, ...]}`` in any order,
    text-embeddings-inference a bare list with "score". Of an index that comes twice the first counts.

    Counts: "repairs" in all, of which "rerank_missing" documents without a score, "rerank_repeated" and
    "rerank_out_of_range" indexes, and "rerank_malformed" entries; a count of nothing is left out.

    Raises:
        BadReply: there is no list of results.

    >>> rerank_scores({"results": [{"index": 1, "relevance_score": 0.5}, {"index": 7, "relevance_score": 1}]}, 2)
    (array([nan, 0.5], dtype=float32), {'rerank_out_of_range': 1, 'rerank_missing': 1, 'repairs': 2})
    """
    results = data.get("results") if isinstance(data, dict) else data
    if not isinstance(results, list):
        raise BadReply('the answer has no list of "results"')
    scores = np.full(n, np.nan, dtype=np.float32)
    wrong = {"rerank_malformed": 0, "rerank_out_of_range": 0, "rerank_repeated": 0}
    for entry in results:
        found = _entry(entry)
        if found is None:
            wrong["rerank_malformed"] += 1
        elif not 0 <= found[0] < n:
            wrong["rerank_out_of_range"] += 1
        elif not np.isnan(scores[found[0]]):
            wrong["rerank_repeated"] += 1
        else:
            scores[found[0]] = found[1]
    missing = int(np.isnan(scores).sum())
    counts: dict[str, float] = {name: count for name, count in (*wrong.items(), ("rerank_missing", missing)) if count}
    if counts:
        counts["repairs"] = sum(counts.values())
    return scores, counts


def chat_reply(data: Any) -> tuple[str, bool]:
    """Return what the model of a ``/chat/completions`` endpoint wrote, and whether it was stopped in the middle.

    What a model thought before it answered ("<think>...</think>") is left out.

    Raises:
        BadReply: the answer has no choice with a message.
    """
    try:
        choice = data["choices"][0]
        text = choice["message"]["content"]
    except (TypeError, KeyError, IndexError) as error:
        raise BadReply('the answer has no "choices" with a "message"') from error
    if text is not None and not isinstance(text, str):
        raise BadReply('the "content" of the answer is no text')
    answer = (text or "").rpartition("</think>")[2]
    # A thought that never ends holds no answer, however many numbers it holds.
    return ("" if "<think>" in answer else answer), choice.get("finish_reason") == "length"


def _entry(entry: Any) -> tuple[int, float] | None:
    if not isinstance(entry, dict):
        return None
    index, score = entry.get("index"), entry.get("relevance_score", entry.get("score"))
    if not isinstance(index, int) or not isinstance(score, int | float) or isinstance(index, bool):
        return None
    # A number beyond float32 is a mistake; "NaN" passes a JSON reader, and "1e999" is infinity to it.
    usable = not isinstance(score, bool) and -1e30 < score < 1e30
    return (index, float(score)) if usable else None
