"""``recsys search`` and ``recsys suggest``: what shoppers type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.lists import (
    Brands,
    BundleOption,
    Categories,
    Explain,
    K,
    MaxPrice,
    MinPrice,
    SoldOut,
    SourceOption,
    StoreOption,
    User,
    Variant,
    Where,
    give,
    known,
    opened,
    shown,
    worded,
)
from recsys.cli.output import Json, console, print_json
from recsys.cli.workings import ShowWorkings

if TYPE_CHECKING:
    from recsys.result import Result

N_VALUES = 8  # of a facet


def add(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("search")(search)
    app.command("suggest")(suggest)


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the shopper typed.")],
    bundle: BundleOption,
    user: User = None,
    store: StoreOption = None,
    data: SourceOption = None,
    k: K = 10,
    brand: Brands = None,
    category: Categories = None,
    min_price: MinPrice = None,
    max_price: MaxPrice = None,
    sold_out: SoldOut = False,
    where: Where = None,
    facets: Annotated[bool, typer.Option("--facets", help="Count what matches by brand, category, value.")] = False,
    reasons: Explain = False,
    workings: ShowWorkings = False,
    variant: Variant = None,
    as_json: Json = False,
) -> None:
    """Search the catalogue; a known shopper's own taste has its say in the order."""
    known(user, store, data)
    allowed = shown(brand, category, min_price, max_price, sold_out, where)
    engine = opened(bundle, store, data)
    result = worded(
        engine,
        lambda: engine.search(
            text, user, k, where=allowed, facets=facets, explain=reasons, variant=variant, workings=workings
        ),
    )
    give(result, f"of {result.total} for {text!r}", {"text": text, "user_id": user}, as_json)
    if not as_json:
        _tell(result)


def suggest(
    typed: Annotated[str, typer.Argument(metavar="TYPED", help="The first letters, or nothing.")],
    bundle: BundleOption,
    user: User = None,
    store: StoreOption = None,
    data: SourceOption = None,
    k: K = 8,
    as_json: Json = False,
) -> None:
    """Complete what is being typed; nothing is offered that would find nothing."""
    known(user, store, data)
    offered = [s.text for s in opened(bundle, store, data).suggest(typed, user, k)]
    if as_json:
        print_json({"typed": typed, "user_id": user, "texts": offered})
        return
    for text in offered:
        typer.echo(text)


def _tell(result: Result) -> None:
    """Print how the words were read, and what matches by field."""
    out = console()
    for typed, meant in result.corrections.items():
        out.print(f"read “{typed}” as “{meant}”", highlight=False, markup=False)
    if result.price:
        out.print(f"kept to {result.price}", highlight=False, markup=False)
    if result.relaxed:
        out.print(f"nothing has all the words; gave up: {', '.join(result.relaxed)}", highlight=False, markup=False)
    fields: dict[str, Any] = result.facets.get("fields", {})
    for name, values in fields.items():
        counted = ", ".join(f"{value} ({count})" for value, count in list(values.items())[:N_VALUES])
        out.print(f"{name}: {counted}", highlight=False, markup=False)
