"""Lists: what is asked for, and what comes back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from recsys.errors import DataError
from recsys.filters import Expr, parse, to_json
from recsys.filters.exclusions import Exclusions
from recsys.rules import Rules
from recsys.search.sort import Order
from recsys.serving.shapes.base import MAX_K, Id, Ids, Moment, Name, Shape, Someone, example

MAX_FILTER_CHARS = 5_000
FIELDS = ("title", "text", "brand", "categories", "price", "stock", "parent_id", "attributes")
Explain = Literal["none", "short", "generated"]


def _filter(value: Any) -> Any:
    """Read a filter in any of its forms; what is wrong with it becomes an error of the field."""
    if value is None:
        return None
    if isinstance(value, str) and len(value) > MAX_FILTER_CHARS:
        raise ValueError(f"must have at most {MAX_FILTER_CHARS:,} characters, got {len(value):,}")
    try:
        return parse(value)
    except DataError as error:
        raise ValueError(str(error)) from error


# A filter as text, ``price <= 80 AND brand = "Acme"``, or as JSON, ``{"lte": ["price", 80]}``.
Where = Annotated[
    Any, BeforeValidator(_filter, json_schema_input_type=str | dict[str, Any] | None),
    PlainSerializer(lambda tree: None if tree is None else to_json(tree)),  # further pages are made of it
    Field(examples=['price <= 80 AND brand = "Acme"', {"and": [{"lte": ["price", 80]}]}]),
]  # fmt: skip


Traced = Annotated[
    bool, Field(description="What each stage did, and which statements a check took out of the reasons: `trace`.")
]


class Context(Shape):
    """Where the shopper is: the item of the page and what is in the cart count like fresh looks."""

    item_ids: Ids = ()
    cart: Ids = ()
    locale: str | None = Field(None, max_length=35)


class Asked(Someone):
    """What every list can be asked."""

    limit: int = Field(10, ge=1, le=MAX_K)
    filter: Where = None
    rules: Rules | None = Field(None, description="Of the merchant, after those of the settings.")
    variant: Name | None = Field(None, description="The plan; none is the experiment's, else the settings'.")
    explain: Explain = Field(
        "none", description="short: at once, by template where a model is slow. generated: waited for, within the time."
    )
    explainer: Name | None = Field(None, description="Who words the reasons, instead of that of the settings.")
    shown_item_ids: Ids | None = Field(None, description="What the page shows already: it is not repeated.")
    return_fields: Annotated[tuple[Literal[FIELDS], ...], Field(max_length=len(FIELDS))] = ()  # type: ignore[valid-type]
    debug: bool = Field(False, description="The workings of each row: its rank and score at every stage.")
    trace: Traced = False
    timeout_ms: float | None = Field(None, gt=0, le=60_000)
    strict: bool = Field(False, description="A stage that fails is an error instead of a note in `degraded`.")
    now: Moment | None = Field(None, description="The moment of the request, for tests; none is now.")

    @property
    def where(self) -> Expr | None:
        """The filter as a tree."""
        found: Expr | None = self.filter
        return found


class RecommendIn(Asked):
    """A list for a shopper, or for nobody in particular."""

    model_config = ConfigDict(
        extra="forbid", frozen=True,
        json_schema_extra={"examples": [{
            "placement": "home", "user_id": "u_42", "limit": 12, "filter": "price <= 80", "explain": "short",
            "context": {"cart": ["B01Y"]}, "return_fields": ["title", "price"],
        }]},
    )  # fmt: skip

    placement: Name = "default"
    context: Context = Context()
    exclude_item_ids: Ids = ()
    exclude_events: Annotated[tuple[Name, ...], Field(max_length=16)] | None = Field(
        None, description="Kinds of events whose items are not shown, instead of what the settings say."
    )
    exclude: Exclusions | None = Field(
        None, description="What is not shown, in full, instead of what the settings say and of `exclude_events`."
    )
    diversity: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def _one_exclusion(self) -> RecommendIn:
        if self.exclude is not None and self.exclude_events is not None:
            raise ValueError("exclude: give it or exclude_events, not both")
        return self

    def asked_rules(self) -> Rules | None:
        """Return the rules of the call with its diversity and its excluded items in them."""
        more: dict[str, Any] = {}
        if self.diversity is not None:
            more["diversity"] = self.diversity
        if self.exclude_item_ids:
            more["hide"] = [{"name": "exclude_item_ids", "item_ids": list(self.exclude_item_ids)}]
        if not more:
            return self.rules
        return Rules.of(more) if self.rules is None else self.rules.plus(Rules.of(more))

    def exclusions(self) -> Exclusions | None:
        """Return what the shopper is not shown; None = what the settings say."""
        from recsys.serving.shapes.events import kind_of

        if self.exclude_events is None:
            return self.exclude
        return Exclusions.of({"event_kinds": [kind_of(name) or name for name in self.exclude_events]})


class NextIn(Shape):
    """The cursor of the list's last answer."""

    model_config = example(cursor="at_...", limit=12)

    cursor: Annotated[str, Field(min_length=1, max_length=2_000)]
    limit: int | None = Field(None, ge=1, le=MAX_K)


class SimilarIn(Asked):
    """A list of what goes with an item."""

    model_config = example(limit=6, filter="price <= 80")


class SearchIn(Asked):
    """A search."""

    model_config = ConfigDict(
        extra="forbid", frozen=True,
        json_schema_extra={"examples": [{"query": "waterproof jacket", "user_id": "u_42", "facets": True}]},
    )  # fmt: skip

    query: Annotated[str, Field(min_length=1, max_length=1_000)]
    placement: Name = "search"
    sort: Order = "relevance"
    facets: bool = False
    fold: bool = Field(True, description="One variant of each product is shown, the others are named.")


class RankIn(Someone):
    """The shop's own candidates, to be put into the shopper's order; none is added, filtered or lost."""

    model_config = example(user_id="u_42", item_ids=["B01", "B07"])

    item_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=1_000)]
    placement: Name = "rank"
    limit: int | None = Field(None, ge=1, le=1_000)
    variant: Name | None = None
    return_fields: Annotated[tuple[Literal[FIELDS], ...], Field(max_length=len(FIELDS))] = ()  # type: ignore[valid-type]
    debug: bool = False
    trace: Traced = False
    timeout_ms: float | None = Field(None, gt=0, le=60_000)
    strict: bool = False
    now: Moment | None = None


class EvidenceOut(Shape):
    """One thing that a reader can look up; see `recsys.explanation.Evidence`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    item_id: str


class ExplanationOut(Shape):
    """A reason whose every statement was checked against its evidence; text "" is nothing to say."""

    text: str
    kind: str
    confidence: str
    causal_drop: float | None
    evidence: list[EvidenceOut]
    removed: list[str] | None = None


class RowOut(Shape):
    """One row of a list."""

    rank: int
    item_id: str
    score: float
    sources: list[str]
    fields: dict[str, Any]
    variants: list[str] = []
    explanation: ExplanationOut | None = None
    stages: dict[str, Any] | None = None


class ModelOut(Shape):
    """The plan and the bundle that made a list: one of each, whatever is swapped meanwhile."""

    name: str
    version: str


class ExperimentOut(Shape):
    """The arm that the shopper is in."""

    name: str
    arm: str


class StageOut(Shape):
    """One stage of one call: who did it, how long it took, and how many items went in and out."""

    stage: str
    plugin: str
    took_ms: float
    n_in: int
    n_out: int


class TraceOut(Shape):
    """What a call did, in order, and what was counted on the way: tokens, replies that were repaired, costs."""

    stages: list[StageOut]
    counts: dict[str, float]


class ListOut(Shape):
    """A list with all that is to be said of it; ``took_ms`` has every stage, and ``total`` with the wait in front."""

    list_id: str
    attribution_token: str
    model: ModelOut
    experiment: ExperimentOut | None
    items: list[RowOut]
    next_cursor: str | None
    took_ms: dict[str, float]
    degraded: list[str]
    warnings: list[str]
    applied_rules: list[str]
    missing_ids: list[str]
    pending_explanations: int
    trace: TraceOut | None = None


class SearchOut(ListOut):
    """The answer of a search."""

    total: int
    facets: dict[str, Any]
    corrections: dict[str, str]
    relaxed: list[str]
    refound: list[str]
    price: str


class SuggestionOut(Shape):
    """One text to offer."""

    text: str
    source: str


class SuggestOut(Shape):
    """Texts that go on from what is being typed."""

    suggestions: list[SuggestionOut]
    took_ms: float


class ExplainIn(Someone):
    """Which reason is asked for: that of an item in a list (``attribution_token``), or of items for a shopper."""

    model_config = example(user_id="u_42", item_ids=["B07"])

    item_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_K)]
    attribution_token: Annotated[str, Field(max_length=2_000)] | None = None
    variant: Name | None = None
    explain: Literal["short", "generated"] = "short"
    trace: Traced = False
    timeout_ms: float | None = Field(None, gt=0, le=60_000)
    strict: bool = False
    now: Moment | None = None


class ExplainedOut(Shape):
    """One reason."""

    item_id: str
    explanation: ExplanationOut


class ExplainOut(Shape):
    """The reasons, in the order in which they were asked for."""

    explanations: list[ExplainedOut]
    missing_ids: list[str]
    model: ModelOut
    took_ms: float


class Document(Shape):
    """A document as an object."""

    text: Annotated[str, Field(max_length=20_000)]


class RerankIn(Someone):
    """The shape of Jina's and Cohere's rerankers; documents are texts or objects with a text."""

    model_config = ConfigDict(
        extra="ignore", frozen=True,
        json_schema_extra={"examples": [{"query": "trail shoe", "documents": ["a running shoe", "a pan"], "top_n": 1}]},
    )  # fmt: skip

    model: str | None = Field(None, max_length=256, description="A reranker of the settings; none is the default.")
    query: Annotated[str, Field(min_length=1, max_length=MAX_FILTER_CHARS)]
    documents: Annotated[
        list[Annotated[str, Field(max_length=20_000)] | Document], Field(min_length=1, max_length=1_000)
    ]
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False


class RerankResult(Shape):
    """One document: its place in the request, from 0, and how well it answers."""

    index: int
    relevance_score: float
    document: Document | None = None


class RerankOut(Shape):
    """The documents, the best first."""

    id: str
    model: str
    results: list[RerankResult]
    meta: dict[str, Any]
