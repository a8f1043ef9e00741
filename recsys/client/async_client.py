"""`AsyncClient`: the same as `Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from recsys.client import calls
from recsys.client.connecting import options
from recsys.client.sending import Call, Calls, Tries
from recsys.client.values import EventResult, Reranked
from recsys.explanation import Explanation
from recsys.filters import Exclusions
from recsys.filters.where import Where
from recsys.profile.lines import Profile
from recsys.registry import import_optional
from recsys.result import Result
from recsys.rules import Page, Rules
from recsys.search.sort import Order
from recsys.suggest.suggester import Suggestion
from recsys.types import Event, Item, Search

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncClient:
    """`recsys.Client` for programs that await: the same methods and arguments, see there.

    Any number of tasks of one event loop may use it.

    >>> async with AsyncClient("https://recs.shop.example", key) as shop:      # doctest: +SKIP
    ...     print(await shop.recommend("u_42", k=5))
    """

    def __init__(
        self, url: str, key: str, *, timeout_s: float = 30.0, retry_s: float = 10.0, tenant: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._library = import_optional("httpx")
        settings = options(url, key, timeout_s, tenant)
        self._http: httpx.AsyncClient = self._library.AsyncClient(**settings, transport=transport)
        self._retry_s, self._sleep = retry_s, asyncio.sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _done(self, asked: Calls[T]) -> T:
        return asked.join([await self._answered(call) for call in asked.calls])

    async def _answered(self, call: Call[T]) -> T:
        tries = Tries(call, self._retry_s)
        while True:
            try:
                response = await self._http.request(**call.request())
            except self._library.TransportError as error:
                pause: float | None = tries.lost(error)
            else:
                pause = tries.after(response)
                if pause is None:
                    return call.answer(response)
            await self._sleep(pause or 0.0)

    async def recommend(
        self, user: str | None = None, k: int = 10, *, where: Where = None, context: Sequence[str] = (),
        exclude: Exclusions | None = None, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """As `Client.recommend`."""
        return await self._done(calls.recommend(
            user, k, where=where, context=context, exclude=exclude, rules=rules, page=page, explain=explain,
            variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    async def recommend_batch(
        self, users: Sequence[str | None], k: int = 10, *, where: Where = None, context: Sequence[str] = (),
        exclude: Exclusions | None = None, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> list[Result]:  # fmt: skip
        """As `Client.recommend_batch`."""
        return await self._done(calls.recommend_batch(
            users, k, where=where, context=context, exclude=exclude, rules=rules, page=page, explain=explain,
            variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    async def next(self, listed: Result, k: int | None = None) -> Result:
        """As `Client.next`."""
        return await self._done(calls.following(listed, k))

    async def similar_items(
        self, item_id: str, k: int = 10, *, where: Where = None, rules: Rules | None = None, page: Page | None = None,
        now: Any = None, strict: bool = False,
    ) -> Result:  # fmt: skip
        """As `Client.similar_items`."""
        return await self._done(
            calls.similar_items(item_id, k, where=where, rules=rules, page=page, now=now, strict=strict)
        )

    async def search(
        self, text: str, user: str | None = None, k: int = 10, *, where: Where = None, sort: Order = "relevance",
        fold: bool = True, facets: bool = False, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """As `Client.search`."""
        return await self._done(calls.search(
            text, user, k, where=where, sort=sort, fold=fold, facets=facets, rules=rules, page=page,
            explain=explain, variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    async def suggest(self, typed: str = "", user: str | None = None, k: int = 8) -> list[Suggestion]:
        """As `Client.suggest`."""
        return await self._done(calls.suggest(typed, user, k, after=False))

    async def suggest_next(self, text: str, user: str | None = None, k: int = 6) -> list[Suggestion]:
        """As `Client.suggest_next`."""
        return await self._done(calls.suggest(text, user, k, after=True))

    async def rank(
        self, user: str | None, item_ids: Sequence[str], k: int | None = None, *, variant: str | None = None,
        now: Any = None, budget_ms: float | None = None, strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """As `Client.rank`."""
        return await self._done(calls.rank(
            user, item_ids, k, variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    async def explain(
        self, user: str | None, item_ids: Sequence[str], *, variant: str | None = None, now: Any = None,
        strict: bool = False,
    ) -> list[Explanation]:  # fmt: skip
        """As `Client.explain`."""
        return await self._done(calls.explain(user, item_ids, variant=variant, now=now, strict=strict))

    async def rerank(
        self, query: str, documents: Sequence[str], *, user: str | None = None, top_n: int | None = None,
        model: str | None = None,
    ) -> list[Reranked]:  # fmt: skip
        """As `Client.rerank`."""
        return await self._done(calls.rerank(query, documents, user, top_n, model))

    async def add_items(self, items: Sequence[Item]) -> None:
        """As `Client.add_items`."""
        return await self._done(calls.add_items(items))

    async def withdraw(self, item_ids: Sequence[str]) -> None:
        """As `Client.withdraw`."""
        return await self._done(calls.withdraw(item_ids))

    @overload
    async def add_events(
        self, events: Sequence[Event], *, listed: Result | None = None, each: Literal[False] = False
    ) -> int: ...  # fmt: skip
    @overload
    async def add_events(
        self, events: Sequence[Event], *, listed: Result | None = None, each: Literal[True]
    ) -> list[EventResult]: ...  # fmt: skip
    async def add_events(
        self, events: Sequence[Event], *, listed: Result | None = None, each: bool = False
    ) -> int | list[EventResult]:  # fmt: skip
        """As `Client.add_events`."""
        if each:
            return await self._done(calls.add_each(events, listed))
        return await self._done(calls.add_events(events, listed))

    async def add_searches(self, searches: Sequence[Search]) -> int:
        """As `Client.add_searches`."""
        return await self._done(calls.add_searches(searches))

    async def merge(self, guest: str, customer: str) -> int:
        """As `Client.merge`."""
        return await self._done(calls.merge(guest, customer))

    async def erase(self, user: str) -> int:
        """As `Client.erase`."""
        return await self._done(calls.erase(user))

    async def export(self, user: str) -> list[dict[str, Any]]:
        """As `Client.export`."""
        return await self._done(calls.export(user))

    async def profile(self, user: str, now: Any = None) -> Profile:
        """As `Client.profile`."""
        return await self._done(calls.profile(user, now))

    async def edit_profile(self, user: str, line_id: str, text: str, now: Any = None) -> None:
        """As `Client.edit_profile`."""
        return await self._done(calls.edit_profile(user, line_id, text, now))

    async def forget(self, user: str, line_id: str, now: Any = None) -> tuple[str, ...]:
        """As `Client.forget`."""
        return await self._done(calls.forget(user, line_id, now))

    async def restore_line(self, user: str, line_id: str) -> bool:
        """As `Client.restore_line`."""
        return await self._done(calls.restore_line(user, line_id))

    async def remove_reason(self, user: str, reason: Explanation | str, now: Any = None) -> tuple[str, ...]:
        """As `Client.remove_reason`."""
        return await self._done(calls.remove_reason(user, reason, now))

    async def not_interested(self, user: str, item_id: str, now: Any = None) -> None:
        """As `Client.not_interested`."""
        return await self._done(calls.not_interested(user, item_id, now))
