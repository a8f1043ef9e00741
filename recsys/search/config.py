"""The settings of the text index."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FIELDS = ("title", "brand", "categories", "attributes", "text")


class IndexConfig(BaseModel):
    """How products are read and valued.

    Attributes:
        language: any of snowball's, or "none".
        weights: what a term counts by field; 0 leaves a field unread. Defaults for the fields that are not named.
        extra: attributes that are fields of their own, with their weights: they no longer count as "attributes".
        scheme: "bm25f" adds up the fields and saturates once (Robertson, Zaragoza & Taylor 2004), "sum" adds up
            saturated fields.
        k1, b: of BM25; ``b_of`` sets ``b`` by field.
        phrase: what a pair of neighbours counts that are neighbours in the title too, as part of its own idf.
        coverage: which part of a score depends on the share of the query that a product matches.
        head: what the last word of a query that names a kind of product counts beyond the others.
        stop: what function words count in a query.
        compound: what a compound written as one counts, against its parts.
        synonym: what a word counts that a merchant's rule puts for another.
        prefix: what a word counts that the last word of a query is only the beginning of.
        typos: whether words that are rare or unknown stand for their neighbours too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str = "english"
    weights: dict[str, float] = Field(default_factory=dict)
    extra: dict[str, float] = Field(default_factory=dict)
    scheme: Literal["bm25f", "sum"] = "bm25f"
    k1: float = Field(1.0, gt=0, le=10)
    b: float = Field(0.6, ge=0, le=1)
    b_of: dict[str, float] = Field(default_factory=dict)
    phrase: float = Field(0.3, ge=0, le=5)
    coverage: float = Field(0.5, ge=0, le=1)
    head: float = Field(0.5, ge=0, le=5)
    stop: float = Field(0.2, ge=0, le=1)
    compound: float = Field(0.7, ge=0, le=1)
    synonym: float = Field(0.9, gt=0, le=1)
    prefix: float = Field(0.6, ge=0, le=1)
    typos: bool = True

    @model_validator(mode="after")
    def _known(self) -> IndexConfig:
        for name in ("weights", "b_of"):
            if unknown := set(getattr(self, name)) - set(self.fields):
                raise ValueError(f"{name} names unknown fields: {', '.join(sorted(unknown))}")
        if any(w < 0 for w in [*self.weights.values(), *self.extra.values()]):
            raise ValueError("weights must not be negative")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields in the order of every array: the title first."""
        return (*FIELDS, *self.extra)

    def weight(self, field: str) -> float:
        """Return what a term counts in a field."""
        return self.extra.get(field, self.weights.get(field, _DEFAULT.get(field, 1.0)))


_DEFAULT = {"title": 4.0, "brand": 1.5, "categories": 1.0, "attributes": 0.7, "text": 0.5}
