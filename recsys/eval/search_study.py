"""What a search evaluation runs and what it may choose among: everything that a figure depends on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recsys.dataset import ItemTable

MIN_STATED = 0.2  # share of the catalogue that must state an attribute before it is a field of its own
MAX_FIELDS = 6
Weights = Mapping[str, float]
Finder = dict[str, Any]


def _finders() -> dict[str, Finder]:
    dense = {"use": "dense", "embedder": "minilm"}
    return {
        "text": {"use": "text"},
        "bm25": {"use": "bm25"},
        "dense": dense,
        "dense-title": {**dense, "fields": "title"},
    }


def _text_choices() -> list[Finder]:
    return [{"scheme": s, "k1": k1} for s in ("bm25f", "sum") for k1 in (0.6, 1.2)]


def _ranker() -> Finder:
    # Judged queries are few and of several grades: all that was judged is learned from, with the top in view.
    learns = {"negatives": None, "truncation": 10, "feature_fraction": 0.7}
    return {"use": "lightgbm", "min_data_in_leaf": 30, "learning_rate": 0.08, **learns}


def _ranker_choices() -> list[Finder]:
    return [{"num_leaves": 15, "prior": 0.3}, {"num_leaves": 31, "prior": 0.0}]


class SearchStudy(BaseModel):
    """``finders`` unite into the candidates; the rest bounds the work and lists what the training folds choose among.

    ``text_choices`` and ``ranker_choices`` are added to ``finders["text"]`` and ``ranker``; ``weight_choices`` are
    tried for every finder but "text", which weighs 1, and "bm25", which the text index contains. ``candidates`` items
    a query reach the ranker, which learns from at most ``train_queries`` queries of the training folds; with
    ``inner_queries`` or more, ``many`` is added to its settings, and keeps the work in bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    finders: dict[str, Finder] = Field(default_factory=_finders)
    text_choices: list[Finder] = Field(default_factory=_text_choices, min_length=1)
    weight_choices: list[float] = Field(default_factory=lambda: [0.0, 0.25, 0.5, 1.0, 2.0], min_length=1)
    ranker: Finder = Field(default_factory=_ranker)
    ranker_choices: list[Finder] = Field(default_factory=_ranker_choices, min_length=1)
    many: Finder = Field(default_factory=lambda: {"negatives": 30, "max_bin": 63, "learning_rate": 0.1, "patience": 30})
    folds: int = Field(5, ge=2)
    inner_queries: int = Field(1000, ge=1)  # with fewer, every training fold validates a choice, else one of them
    depth: int = Field(100, ge=100)
    candidates: int = Field(100, ge=10)
    train_queries: int = Field(3000, ge=10)
    typo_seed: int = 20_260

    def weights(self) -> list[dict[str, float]]:
        """Return every combination of fusion weights to choose among; the text index always weighs 1."""
        others = [name for name in self.finders if name not in ("text", "bm25")]
        every = itertools.product(self.weight_choices, repeat=len(others))
        return [{"text": 1.0, **dict(zip(others, values, strict=True))} for values in every]

    def text(self, items: ItemTable, choice: Finder) -> Finder:
        """Return the options of the text index; attributes that many items state become fields of their own."""
        given = {**self.finders["text"], **choice}
        return {"extra": dict.fromkeys(stated_attributes(items), 0.7), **given}


def stated_attributes(items: ItemTable) -> list[str]:
    """Return the attributes of words that at least `MIN_STATED` of the items state, the most frequent first."""
    counts: dict[str, int] = {}
    for attributes in items.attributes:
        for name, value in attributes.items():
            if isinstance(value, str | tuple):
                counts[name] = counts.get(name, 0) + 1
    enough = [name for name, n in counts.items() if n >= MIN_STATED * len(items)]
    return sorted(enough, key=lambda name: (-counts[name], name))[:MAX_FIELDS]
