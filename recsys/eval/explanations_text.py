"""Texts measured as published work measures them: distinct sentences, features, and likeness to the shopper's review.

USR, FMR, FCR and DIV are PETER's (Li, Zhang & Chen 2021, arXiv 2105.11601, section 5.2). BLEU is sacrebleu's, ROUGE is
Google's rouge-score with stemming; both in percent. None of this says whether a text is true: `support` does, and it
is kept apart from `agreement`, for a reason can be true without being what the shopper later writes about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass

from recsys.errors import DataError
from recsys.registry import import_optional

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Variety:
    """How varied texts are.

    Attributes:
        usr: different texts over all texts. usr_facts: the same over one text for each different set of facts: who
            has the same to say may say it in the same words.
        fcr: features that occur in any text over all features. div: features that two texts share, on average over
            all pairs; lower is more varied.
    """

    usr: float
    usr_facts: float
    fcr: float
    div: float


def variety(texts: Sequence[str], fact_sets: Sequence[Hashable], features: Sequence[str]) -> Variety:
    """Return how varied ``texts`` (n,) are; ``features`` are the words or phrases that a text may be about.

    Raises:
        DataError: no text, or not one fact set a text.
    """
    if not texts or len(texts) != len(fact_sets):
        raise DataError(f"{len(texts)} texts and {len(fact_sets)} fact sets: there must be as many, and at least one")
    first = {facts: text for text, facts in zip(reversed(texts), reversed(fact_sets), strict=True)}
    found = [features_in(text, features) for text in texts]
    counts = Counter(feature for one in found for feature in one)
    pairs = len(texts) * (len(texts) - 1) / 2
    shared = sum(count * (count - 1) / 2 for count in counts.values())
    return Variety(
        len(set(texts)) / len(texts),
        len(set(first.values())) / len(first),
        len(counts) / len(set(features)) if features else 0.0,
        shared / pairs if pairs else 0.0,
    )


def feature_matching(texts: Sequence[str], wanted: Sequence[str]) -> float:
    """Return FMR: the share of texts that hold the feature that they should be about, (n,) each.

    Raises:
        DataError: different numbers, or none.
    """
    if not texts or len(texts) != len(wanted):
        raise DataError(f"{len(texts)} texts and {len(wanted)} features: there must be as many, and at least one")
    return sum(bool(features_in(text, [one])) for text, one in zip(texts, wanted, strict=True)) / len(texts)


def features_in(text: str, features: Sequence[str]) -> set[str]:
    """Return the features whose words occur in ``text``, whole and in order, whatever their case."""
    words = f" {' '.join(_WORD.findall(text.casefold()))} "
    return {f for f in features if (own := " ".join(_WORD.findall(f.casefold()))) and f" {own} " in words}


def agreement(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return BLEU-1, BLEU-4 and the F-measures of ROUGE-1, -2 and -L of ``texts`` against ``references`` (n,).

    Raises:
        DataError: different numbers, or none.
        PluginUnavailable: the extra "report" is not installed.
    """
    if not texts or len(texts) != len(references):
        raise DataError(f"{len(texts)} texts and {len(references)} references: there must be as many, and at least one")
    sacrebleu = import_optional("sacrebleu.metrics")
    rouge = import_optional("rouge_score.rouge_scorer")
    out = {
        f"bleu-{order}": sacrebleu.BLEU(max_ngram_order=order).corpus_score(list(texts), [list(references)]).score
        for order in (1, 4)
    }  # fmt: skip
    kinds = ("rouge1", "rouge2", "rougeL")
    scorer = rouge.RougeScorer(list(kinds), use_stemmer=True)
    scores = [scorer.score(reference, text) for text, reference in zip(texts, references, strict=True)]
    for kind in kinds:
        out[f"rouge-{kind.removeprefix('rouge').lower()}"] = 100 * sum(s[kind].fmeasure for s in scores) / len(scores)
    return {name: round(value, 4) for name, value in out.items()}


def text_figures(
    texts: Sequence[str], fact_sets: Sequence[Hashable], features: Sequence[str], references: Sequence[str] = (),
    wanted: Sequence[str] = (),
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Return "variety" and, where there are reviews to compare with, "agreement".

    Args:
        texts: (n,) as shown. fact_sets: what each was made of.
        features: all that a text may be about.
        references: (n,) what the shopper wrote about the item, or ().
        wanted: (n,) the feature that this review is about, or (): adds "fmr" to the agreement.
    """
    out = {"variety": {k: round(v, 4) for k, v in asdict(variety(texts, fact_sets, features)).items()}}
    if references:
        out["agreement"] = agreement(texts, references)
        if wanted:
            out["agreement"]["fmr"] = round(feature_matching(texts, wanted), 4)
    return out
