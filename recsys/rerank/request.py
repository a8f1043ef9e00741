"""What a request asks of a model, as one value for recommendation and search: preference, intention, form.

The schema of InstructRec (Zhang et al. 2023, arXiv 2305.07001): whatever a shopper wants is said by what is known of
the taste, how clear the wish is, and what the model is to do with the candidates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from recsys.dataset import ItemTable
from recsys.rerank.foreign import clean
from recsys.types import KINDS, ItemRows, Request

Preference = Literal["none", "implicit", "explicit"]
Intention = Literal["none", "vague", "specific"]
Form = Literal["pointwise", "pairwise", "matching", "reranking"]
FORMS: tuple[Form, ...] = get_args(Form)
# What is read of a query: a longer one is no query.
QUERY_CHARS = 400
# What a shopper did, as a prompt says it.
ACTS = {
    "interaction": "chosen", "view": "viewed", "click": "opened", "cart": "put into the cart", "purchase": "bought",
    "rating": "rated", "like": "liked", "dislike": "disliked", "return": "sent back",
    "not-interested": "not of interest", "remove-from-cart": "taken out of the cart", "impression": "seen",
    "forget": "to be forgotten",
}  # fmt: skip
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSchema:
    """One request in the terms of a prompt. Rows are of the catalogue; nothing here names a person.

    Attributes:
        form: what the model is to do: judge one item, choose between two, name the next one, order a list.
        liked, disliked: rows of the history, oldest first, each once, where it stood last.
        acts: (row, what the shopper did with it, in words) of both, oldest first: "bought", "rated 4 of 5".
        seeds: rows of the page or the cart.
        query: what was typed, cleaned; "" when nothing was.
        stated: the taste in words, cleaned; "" when nobody put it so.
        intention: "none", or how clear the wish is: "specific" when all words of the query name some candidate.
    """

    form: Form
    liked: tuple[int, ...] = ()
    disliked: tuple[int, ...] = ()
    acts: tuple[tuple[int, str], ...] = ()
    seeds: tuple[int, ...] = ()
    query: str = ""
    stated: str = ""
    intention: Intention = "none"

    @property
    def preference(self) -> Preference:
        """How the taste is known: in words, by the history, or not at all."""
        return "explicit" if self.stated else "implicit" if self.liked else "none"


def schema_of(
    request: Request, items: ItemTable, candidates: ItemRows, form: Form, stated: str = "", limit: int = 200
) -> RequestSchema:
    """Return the schema of one request; at most the latest ``limit`` events are looked at.

    An item that was liked and later disliked is a disliked one. Rows that the catalogue does not hold are left out.
    """
    history = request.history.take(slice(max(len(request.history) - limit, 0), None))
    known = history.take((history.rows >= 0) & (history.rows < len(items)) & (history.weights != 0))
    last = dict[int, int]()
    for place, row in enumerate(known.rows.tolist()):
        last.pop(row, None)  # to the end: where it stood last
        last[row] = place
    signs = {row: float(known.weights[place]) for row, place in last.items()}
    query = clean(request.text or "", QUERY_CHARS)
    seeds = [int(r) for r in request.context if 0 <= r < len(items)]
    return RequestSchema(
        form=form,
        liked=tuple(r for r, w in signs.items() if w > 0),
        disliked=tuple(r for r, w in signs.items() if w < 0),
        acts=tuple((row, _act(int(known.kinds[at]), float(known.values[at]))) for row, at in last.items()),
        seeds=tuple(dict.fromkeys(seeds)),
        query=query,
        stated=clean(stated, QUERY_CHARS),
        intention=_intention(query, bool(seeds), items, candidates),
    )


def _act(kind: int, value: float) -> str:
    return f"rated {value:g} of 5" if KINDS[kind] == "rating" else ACTS[KINDS[kind]]


def _intention(query: str, seeded: bool, items: ItemTable, candidates: ItemRows) -> Intention:
    asked = words(query)
    if not asked:
        return "vague" if seeded or query else "none"
    named = set[str]().union(*(naming_words(items, int(r)) for r in np.asarray(candidates) if 0 <= r < len(items)))
    return "specific" if asked <= named else "vague"


def words(text: str) -> set[str]:
    """Return the words of a text, case folded."""
    return set(_WORD.findall(text.casefold()))


def naming_words(items: ItemTable, row: int) -> set[str]:
    """Return the words that name an item: of its title, brand and categories."""
    parts = (items.titles[row], items.brands[row], *items.categories[row])
    return words(" ".join(part[:QUERY_CHARS] for part in parts))
