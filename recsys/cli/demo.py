"""``recsys demo``: the sample shop, three shoppers, and the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.lists import result_table
from recsys.cli.output import JsonFile, OptionalFile, console, give_json, progress, table
from recsys.cli.reasons import reason_cell

if TYPE_CHECKING:
    from recsys.demo import Demo

N_FACETS = 4
EXACT = {
    "ndcg@10": "engine",
    "ndcg@10_popularity": "popularity",
    "ndcg@10_random": "random",
    "ndcg@10_oracle": "oracle",
}
REASONS = {
    "statement_precision": "statements that the records of the shop bear out",
    "claims_per_text": "claims in each text",
    "true_reason_share": "acts with a known cause whose first cited item is that cause",
    "true_reason_share_last_item": "the same, if the latest item were cited",
    "true_reason_share_same_category": "the same, if the latest item of the same category were cited",
    "true_reason_share_last_purchase": "the same, if the latest purchase were cited",
    "false_reason_share": "acts without any cause for which an item is cited all the same",
    "true_reason_share_shown": "acts with a known cause whose text names that item before any other",
    "false_reason_share_shown": "acts without any cause whose text names an item, if only for what the two share",
}


MEASURES = {"ndcg@10": "against true tastes", "next@10": "against the true chance of the next act"}
NOT_THE_SAME = (
    "The two can differ: three in ten acts complete a purchase, and about as many have nothing to do with the shopper. "
    "Zero-shot brings forward what is like the history. Fine-tuned has learned what shoppers of another shop did next, "
    "not what they would like."
)
WRITTEN = {
    "n": "reasons looked at",
    "shown": "share that is shown as written: the checker supports every statement",
    "new_ngrams": "share of their runs of four words that the template does not use",
    "swap_changes": "share that changes when the facts are those of another item",
    "swap_rewords": "the same in the words between names and quotes",
    "wordings": "different wordings over all of them",
}


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo", cls=OptionalFile)(demo)


def demo(
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the page that explains it, or print to the terminal.")
    ] = True,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Of the page; 0 takes a free one.")] = 8080,
    host: Annotated[
        str, typer.Option("--host", help="Where the page is served; 0.0.0.0 lets others in.")
    ] = "127.0.0.1",
    folder: Annotated[Path, typer.Option("--folder", help="Where the fitted engine is kept.")] = Path(".demo"),
    shoppers: Annotated[int, typer.Option("--shoppers", min=20, help="Size of the sample shop.")] = 5000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample shop.")] = 0,
    graded: Annotated[
        int, typer.Option("--graded", min=1, help="With --no-serve: shoppers whose lists are graded, at most.")
    ] = 400,
    json_file: JsonFile = None,
) -> None:
    """Fit an engine on the sample shop and serve a page that shows its lists, its reasons and how both come about.

    With --no-serve or --json: print lists of three shoppers, and how near they are to the true tastes.
    """
    if serve and json_file is None:
        _serve(host, port, folder, seed, shoppers)
        return
    from recsys.demo import prepare, report

    with progress() as tell:
        made = prepare(folder, seed=seed, n_shoppers=shoppers, progress=tell)
        found = report(made, n_graded=graded, progress=tell)
    if json_file is not None:
        give_json(found, json_file)
    if json_file != "-":
        show(made, found)


def _serve(host: str, port: int, folder: Path, seed: int, shoppers: int) -> None:
    """Serve the page until interrupted; it is up at once, and says how far the shop is."""
    from recsys.registry import import_optional

    for library in ("uvicorn", "fastapi", "prometheus_client"):
        import_optional(library)
    from recsys.serving.demo import config_for, demo_app, sample_shop
    from recsys.serving.run import serve

    def started(address: str) -> None:
        typer.echo(f"The page is at {address}/  (Ctrl+C ends it)")

    def told(step: str) -> None:
        typer.echo(f"  {step}")

    made = sample_shop(folder, seed, shoppers)
    serve(config_for(host, port), lambda settings: demo_app(settings, made, told), told=started)


def show(made: Demo, found: dict[str, Any]) -> None:
    """Print the demo."""
    out = console()
    data = made.shop.dataset
    out.print(
        f"The sample shop: {len(data.items):,} products, {data.log.n_users:,} shoppers, {len(data.log):,} events, "
        f"{len(data.reviews):,} reviews, {len(made.engine.searches):,} searches.",
        highlight=False,
    )
    for shopper in found["shoppers"]:
        _shopper(out, shopper)
    _guest_and_similar(out, made, found)
    for search in found["searches"]:
        _search(out, search)
    _suggestions(out, found["suggestions"])
    _rules(out, found["rules"])
    _variants(out, found["variants"])
    _truth(out, found["truth"])


def _variants(out: Any, found: dict[str, Any]) -> None:
    out.rule(f"the same list under every variant, for shopper {found['user_id']}", align="left")
    for one in found["lists"]:
        took = f"reranking took {one['rerank_ms']:.1f} ms" if one["rerank_ms"] else "nothing is reranked"
        title = f"{one['variant']}: {took}"
        items = [(f"{r['rank']}{_moved(r['move'])}", r["title"], reason_cell(r["explanation"])) for r in one["items"]]
        out.print(table(title, ("#, and move", "item", "reason, and what shows it"), items, numbers=(0,)))
        for stage in one["degraded"]:
            out.print(f"fell back: {stage}", highlight=False, markup=False)
    columns = ("", *MEASURES.values())
    lines = [(one["variant"], *(_graded(one, m) for m in MEASURES)) for one in found["lists"]]
    n = max(one.get("shoppers", 0) for one in found["lists"])
    over = f" over {n} shoppers" if n else ""
    title = f"mean NDCG@10{over}, and how it differs from the first: 95 % interval, p of a paired test"
    out.print(table(title, columns, lines))
    if n:
        out.print(NOT_THE_SAME, highlight=False)
    for name, why in found["missing"].items():
        out.print(f"not shown: {name} ({why})", highlight=False, markup=False)
    if (written := found["written"]) is not None:
        lines = [(WRITTEN[name], f"{value:g}") for name, value in written.items() if name in WRITTEN]
        out.print(table("written reasons", ("what", "figure"), lines, numbers=(1,)))


def _graded(variant: dict[str, Any], measure: str) -> str:
    if "against" not in variant:
        return f"{variant[measure]:.4f}"
    said = variant["against"][measure]
    low, high = said["ci95"]
    return f"{variant[measure]:.4f}  {said['difference']:+.4f} ({low:+.4f} to {high:+.4f}, p {said['p']:.4f})"


def _moved(move: int | None) -> str:
    """Return how far an item went up or down from the list without a language model."""
    if move is None:
        return " (new)"
    return f" (+{move})" if move > 0 else f" ({move})" if move < 0 else ""


def _shopper(out: Any, shopper: dict[str, Any]) -> None:
    out.rule(f"shopper {shopper['user_id']}", align="left")
    lines = [(h["time"][:10], h["kind"], h["title"]) for h in shopper["history"]]
    out.print(table("the latest in the history", ("day", "kind", "item"), lines))
    if shopper["profile"]:
        out.print(
            table("what the shop believes", ("line", "says"), [(p["line_id"], p["text"]) for p in shopper["profile"]])
        )
    items = [
        (str(r["rank"]), f"{r['title']}\nby {', '.join(r['sources'])}", reason_cell(r.get("explanation")))
        for r in shopper["items"]
    ]
    out.print(
        table("recommended, and why", ("#", "item, and who found it", "reason, and what shows it"), items, numbers=(0,))
    )


def _guest_and_similar(out: Any, made: Demo, found: dict[str, Any]) -> None:
    from recsys.demo import guest

    first = found["shoppers"][0]["history"][-1] if found["shoppers"][0]["history"] else found["shoppers"][0]["items"][0]
    out.rule("a guest", align="left")
    out.print(
        result_table(guest(made, first["item_id"]), f"has looked at one item, {first['title']}, and gets at once")
    )
    out.rule("similar items", align="left")
    out.print(result_table(made.engine.similar_items(first["item_id"], 5), f"like {first['title']}"))


def _search(out: Any, search: dict[str, Any]) -> None:
    out.rule(f"a search for: {search['text']}", align="left")
    said = [f"{search['total']} products match"]
    said += [f"read “{typed}” as “{meant}”" for typed, meant in search["corrections"].items()]
    said += [f"gave up: {', '.join(search['relaxed'])}"] if search["relaxed"] else []
    out.print("; ".join(said) + ".", highlight=False, markup=False)
    lists = search["lists"]
    depth = max(len(one["items"]) for one in lists)
    names = ["a guest" if one["user_id"] is None else f"shopper {one['user_id']}" for one in lists]
    lines = [
        (str(i + 1), *(_with_variants(one["items"][i]) if i < len(one["items"]) else "" for one in lists))
        for i in range(depth)
    ]
    out.print(table("", ("#", *names), lines, numbers=(0,)))
    if lists[-1]["items"]:
        out.print(f"Why the first, for {names[-1]}:", highlight=False, markup=False)
        out.print(reason_cell(lists[-1]["items"][0].get("explanation")), highlight=False, markup=False)
    for name, values in list(search["facets"]["fields"].items())[:N_FACETS]:
        out.print(f"{name}: {_facet(values)}", highlight=False, markup=False)


def _with_variants(item: dict[str, Any]) -> str:
    n = len(item.get("variants", ()))
    return str(item["title"]) + (f" (+{n} variant{'s' if n > 1 else ''})" if n else "")


def _facet(values: dict[str, int]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in list(values.items())[:N_FACETS])


def _suggestions(out: Any, offered: list[dict[str, Any]]) -> None:
    out.rule("suggestions", align="left")
    for one in offered:
        who = "a guest" if one["user_id"] is None else f"shopper {one['user_id']}"
        begun = f"types “{one['typed']}…”" if "typed" in one else f"has searched for “{one['after']}”"
        out.print(f"{who} {begun}: {', '.join(one['texts']) or '(nothing)'}", highlight=False, markup=False)


def _rules(out: Any, ruled: dict[str, Any]) -> None:
    out.rule("rules of the merchant", align="left")
    items = [(str(r["rank"]), r["title"], ", ".join(r["sources"])) for r in ruled["items"]]
    out.print(table(f"for shopper {ruled['user_id']}", ("#", "item", "found by"), items, numbers=(0,)))
    for line in ruled["applied"]:
        out.print(f"· {line}", highlight=False, markup=False)


def _truth(out: Any, truth: dict[str, float]) -> None:
    out.rule("against true tastes and true causes", align="left")
    graded = {label: truth[name] for name, label in EXACT.items()}
    top = max(graded.values())
    lines = [(label, f"{v:.4f}", "█" * round(40 * v / top)) for label, v in graded.items()]
    out.print(table("NDCG@10, mean over shoppers", ("", "NDCG@10", ""), lines, numbers=(1,)))
    typer.echo("The oracle knows every shopper's taste; the engine knows only what happened in the shop.")
    out.print(
        table(
            "how true the reasons are",
            ("", ""),
            [(text, f"{truth[n]:.3f}") for n, text in REASONS.items()],
            numbers=(1,),
        )
    )
