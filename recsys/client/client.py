"""`Client`: the methods of an engine, over a service."""

from __future__ import annotations

import time
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


class Client:
    """A shop's engine behind a URL: methods, arguments, results and errors are those of `recsys.Engine`.

    Users are named as the engine names them: "guest:ID" is the visitor that the API knows by the anonymous_id ID. Any
    number of threads may use one client; it keeps connections open until `close`. Titles, prices and stock of a list
    are those of the moment of its answer.

    Connection errors, 429 and 503 with Retry-After are met with another try, unless what was asked for might be done
    twice, after pauses that grow, for ``retry_s`` seconds at most, and never beyond the ``budget_ms`` of a call.

    Args:
        url: of the service, "https://recs.shop.example".
        key: "rk_...", with the scopes of what it is used for: query, ingest.
        timeout_s: how long a connection, and each part of an answer, may take.
        retry_s: 0 = every request is sent once.
        tenant: the shop, for a key of an operator.
        transport: of httpx, for tests and proxies.

    Raises:
        ConfigError: a URL or key that is none. PluginUnavailable: the extra "client" is not installed. Every method:
            what the engine's raises; StoreDown where the service's database is; ServiceError: the service refused, or
            did not answer.

    >>> with Client("https://recs.shop.example", key) as shop:      # doctest: +SKIP
    ...     print(shop.recommend("u_42", k=5))
    """

    def __init__(
        self, url: str, key: str, *, timeout_s: float = 30.0, retry_s: float = 10.0, tenant: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._library = import_optional("httpx")
        self._http: httpx.Client = self._library.Client(**options(url, key, timeout_s, tenant), transport=transport)
        self._retry_s, self._sleep = retry_s, time.sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _done(self, asked: Calls[T]) -> T:
        return asked.join([self._answered(call) for call in asked.calls])

    def _answered(self, call: Call[T]) -> T:
        tries = Tries(call, self._retry_s)
        while True:
            try:
                response = self._http.request(**call.request())
            except self._library.TransportError as error:
                pause: float | None = tries.lost(error)
            else:
                pause = tries.after(response)
                if pause is None:
                    return call.answer(response)
            self._sleep(pause or 0.0)

    def recommend(
        self, user: str | None = None, k: int = 10, *, where: Where = None, context: Sequence[str] = (),
        exclude: Exclusions | None = None, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """Return the ``k`` items, 100 at most, that ``user`` is most likely to want next; see `Engine.recommend`."""
        return self._done(calls.recommend(
            user, k, where=where, context=context, exclude=exclude, rules=rules, page=page, explain=explain,
            variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    def recommend_batch(
        self, users: Sequence[str | None], k: int = 10, *, where: Where = None, context: Sequence[str] = (),
        exclude: Exclusions | None = None, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> list[Result]:  # fmt: skip
        """Return one list per user, asked for one after the other; ``budget_ms`` is of all of them."""
        return self._done(calls.recommend_batch(
            users, k, where=where, context=context, exclude=exclude, rules=rules, page=page, explain=explain,
            variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    def next(self, listed: Result, k: int | None = None) -> Result:
        """Return the next ``k`` items of a list of `recommend`: nothing that its pages have shown comes again.

        Without ``k`` as many as before. A page that is empty is the last one.

        Raises:
            DataError: the list has no next page. ServiceError: the service does not have the list any more.
        """
        return self._done(calls.following(listed, k))

    def similar_items(
        self, item_id: str, k: int = 10, *, where: Where = None, rules: Rules | None = None, page: Page | None = None,
        now: Any = None, strict: bool = False,
    ) -> Result:  # fmt: skip
        """Return items like ``item_id``; see `Engine.similar_items`."""
        return self._done(calls.similar_items(item_id, k, where=where, rules=rules, page=page, now=now, strict=strict))

    def search(
        self, text: str, user: str | None = None, k: int = 10, *, where: Where = None, sort: Order = "relevance",
        fold: bool = True, facets: bool = False, rules: Rules | None = None, page: Page | None = None,
        explain: bool | str = False, variant: str | None = None, now: Any = None, budget_ms: float | None = None,
        strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """Return the ``k`` items that answer ``text`` best; see `Engine.search`."""
        return self._done(calls.search(
            text, user, k, where=where, sort=sort, fold=fold, facets=facets, rules=rules, page=page,
            explain=explain, variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    def suggest(self, typed: str = "", user: str | None = None, k: int = 8) -> list[Suggestion]:
        """Return queries that go on from what is being typed; see `Engine.suggest`."""
        return self._done(calls.suggest(typed, user, k, after=False))

    def suggest_next(self, text: str, user: str | None = None, k: int = 6) -> list[Suggestion]:
        """Return queries that may follow ``text``, for this shopper."""
        return self._done(calls.suggest(text, user, k, after=True))

    def rank(
        self, user: str | None, item_ids: Sequence[str], k: int | None = None, *, variant: str | None = None,
        now: Any = None, budget_ms: float | None = None, strict: bool = False, workings: bool = False,
    ) -> Result:  # fmt: skip
        """Return the given items, 1,000 at most, in the order in which ``user`` would want them; see `Engine.rank`."""
        return self._done(calls.rank(
            user, item_ids, k, variant=variant, now=now, budget_ms=budget_ms, strict=strict, workings=workings,
        ))  # fmt: skip

    def explain(
        self, user: str | None, item_ids: Sequence[str], *, variant: str | None = None, now: Any = None,
        strict: bool = False,
    ) -> list[Explanation]:  # fmt: skip
        """Return why ``user`` would want each of the given items; see `Engine.explain`."""
        return self._done(calls.explain(user, item_ids, variant=variant, now=now, strict=strict))

    def rerank(
        self, query: str, documents: Sequence[str], *, user: str | None = None, top_n: int | None = None,
        model: str | None = None,
    ) -> list[Reranked]:  # fmt: skip
        """Return the places of the ``top_n`` texts that answer ``query`` best; None = of all of them.

        ``model`` is "dense", "bm25" or a reranker of the service's settings; None is the first that it has. With a
        ``user`` their taste counts a little where vectors are compared.

        Raises:
            ConfigError: there is no such model. DataError: no text, or more than 1,000.
        """
        return self._done(calls.rerank(query, documents, user, top_n, model))

    def add_items(self, items: Sequence[Item]) -> None:
        """Add or change items; those of one request (1,000, or 0.9 MB) all or none.

        Raises:
            DataError: an item is wrong; what was sent before its request is in the shop.
        """
        return self._done(calls.add_items(items))

    def withdraw(self, item_ids: Sequence[str]) -> None:
        """Take items off the shelf; of each 1,000 all or none.

        Raises:
            DataError: an unknown item.
        """
        return self._done(calls.withdraw(item_ids))

    @overload
    def add_events(
        self, events: Sequence[Event], *, listed: Result | None = None, each: Literal[False] = False
    ) -> int: ...  # fmt: skip
    @overload
    def add_events(
        self, events: Sequence[Event], *, listed: Result | None = None, each: Literal[True]
    ) -> list[EventResult]: ...  # fmt: skip
    def add_events(
        self, events: Sequence[Event], *, listed: Result | None = None, each: bool = False
    ) -> int | list[EventResult]:  # fmt: skip
        """Log events and return how many were new; those of one request (1,000, or 0.9 MB) all or none.

        With ``each`` every event is judged by itself, and what became of each is returned. An event without an id is
        given one, so that it is stored once however often it had to be sent. ``listed`` is the list that the items were
        chosen from: the service joins the events to it.

        Raises:
            DataError: an event is wrong; what was sent before its request is stored. Not with ``each``.
        """
        if each:
            return self._done(calls.add_each(events, listed))
        return self._done(calls.add_events(events, listed))

    def add_searches(self, searches: Sequence[Search]) -> int:
        """Log what shoppers typed and chose; return how many searches were new."""
        return self._done(calls.add_searches(searches))

    def merge(self, guest: str, customer: str) -> int:
        """Give all that is known of a guest to the customer that they turned out to be; return how many events."""
        return self._done(calls.merge(guest, customer))

    def erase(self, user: str) -> int:
        """Forget a shopper for good; return how many events are gone."""
        return self._done(calls.erase(user))

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all that is known of a shopper as plain dicts."""
        return self._done(calls.export(user))

    def profile(self, user: str, now: Any = None) -> Profile:
        """Return what the shop believes about a shopper; see `Engine.profile`."""
        return self._done(calls.profile(user, now))

    def edit_profile(self, user: str, line_id: str, text: str, now: Any = None) -> None:
        """Say a line of a profile in the shopper's own words; see `Engine.edit_profile`."""
        return self._done(calls.edit_profile(user, line_id, text, now))

    def forget(self, user: str, line_id: str, now: Any = None) -> tuple[str, ...]:
        """Take a line out of a profile, and what it rests on out of the next list; return the items concerned."""
        return self._done(calls.forget(user, line_id, now))

    def restore_line(self, user: str, line_id: str) -> bool:
        """Undo `edit_profile` or `forget` of a line; return whether there was a change."""
        return self._done(calls.restore_line(user, line_id))

    def remove_reason(self, user: str, reason: Explanation | str, now: Any = None) -> tuple[str, ...]:
        """Never again recommend because of these events: the item of that id, or all that a reason cites."""
        return self._done(calls.remove_reason(user, reason, now))

    def not_interested(self, user: str, item_id: str, now: Any = None) -> None:
        """Log that a shopper does not want an item, nor things like it; see `Engine.not_interested`."""
        return self._done(calls.not_interested(user, item_id, now))
