"""Lists: recommend and its next pages, search, suggest, rank, explain, similar items."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from recsys.serving import asking, documents
from recsys.serving.calls import asked
from recsys.serving.keys import Caller
from recsys.serving.service import Shared, needs
from recsys.serving.shapes.base import MAX_K, Id, PathId, UserId, guest
from recsys.serving.shapes.lists import (
    ExplainIn,
    ExplainOut,
    ListOut,
    NextIn,
    RankIn,
    RecommendIn,
    RerankIn,
    RerankOut,
    SearchIn,
    SearchOut,
    SimilarIn,
    SuggestOut,
)

router = APIRouter(prefix="/v1", tags=["lists"])
Asks = Annotated[Caller, needs("query")]


@router.post("/recommend", response_model=ListOut)
async def recommend(body: RecommendIn, caller: Asks, service: Shared) -> dict[str, Any]:
    """Return what a shopper is most likely to want next; a stranger gets what is popular.

    Unknown ids in the context are no error: ``missing_ids`` names them.
    """
    return await asked(service, caller, asking.recommend, body, timeout_ms=body.timeout_ms)


@router.post("/recommend/{list_id}/next", response_model=ListOut)
async def next_page(
    list_id: Annotated[str, Path(pattern="^l_[0-9a-f]{24}$")], body: NextIn, caller: Asks, service: Shared
) -> dict[str, Any]:
    """Return the next page of a list: nothing that its pages have shown comes again."""
    return await asked(service, caller, asking.next_page, list_id, body)


@router.post("/items/{item_id}/similar", response_model=ListOut)
async def similar(item_id: PathId, body: SimilarIn, caller: Asks, service: Shared) -> dict[str, Any]:
    """Return what goes with an item by behaviour, attributes and text, popularity apart."""
    return await asked(service, caller, asking.similar, item_id, body, timeout_ms=body.timeout_ms)


@router.post("/search", response_model=SearchOut)
async def search(body: SearchIn, caller: Asks, service: Shared) -> dict[str, Any]:
    """Return the items that answer a text best, in the order in which the shopper would want them."""
    return await asked(service, caller, asking.search, body, timeout_ms=body.timeout_ms)


@router.get("/suggest", response_model=SuggestOut)
async def suggest(
    caller: Asks, service: Shared,
    q: Annotated[str, Query(max_length=200, description="What is being typed, or what was searched.")] = "",
    user_id: UserId | None = None, anonymous_id: Id | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_K)] = 8,
    after: Annotated[bool, Query(description="What may be asked next, instead of how the text may go on.")] = False,
) -> dict[str, Any]:  # fmt: skip
    """Return queries to offer; none of them finds nothing."""
    user = user_id if user_id is not None or anonymous_id is None else guest(anonymous_id)
    return await asked(service, caller, asking.suggest, q, user, limit, after)


@router.post("/rank", response_model=ListOut)
async def rank(body: RankIn, caller: Asks, service: Shared) -> dict[str, Any]:
    """Return the shop's own candidates in the shopper's order; unknown ids are named in ``missing_ids``."""
    return await asked(service, caller, asking.rank, body, timeout_ms=body.timeout_ms)


@router.post("/rerank", response_model=RerankOut, response_model_exclude_none=True)
async def rerank(body: RerankIn, caller: Asks, service: Shared) -> dict[str, Any]:
    """Return texts in the order in which they answer a query: the shape of Jina's and Cohere's rerankers.

    ``model`` "dense" compares vectors, "bm25" words; any other name is a reranker of the settings.
    """
    return await asked(service, caller, documents.rerank, body)


@router.post("/explain", response_model=ExplainOut)
async def explain(body: ExplainIn, caller: Asks, service: Shared) -> dict[str, Any]:
    """Return why a shopper would want items; every statement rests on evidence that can be looked up."""
    return await asked(service, caller, asking.explain, body, timeout_ms=body.timeout_ms)
