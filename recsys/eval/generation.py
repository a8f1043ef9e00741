"""Generated texts measured against references and against what they were made from.

Four questions, kept apart. How alike are text and reference: BLEU (sacrebleu's), ROUGE F (Google's rouge-score, with
stemming), the cosine of sentence vectors. Is what the text says shown by its inputs: `support`, and `checked` by the
checker of reasons. Is it about what the reference is about: `aspects`. Do the texts differ from one another: USR and
distinct-n. None stands for another: a text can be supported and beside the point, or to the point and made up.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.embed.words import words as plain_words
from recsys.errors import ConfigError, DataError
from recsys.eval.compare import Comparison, compare
from recsys.eval.generation_words import Words, checked
from recsys.paired import bootstrap_ci
from recsys.protocols import Embedder
from recsys.registry import import_optional

ROUGE = ("rouge-1", "rouge-2", "rouge-l")
PER_TEXT = ("bleu", *ROUGE, "similarity", "support", "checked", "aspects")
CORPUS = ("bleu-1", "bleu-4", "usr", "distinct-1", "distinct-2", "words")
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One system's texts (n,) measured.

    Attributes:
        per_text: name -> (n,): "bleu" (BLEU-4 of each text alone, smoothed), "rouge-1", "rouge-2", "rouge-l", all in
            percent; "similarity" in [-1, 1]; "support", "checked", "aspects" in [0, 1].
        corpus: name -> figure of all texts: "bleu-1" and "bleu-4" in percent, "usr" (different texts over texts),
            "distinct-1" and "distinct-2" (different words, pairs of words, over all of them), "words" a text.
    """

    per_text: Mapping[str, Values]
    corpus: Mapping[str, float]

    def figures(self, *, resamples: int = 1000, seed: int = 0) -> dict[str, dict[str, object]]:
        """Return name -> {"value", "ci95"} of everything; what only the corpus has carries no interval."""
        out: dict[str, dict[str, object]] = {
            name: {"value": _short(values.mean()), "ci95": [_short(v) for v in _ci(values, resamples, seed)]}
            for name, values in self.per_text.items()
        }
        return {**out, **{name: {"value": _short(value)} for name, value in self.corpus.items()}}


class Generation:
    """References (n,) and the inputs of each text, read once; measures any number of systems against them.

    ``inputs`` are the texts that each explanation may rest on, its item's title first.
    """

    def __init__(
        self, references: Sequence[str], inputs: Sequence[Sequence[str]], words: Words, embedder: Embedder
    ) -> None:
        """Raises `DataError` for no reference, or not one entry of inputs a reference."""
        if not references or len(references) != len(inputs):
            raise DataError(f"{len(references)} references and {len(inputs)} inputs: as many of each, and at least one")
        self.references, self.inputs = list(references), [tuple(i) for i in inputs]
        self.words, self._embedder = words, embedder

    def measure(self, texts: Sequence[str]) -> Measured:
        """Return every figure of ``texts`` (n,); an empty text scores nothing anywhere.

        Raises:
            DataError: not one text a reference.
            PluginUnavailable: the extra "report" is not installed.
        """
        if len(texts) != len(self.references):
            raise DataError(f"{len(texts)} texts for {len(self.references)} references")
        per_text = {
            **overlap(texts, self.references),
            "similarity": self._similarity(texts),
            "support": np.array([self.words.support(t, i) for t, i in zip(texts, self.inputs, strict=True)]),
            "checked": np.array([checked(t, i[0], i[1:]) for t, i in zip(texts, self.inputs, strict=True)]),
            "aspects": np.array([self.words.agreement(t, r) for t, r in zip(texts, self.references, strict=True)]),
        }
        return Measured(per_text, {**corpus_bleu(texts, self.references), **variety(texts)})

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        return self._embedder.embed(self.references, "item")

    def _similarity(self, texts: Sequence[str]) -> Values:
        own = self._embedder.embed(list(texts), "item")
        cosines: Values = np.einsum("nd,nd->n", own, self._vectors).astype(np.float64)
        return cosines


def taken(measured: Measured, texts: Sequence[str], references: Sequence[str], rows: NDArray[np.int64]) -> Measured:
    """Return the measurements of the texts at ``rows`` alone; corpus figures are made anew from those."""
    some, wanted = [texts[i] for i in rows.tolist()], [references[i] for i in rows.tolist()]
    return Measured(
        {name: values[rows] for name, values in measured.per_text.items()},
        {**corpus_bleu(some, wanted), **variety(some)},
    )


def comparisons(
    systems: Mapping[str, Measured], baseline: str, metrics: Sequence[str] = PER_TEXT, *, seed: int = 0
) -> dict[str, dict[str, Comparison]]:
    """Return metric -> system -> comparison with ``baseline`` over the same texts; a metric is one Holm family.

    Raises:
        ConfigError: the baseline, or a metric, was not measured.
    """
    if baseline not in systems:
        raise ConfigError(f"baseline {baseline!r} was not measured: choose one of {', '.join(systems)}")
    if unknown := [m for m in metrics if m not in PER_TEXT]:
        raise ConfigError(f"no metric {', '.join(unknown)} of single texts: choose among {', '.join(PER_TEXT)}")
    return {m: compare({s: found.per_text[m] for s, found in systems.items()}, baseline, seed=seed) for m in metrics}


def variety(texts: Sequence[str]) -> dict[str, float]:
    """Return "usr", "distinct-1", "distinct-2" and "words" of texts, at least one; case is no difference in words."""
    listed = [plain_words(text) for text in texts]
    singles = [word for one in listed for word in one]
    pairs = [pair for one in listed for pair in itertools.pairwise(one)]
    return {
        "usr": len(set(texts)) / len(texts),
        "distinct-1": len(set(singles)) / max(1, len(singles)),
        "distinct-2": len(set(pairs)) / max(1, len(pairs)),
        "words": len(singles) / len(texts),
    }


def overlap(texts: Sequence[str], references: Sequence[str]) -> dict[str, Values]:
    """Return "bleu", "rouge-1", "rouge-2" and "rouge-l" of each text (n,), as `Measured.per_text` has them.

    Raises:
        PluginUnavailable: the extra "report" is not installed.
    """
    bleu = import_optional("sacrebleu.metrics").BLEU(effective_order=True)
    kinds = [name.replace("rouge-l", "rougeL").replace("-", "") for name in ROUGE]
    rouge = import_optional("rouge_score.rouge_scorer").RougeScorer(kinds, use_stemmer=True)
    out: dict[str, list[float]] = {name: [] for name in ("bleu", *ROUGE)}
    for text, reference in zip(texts, references, strict=True):
        out["bleu"].append(bleu.sentence_score(text, [reference]).score)
        found = rouge.score(reference, text)
        for name, kind in zip(ROUGE, kinds, strict=True):
            out[name].append(100 * found[kind].fmeasure)
    return {name: np.array(values, dtype=np.float64) for name, values in out.items()}


def corpus_bleu(texts: Sequence[str], references: Sequence[str], orders: Sequence[int] = (1, 4)) -> dict[str, float]:
    """Return "bleu-N" of all texts (n,) together for each of ``orders``, in percent.

    Raises:
        PluginUnavailable: the extra "report" is not installed.
    """
    metrics = import_optional("sacrebleu.metrics")
    return {
        f"bleu-{order}": float(metrics.BLEU(max_ngram_order=order).corpus_score(list(texts), [list(references)]).score)
        for order in orders
    }


def _ci(values: Values, resamples: int, seed: int) -> tuple[float, float]:
    return bootstrap_ci(values, resamples=resamples, seed=seed)


def _short(value: float) -> float:
    return round(float(value), 4)
