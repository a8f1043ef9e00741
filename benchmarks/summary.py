"""Review summaries: the headline of a review from its text, the fifth task of P5, beside baselines and a ceiling."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.headlines import Headlines, ceiling
from benchmarks.rows import row_line
from benchmarks.runner import read_lines, run_case, write_lines
from recsys.data.source import available, data_folder, open_data
from recsys.dataset import Dataset
from recsys.embed.words import Terms
from recsys.embed.words import words as plain_words
from recsys.eval.compare import versus
from recsys.eval.generation import ROUGE, corpus_bleu, overlap
from recsys.types import Review

NAME = "summary"
SETS = ("musical-instruments", "gift-cards")
LEAD, COMMON, NEAREST, EXTRACT, CEILING = (
    "lead words", "most common headline", "headline of the most similar review", "extract", "best possible extract",
)  # fmt: skip
LEADS = range(1, 16)  # how many words the lead may have: validation chooses
COMPARED = "rouge-l"
QUICK = 400  # reviews of a quick run


def refresh(names: Sequence[str], results: Path, quick: bool = False) -> int:
    """Measure sets, keep the lines of the others, and return how many of them have no files."""
    here, path = available(data_folder()), results / f"{NAME}.jsonl"
    missing = [name for name in names if name not in here]
    for name in (n for n in names if n not in missing):
        begin = time.perf_counter()
        lines = run_case(NAME, {"set": name, "quick": quick}, results)
        kept = [line for line in read_lines(path) if line["parameters"]["set"] != name]
        write_lines(path, sorted([*kept, *lines], key=lambda line: SETS.index(line["parameters"]["set"])))
        print(f"{NAME}, {name}: {len(lines)} lines, {time.perf_counter() - begin:.0f} s", flush=True)
    for name in missing:
        print(f"{NAME}, {name}: skipped, it is not in the folder that RECSYS_DATA names")
    return len(missing)


def run(case: Mapping[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return a line a row of one set."""
    data, _ = open_data(case["set"])
    return measured(case["set"], headed(data)[: QUICK if case["quick"] else None])


def headed(data: Dataset) -> list[Review]:
    """Return the reviews with a headline, the first of those whose shopper wrote the same text more than once.

    Published files list some reviews under several items: one of them in training and one in test would be no test.
    """
    found: dict[tuple[str, str], Review] = {}
    for review in data.reviews:
        if review.text.strip() and review.summary.strip():
            found.setdefault((review.user_id, review.text), review)
    return list(found.values())


def measured(name: str, reviews: Sequence[Review], seed: int = 0) -> list[dict[str, Any]]:
    """Return a line a row: 8:1:1 at random as in P5, learned from the first part, measured once on the last."""
    place = np.random.default_rng(seed).permutation(len(reviews)) / len(reviews)
    train, valid, test = (
        [r for r, p in zip(reviews, place.tolist(), strict=True) if low <= p < high]
        for low, high in ((0, 0.8), (0.8, 0.9), (0.9, 1))
    )
    texts, wanted = [r.text for r in test], [r.summary for r in test]
    lead = max(LEADS, key=lambda n: _rouge([r.summary for r in valid], [_lead(r.text, n) for r in valid]))
    writer = Headlines(train, seed=seed)
    begin = time.perf_counter()
    extracts = writer.write(texts)
    took = (time.perf_counter() - begin) / len(test)
    systems = {
        LEAD: [_lead(text, lead) for text in texts],
        COMMON: [Counter(r.summary for r in train).most_common(1)[0][0]] * len(test),
        NEAREST: nearest(train, texts),
        EXTRACT: extracts,
        CEILING: ceiling(texts, wanted),
    }
    about = {"set": name, "train": len(train), "test": len(test), "seed": seed, "lead": lead}
    overlaps = {row: overlap(said, wanted) for row, said in systems.items()}
    found = {row: {m: values[m] for m in ROUGE} for row, values in overlaps.items()}
    # The ceiling has seen the answers: it is no rival.
    rivals = [row for row in systems if row not in (LEAD, CEILING)]
    tests = versus({row: values[COMPARED] for row, values in found.items()}, {LEAD: rivals}, seed=seed)
    return [
        row_line(row, found[row], tests[row], about, {
            "bleu": {m: round(v, 4) for m, v in corpus_bleu(said, wanted, (2, 4)).items()},
            "own_words": round(float(np.mean([_own(s, t) for s, t in zip(said, texts, strict=True)])), 4),
            "words": round(float(np.mean([len(plain_words(s)) for s in said])), 2),
            **({"ms": round(1000 * took, 3)} if row == EXTRACT else {}),
        })
        for row, said in systems.items()
    ]  # fmt: skip


def nearest(train: Sequence[Review], texts: Sequence[str]) -> list[str]:
    """Return the headline of the training review whose words are most alike, by cosine of tf-idf."""
    terms = Terms.of([r.text for r in train])
    idf = sparse.diags_array(np.log(1 + len(train) / (1 + terms.frequencies)))
    known, asked = (_unit(sparse.csr_array(counts @ idf)) for counts in (terms.counts, terms.query(texts)))
    best = [int(np.argmax((known @ asked[[row]].T).toarray())) for row in range(len(texts))]
    return [train[i].summary for i in best]


def _unit(rows: sparse.csr_array) -> sparse.csr_array:
    length = np.sqrt(rows.multiply(rows).sum(axis=1))
    return sparse.csr_array(sparse.diags_array(1 / np.maximum(length, 1e-9)) @ rows)


def _lead(text: str, n: int) -> str:
    return " ".join(text.split()[:n])


def _own(headline: str, text: str) -> float:
    """Return the share of a headline's words that stand in the review; 0 for none at all."""
    said, there = plain_words(headline), set(plain_words(text))
    return sum(w in there for w in said) / len(said) if said else 0.0


def _rouge(wanted: Sequence[str], said: Sequence[str]) -> float:
    return float(overlap(said, wanted)[COMPARED].mean())
