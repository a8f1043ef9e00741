"""sentence-transformers: a cross-encoder taught on judged queries of other folds, over the candidates it is given."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
from transformers import set_seed

from benchmarks.peers.handover import Answer, Rows
from benchmarks.peers.handover_search import Search, main, percentiles

MAX_TOKENS, BATCH, RATE, WARM_UP = 96, 16, 5e-5, 0.1


def answers(search: Search) -> list[Answer]:
    """Return one answer: each query's candidates, reranked by the model that has not read its fold."""
    out = search.candidates.copy()
    fit_s, each_s = 0.0, []
    for fold in np.unique(search.folds):
        begin = time.perf_counter()
        model = taught(search, np.flatnonzero(search.folds != fold))
        fit_s += time.perf_counter() - begin
        for query in np.flatnonzero(search.folds == fold):
            begin = time.perf_counter()
            out[query] = reranked(search, model, int(query))
            each_s.append(time.perf_counter() - begin)
    values = {"steps": search.steps, "batch": BATCH, "rate": RATE, "tokens": MAX_TOKENS, "reread": search.reread}
    return [Answer("cross-encoder", values, out[:0], out, fit_s, sum(each_s), percentiles(each_s))]


def taught(search: Search, queries: Sequence[int]) -> CrossEncoder:
    """Return the base model with a new head, taught on what people said of items for these queries.

    Candidates that nobody judged teach as irrelevant, which is what they count as.
    """
    set_seed(search.seed)
    model = CrossEncoder(search.base, num_labels=1, max_length=MAX_TOKENS, device="cpu")
    pairs: dict[str, list] = {"query": [], "document": [], "label": []}
    for query in queries:
        judged = search.judged == query
        grades = dict(zip(search.judged_rows[judged].tolist(), search.grades[judged].tolist(), strict=True))
        unjudged = [row for row in search.candidates[query].tolist() if row >= 0 and row not in grades]
        for row, grade in [*grades.items(), *((row, 0.0) for row in unjudged[: len(grades)])]:
            pairs["query"].append(search.queries[query])
            pairs["document"].append(search.texts[row])
            pairs["label"].append(grade / search.top_grade)
    settings = CrossEncoderTrainingArguments(
        output_dir=str(search.folder / "cross-encoder"), max_steps=search.steps, per_device_train_batch_size=BATCH,
        learning_rate=RATE, warmup_steps=round(WARM_UP * search.steps), seed=search.seed, use_cpu=True,
        save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True,
    )  # fmt: skip
    data = Dataset.from_dict(pairs)
    CrossEncoderTrainer(model=model, args=settings, train_dataset=data, loss=BinaryCrossEntropyLoss(model)).train()
    return model


def reranked(search: Search, model: CrossEncoder, query: int) -> Rows:
    """Return the candidates of a query, those that were read first and in the order of the model."""
    rows = search.candidates[query]
    read = rows[: search.reread][rows[: search.reread] >= 0]
    if not len(read):
        return rows
    pairs = [(search.queries[query], search.texts[row]) for row in read]
    scores = model.predict(pairs, batch_size=len(pairs), show_progress_bar=False)
    return np.concatenate([read[np.argsort(-scores, kind="stable")], rows[len(read) :]])


if __name__ == "__main__":
    packages = ("sentence-transformers", "transformers", "torch", "datasets", "numpy")
    main("sentence_transformers", packages, answers)
