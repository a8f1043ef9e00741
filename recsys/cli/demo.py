"""``recsys demo``: the sample shop, three shoppers, and the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.lists import result_table
from recsys.cli.output import JsonFile, OptionalFile, console, give_json, progress, table

if TYPE_CHECKING:
    from recsys.demo import Demo

EXACT = {
    "ndcg@10": "engine",
    "ndcg@10_popularity": "popularity",
    "ndcg@10_random": "random",
    "ndcg@10_oracle": "oracle",
}


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo", cls=OptionalFile)(demo)


def demo(
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="There is no page to serve yet: both print to the terminal.")
    ] = False,
    folder: Annotated[Path, typer.Option("--folder", help="Where the fitted engine is kept.")] = Path(".demo"),
    shoppers: Annotated[int, typer.Option("--shoppers", min=20, help="Size of the sample shop.")] = 5000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample shop.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Fit an engine on the sample shop and show what it recommends, and how near that is to the true tastes."""
    from recsys.demo import prepare, report

    with progress() as tell:
        made = prepare(folder, seed=seed, n_shoppers=shoppers, progress=tell)
        found = report(made, progress=tell)
    if json_file is not None:
        give_json(found, json_file)
    if json_file != "-":
        show(made, found)
        if serve:
            typer.echo("There is no web page yet. To see the same as JSON, type: recsys demo --no-serve --json")


def show(made: Demo, found: dict[str, Any]) -> None:
    """Print the demo."""
    from recsys.demo import guest

    out = console()
    data = made.shop.dataset
    out.print(
        f"The sample shop: {len(data.items):,} products, {data.log.n_users:,} shoppers, {len(data.log):,} events.",
        highlight=False,
    )
    for shopper in found["shoppers"]:
        out.rule(f"shopper {shopper['user_id']}", align="left")
        lines = [(h["time"][:10], h["kind"], h["title"]) for h in shopper["history"]]
        out.print(table("the latest in the history", ("day", "kind", "item"), lines))
        items = [(str(r["rank"]), r["title"], f"{r['score']:.4f}", ", ".join(r["sources"])) for r in shopper["items"]]
        out.print(table("recommended", ("#", "item", "score", "found by"), items, numbers=(0, 2)))
    first = found["shoppers"][0]["history"][-1] if found["shoppers"][0]["history"] else found["shoppers"][0]["items"][0]
    out.rule("a guest", align="left")
    out.print(
        result_table(guest(made, first["item_id"]), f"has looked at one item, {first['title']}, and gets at once")
    )
    out.rule("similar items", align="left")
    out.print(result_table(made.engine.similar_items(first["item_id"], 5), f"like {first['title']}"))
    out.rule("against true tastes", align="left")
    top = max(found["truth"].values())
    lines = [(EXACT[name], f"{v:.4f}", "█" * round(40 * v / top)) for name, v in found["truth"].items()]
    out.print(table("NDCG@10, mean over shoppers", ("", "NDCG@10", ""), lines, numbers=(1,)))
    typer.echo("The oracle knows every shopper's taste; the engine knows only what happened in the shop.")
