"""``recsys recommend``, ``recsys explain`` and ``recsys similar``: ask a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from recsys.cli.output import Json, console, print_json, table
from recsys.cli.reasons import reason_cell
from recsys.cli.workings import ShowWorkings, workings_table
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from recsys.engine import Engine
    from recsys.filters import Expr
    from recsys.result import Result

T = TypeVar("T")
# Seconds for which the words of a language model are waited for: nobody asks a second time here.
WORDS_S = 30.0
BundleOption = Annotated[Path, typer.Option("--bundle", metavar="BUNDLE", help="What `recsys fit` wrote.")]
StoreOption = Annotated[
    Path | None, typer.Option("--store", metavar="DUMP", help="Catalogue and events: what `recsys dump` wrote.")
]
SourceOption = Annotated[
    str | None, typer.Option("--data", metavar="READER:PATH", help="Catalogue and events: a data set instead.")
]
User = Annotated[str | None, typer.Option("--user", help="Shopper; nobody in particular without it.")]
K = Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the list.")]
Brands = Annotated[list[str] | None, typer.Option("--where-brand", help="Only this brand; repeatable.")]
Categories = Annotated[list[str] | None, typer.Option("--where-category", help="Only this category; repeatable.")]
MinPrice = Annotated[float | None, typer.Option("--where-min-price", help="Lowest price.")]
MaxPrice = Annotated[float | None, typer.Option("--where-max-price", help="Highest price.")]
Where = Annotated[
    str | None, typer.Option("--where", metavar="FILTER", help='Such as: price <= 80 AND brand = "Acme"; or as JSON.')
]
SoldOut = Annotated[bool, typer.Option("--where-sold-out-too", help="Show items without stock as well.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say why, and show the evidence.")]
Variant = Annotated[str | None, typer.Option("--variant", help="Plan to use instead of the bundle's own.")]
NO_SHOPPER = "a bundle knows no shopper: give --store DUMP or --data READER:PATH with --user, or leave --user out"


def add(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("recommend")(recommend)
    app.command("explain")(explain)
    app.command("similar")(similar)


def recommend(
    bundle: BundleOption,
    user: User = None,
    store: StoreOption = None,
    data: SourceOption = None,
    k: K = 10,
    context: Annotated[
        list[str] | None, typer.Option("--context", metavar="ITEM", help="Item of the page or cart; repeatable.")
    ] = None,
    brand: Brands = None,
    category: Categories = None,
    min_price: MinPrice = None,
    max_price: MaxPrice = None,
    sold_out: SoldOut = False,
    where: Where = None,
    reasons: Explain = False,
    workings: ShowWorkings = False,
    variant: Variant = None,
    as_json: Json = False,
) -> None:
    """Recommend items to a shopper: what is in --store or --data is their history."""
    known(user, store, data)
    engine = opened(bundle, store, data)
    allowed = shown(brand, category, min_price, max_price, sold_out, where)
    result = worded(
        engine,
        lambda: engine.recommend(
            user, k, where=allowed, context=context or (), explain=reasons, variant=variant, workings=workings
        ),
    )
    give(result, f"for {user}" if user is not None else "for a stranger", {"user_id": user}, as_json)


def explain(
    item: Annotated[list[str], typer.Option("--item", help="Item id; repeatable.")],
    bundle: BundleOption,
    user: User = None,
    store: StoreOption = None,
    data: SourceOption = None,
    variant: Variant = None,
    as_json: Json = False,
) -> None:
    """Say why a shopper would want given items, and what shows it."""
    known(user, store, data)
    engine = opened(bundle, store, data)
    said = [one.to_dict() for one in worded(engine, lambda: engine.explain(user, item, variant=variant))]
    if as_json:
        print_json(
            {"user_id": user, "items": [{"item_id": i, "explanation": e} for i, e in zip(item, said, strict=True)]}
        )
        return
    console().print(
        table("", ("item", "reason, and what shows it"), [(i, reason_cell(e)) for i, e in zip(item, said, strict=True)])
    )


def similar(
    bundle: BundleOption,
    item: Annotated[str, typer.Option("--item", help="Item id.")],
    store: StoreOption = None,
    data: SourceOption = None,
    k: K = 10,
    brand: Brands = None,
    category: Categories = None,
    min_price: MinPrice = None,
    max_price: MaxPrice = None,
    sold_out: SoldOut = False,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """List items that go with an item, by behaviour, attributes and text."""
    allowed = shown(brand, category, min_price, max_price, sold_out, where)
    result = opened(bundle, store, data).similar_items(item, k, where=allowed)
    give(result, f"like {item}", {"item_id": item}, as_json)


def opened(bundle: Path, store: Path | None, data: str | None) -> Engine:
    """Return the engine of a bundle over a dump or a data set; over its own catalogue without either."""
    from recsys.data.source import open_data
    from recsys.engine import Engine
    from recsys.saving import saved_config
    from recsys.store.dump import restore
    from recsys.store.memory import MemoryStore

    if store is not None and data is not None:
        raise ConfigError("give --store or --data, not both")
    if store is None and data is None:
        return Engine.load(bundle)
    weights = saved_config(bundle).events.weights
    if store is not None:
        held = MemoryStore(weights=weights)
        restore(held, store)
    else:
        held = MemoryStore.of(open_data(data or "")[0], weights=weights)
    return Engine.load(bundle, store=held)


def worded(engine: Engine, ask: Callable[[], T]) -> T:
    """Return what ``ask`` gives, with the words that a slow explainer has for it a moment later; the engine ends."""
    try:
        before = engine.reasons_queued
        got = ask()
        # Whether some are still pending says nothing: a quick worker is done before it is asked.
        if engine.reasons_queued == before:
            return got
        engine.wait_for_reasons(WORDS_S)
        return ask()
    finally:
        engine.close()


def known(user: str | None, store: Path | None, data: str | None) -> None:
    """Raise `ConfigError` for a shopper without anything that would know them."""
    if user is not None and store is None and data is None:
        raise ConfigError(NO_SHOPPER)


def shown(
    brands: list[str] | None, categories: list[str] | None, low: float | None, high: float | None, sold_out: bool,
    text: str | None,
) -> Expr:  # fmt: skip
    """Return one tree of the options and the written filter: both have to hold."""
    from recsys.filters import And, from_filter, parse
    from recsys.types import Filter

    given = from_filter(
        Filter(
            brands=tuple(brands or ()), categories=tuple(categories or ()), min_price=low, max_price=high,
            in_stock=not sold_out,
        )
    )  # fmt: skip
    return given if text is None else And((given, parse(text)))


def give(result: Result, title: str, who: dict[str, Any], as_json: bool) -> None:
    """Print a list as a table or as JSON."""
    trace = result.trace
    if as_json:
        print_json(
            {**who, "items": result.to_dicts(), **_of_search(result), "took_ms": round(trace.took_ms, 3),
             "bundle": trace.bundle, "degraded": list(trace.degraded), "warnings": list(trace.warnings),
             "applied_rules": list(trace.applied_rules)}
        )  # fmt: skip
        return
    out = console()
    out.print(result_table(result, f"{len(result)} items {title}"))
    reasons = [(str(r.rank), reason_cell(r.explanation.to_dict())) for r in result if r.explanation is not None]
    if reasons:
        out.print(table("", ("#", "reason, and what shows it"), reasons, numbers=(0,)))
    if any(r.workings is not None for r in result):
        out.print(workings_table(result))
    typer.echo(f"{trace.took_ms:.1f} ms" + (f", degraded: {', '.join(trace.degraded)}" if trace.degraded else ""))


def _of_search(result: Result) -> dict[str, Any]:
    """Return what only a search has."""
    if result.total is None:
        return {}
    return {
        "total": result.total, "corrections": dict(result.corrections), "relaxed": list(result.relaxed),
        "refound": list(result.refound), "facets": result.facets, "price": result.price,
    }  # fmt: skip


def result_table(result: Result, title: str) -> Any:
    """Return a list as a rich table."""
    lines = [
        (str(r.rank), r.item_id, r.title, "" if r.price is None else f"{r.price:.2f}", f"{r.score:.4f}",
         ", ".join(r.sources))
        for r in result
    ]  # fmt: skip
    return table(title, ("#", "item", "title", "price", "score", "found by"), lines, numbers=(0, 3, 4))
