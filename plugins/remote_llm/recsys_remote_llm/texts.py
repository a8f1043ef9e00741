"""What of a request and of items is sent: titles and words of products, cleaned and cut; no ids, no times, no names.

Everything comes from the request's own history: nobody else's can be in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from recsys.dataset import ItemTable
from recsys.rerank.foreign import clean
from recsys.rerank.request import RequestSchema, schema_of
from recsys.types import ItemRows, Request
from recsys_remote_llm.prompts import Prompts

TITLE_CHARS = 120


def document(items: ItemTable, row: int, most: int) -> str:
    """Return an item as one line of at most ``most`` characters: title, brand, categories, price, description."""
    price = items.prices[row]
    parts = [
        clean(items.titles[row], TITLE_CHARS), clean(items.brands[row], 60),
        ", ".join(clean(category, 60) for category in items.categories[row][:4]),
        f"{price:.2f}" if price == price else "",
        clean(items.texts[row], most),
    ]  # fmt: skip
    # A price of nan is unknown; a part that says nothing leaves no mark.
    return ". ".join(part for part in parts if part)[:most].strip()


def listed(items: ItemTable, rows: Sequence[int], most: int) -> str:
    """Return the documents of a list-wise prompt, one a line, numbered from 1."""
    return "\n".join(f'[{place}] "{document(items, row, most)}"' for place, row in enumerate(rows, 1))


def known(request: Request, items: ItemTable, candidates: ItemRows, prompts: Prompts, history: int) -> str:
    """Return what is known of one shopper, a line for each kind of knowledge; "" when nothing is."""
    schema = schema_of(request, items, candidates, "reranking")
    lines = []
    if schema.seeds:
        lines.append(prompts.fill("rank.known.seeds", titles=_titles(items, schema.seeds[:history])))
    for name, rows in (("liked", schema.liked), ("disliked", schema.disliked)):
        if rows:
            lines.append(prompts.fill(f"rank.known.{name}", titles=_titles(items, _latest(rows, history))))
    if schema.query:
        lines.append(prompts.fill("rank.known.query", query=schema.query))
    return "\n".join(lines)


def query(request: Request, items: ItemTable, candidates: ItemRows, prompts: Prompts, history: int) -> str:
    """Return the query of a reranking model: what was typed, else seeds, else the latest likes; "" without any."""
    schema: RequestSchema = schema_of(request, items, candidates, "reranking")
    if schema.query:
        return schema.query
    if schema.seeds:
        return prompts.fill("query.seeds", titles=_titles(items, schema.seeds[:history]))
    if schema.liked:
        return prompts.fill("query.liked", titles=_titles(items, _latest(schema.liked, history)))
    return ""


def _latest(rows: Sequence[int], most: int) -> Sequence[int]:
    return rows[::-1][:most]


def _titles(items: ItemTable, rows: Sequence[int]) -> str:
    return "; ".join(f'"{clean(items.titles[row], TITLE_CHARS)}"' for row in rows)
