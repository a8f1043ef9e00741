"""What a call gives back: ranked rows with their reasons, and a trace of how they came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recsys.explanation import Explanation
from recsys.workings import Workings

MAX_TITLE = 300  # characters of a title that is shown, whatever a supplier wrote


@dataclass(frozen=True, slots=True)
class StageTrace:
    """One stage of one call: how long it took for the whole batch, and how many items went in and out."""

    stage: str
    plugin: str
    took_ms: float
    n_in: int
    n_out: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What one call did, in order; ``degraded`` names the stages that fell back.

    ``counts`` are sums of the stages by name: tokens read and written, replies that were repaired, what they cost.
    """

    stages: tuple[StageTrace, ...] = ()
    bundle: str = ""
    degraded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    applied_rules: tuple[str, ...] = ()
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def took_ms(self) -> float:
        """All stages together, in milliseconds."""
        return sum(s.took_ms for s in self.stages)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One row of a `Result`.

    ``sources`` are the generators whose own list held the item, strongest first; ``variants`` the ids of the other
    matching variants that are folded under this one; ``workings`` how the item came to its place, where the call asked.
    """

    rank: int
    item_id: str
    title: str
    score: float
    sources: tuple[str, ...] = ()
    price: float | None = None
    stock: int | None = None
    explanation: Explanation | None = None
    variants: tuple[str, ...] = ()
    workings: Workings | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """How a service knows a list that it gave out.

    Attributes:
        list_id: its id. attribution_token: what later events carry to be joined to it.
        cursor: where its next page begins, None where there is none.
        variant: the plan that made it. experiment: its name and the shopper's arm, None outside of one.
        took_ms: of the whole request inside the service, its wait in front of the engine included.
    """

    list_id: str
    attribution_token: str
    cursor: str | None
    variant: str
    experiment: tuple[str, str] | None
    took_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """An ordered list for one call; prints as a table, converts to dicts, pandas and polars.

    Attributes:
        total: of a search: how many items match; None else.
        facets: of a search that asked for them: how many matching items have which brand, category, attribute, price.
        corrections: of a search: word as typed -> word as searched.
        relaxed: of a search: what had to be given up to find anything, in words.
        refound: of a search: ids of listed items that this shopper chose for this query before.
        price: of a search: the bounds that its text named, as a filter's text, "price <= 50"; "" where it named none.
        pending: how many reasons are still being worded; until then the template speaks, later lists have them.
        served: of a list that came from a service; no part of comparisons.
    """

    items: tuple[Recommendation, ...]
    trace: Trace = Trace()
    total: int | None = None
    facets: Mapping[str, Any] = field(default_factory=dict)
    corrections: Mapping[str, str] = field(default_factory=dict)
    relaxed: tuple[str, ...] = ()
    refound: tuple[str, ...] = ()
    price: str = ""
    pending: int = 0
    served: Served | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    def __getitem__(self, i: int) -> Recommendation:
        return self.items[i]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one plain dict a row, ready for JSON."""
        names = ("rank", "item_id", "title", "score", "sources", "price", "stock")
        rows = [{n: list(v) if isinstance(v := getattr(r, n), tuple) else v for n in names} for r in self.items]
        for row, r in zip(rows, self.items, strict=True):
            if r.variants:
                row["variants"] = list(r.variants)
            if r.explanation is not None:
                row["explanation"] = r.explanation.to_dict()
            if r.workings is not None:
                row["workings"] = r.workings.to_dict()
        return rows

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, one row an item. Raises `PluginUnavailable` without pandas."""
        return _frame_library("pandas").DataFrame(self.to_dicts())

    def to_polars(self) -> Any:
        """Return a `polars.DataFrame`, one row an item. Raises `PluginUnavailable` without polars."""
        return _frame_library("polars").DataFrame(self.to_dicts())

    def __str__(self) -> str:
        if not self.items:
            return "(no items)"
        width = min(60, max(len(r.title) for r in self.items) or 1)
        lines = [f"{'#':>3}  {'item':<14} {'title':<{width}} {'score':>8}  sources"]
        lines += [
            f"{r.rank:>3}  {r.item_id:<14.14} {r.title:<{width}.{width}} {r.score:>8.4f}  {', '.join(r.sources)}"
            for r in self.items
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{r.rank}</td><td>{escape(r.item_id)}</td><td>{escape(r.title)}</td>"
            f"<td>{r.score:.4f}</td><td>{escape(', '.join(r.sources))}</td></tr>"
            for r in self.items
        )
        return f"<table><tr><th>#<th>item<th>title<th>score<th>sources</tr>{rows}</table>"


def _frame_library(name: str) -> Any:
    import importlib

    from recsys.errors import PluginUnavailable

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PluginUnavailable(f"{name} is not installed: pip install {name}") from error
