"""Which word of a query is where in a product, as the product writes it: evidence for explanations."""

from __future__ import annotations

from recsys.dataset import ItemTable
from recsys.search.analysis import Analyzer, aligned
from recsys.search.config import IndexConfig
from recsys.search.fields import limit_of, reader
from recsys.search.query import Query

Match = tuple[str, str, str]  # query word, field, matched surface form


def matched_words(query: Query, items: ItemTable, row: int, analyzer: Analyzer, config: IndexConfig) -> list[Match]:
    """Return (query word, field, surface form) for each word of the query, as it was read, and each field that has it.

    Words come in the order of the query, fields in that of the index; attributes are named as the field "attributes"
    or, where they are fields of their own, by their name. Only fields that count are looked at.
    """
    if not query.slots:
        return []
    held = {f: _surfaces(items, row, f, analyzer, config) for f in config.fields if config.weight(f)}
    out: dict[Match, None] = {}
    for slot in query.slots:
        for name, surfaces in held.items():
            for reading in slot.alternatives:
                if all(term in surfaces for term in reading.terms):
                    said = " ".join(dict.fromkeys(surfaces[term] for term in reading.terms))
                    # A misspelt word is named as it was read: "coffee" is in the title, "cofee" is nowhere.
                    out[reading.word if reading.source == "typo" else slot.typed, name, said] = None
                    break
    return list(out)


def _surfaces(items: ItemTable, row: int, field: str, analyzer: Analyzer, config: IndexConfig) -> dict[str, str]:
    """Return {term: how the field writes it}, the first time that it does."""
    limit = limit_of(field)
    text = reader(items, field, config.extra)(row)[:limit]
    out: dict[str, str] = {}
    same, at = aligned(text), 0
    for token in analyzer.tokens(text, limit):
        begin = same.find(token.raw, at)
        said = token.raw
        if begin >= 0:
            said, at = text[begin : begin + len(token.raw)], begin + len(token.raw)
        whole = (token.shape.joined,) if token.shape.joined else ()
        for term in (*token.shape.parts, *whole, *token.shape.extra):
            out.setdefault(term, said)
    return out
