"""One request: what is sent, when it is sent again, and what an answer that is a problem becomes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from recsys import errors
from recsys.errors import ServiceError
from recsys.registry import import_optional

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
URN = "urn:recsys:problem:"
FIRST_S, MOST_S = 0.1, 5.0  # of the pauses between tries
# What asking again in a moment does not change.
LASTING = frozenset({"not-fitted", "stage-failed", "budget-exceeded", "model-unavailable"})
# How a method calls what the service calls otherwise; and what the engine calls a setting.
ARGUMENTS: Mapping[str, str] = {
    "limit": "k",
    "filter": "where",
    "query": "text",
    "q": "text",
    "timeout_ms": "budget_ms",
}
SETTINGS = frozenset({"variant", "sort", "explainer", "timeout_ms"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A request and how its answer is read.

    Attributes:
        name: of the method, for messages: a path may name a shopper.
        parse: from the body of an answer to the result.
        repeatable: whether it may be sent again although it may have been done: then nothing is done twice.
        budget_ms: what its caller waits for; it is not sent again later than that.
        lacking: what a `DataError` says where the thing that the path names is not there.
        before: how many entries of its batch went in earlier requests.
    """

    name: str
    method: str
    path: str
    parse: Callable[[Any], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    repeatable: bool = True
    budget_ms: float | None = None
    lacking: str = ""
    before: int = 0

    def request(self) -> dict[str, Any]:
        """Return the arguments of `httpx.Client.request`."""
        more = (
            {} if self.content is None else {"content": self.content, "headers": {"Content-Type": "application/json"}}
        )
        return {"method": self.method, "url": self.path, "params": self.params, **more}

    def answer(self, response: httpx.Response) -> T:
        """Return the result that an answer holds.

        Raises:
            RecsysError: it is a problem, or cannot be read.
        """
        if not response.is_success:
            raise self._error(response)
        try:
            return self.parse(response.json() if response.content else None)
        except errors.RecsysError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                f"{self.name}: the answer is not one of this service: {error!r}",
                status=response.status_code, type="unreadable", request_id=response.headers.get("x-request-id"),
            ) from error  # fmt: skip

    def _error(self, response: httpx.Response) -> errors.RecsysError:
        said = _problem(response)
        error = self._raised(response, said)
        if "request_id" in said:
            error.add_note(f"request_id: {said['request_id']}")
        return error

    def _raised(self, response: httpx.Response, said: Mapping[str, Any]) -> errors.RecsysError:
        """Return what the engine would have raised; `ServiceError` for what only a service refuses."""
        type_, detail = said["type"], said.get("detail") or said.get("title") or response.reason_phrase
        wrong = self._argument(said.get("field"))
        match response.status_code, type_:
            case 422, "invalid-setting":
                return errors.ConfigError(detail)
            case 422, "unknown-plugin":
                return errors.UnknownPlugin(detail)
            case 422, "invalid":
                text = f"{wrong}: {detail}" if wrong else detail
                return errors.ConfigError(text) if said.get("field", "")[5:] in SETTINGS else errors.DataError(text)
            case 404, "not-found" if self.lacking:
                return errors.DataError(self.lacking)
            case 503, "store-down":
                return errors.StoreDown(detail)
            case 503, "not-fitted":
                return errors.NotFittedError(detail)
            case 503, "budget-exceeded":
                return errors.BudgetExceeded(detail)
            case 503, "stage-failed":
                return errors.StageError(said.get("stage", ""), said.get("plugin", ""), detail)
        return ServiceError(
            f"{response.status_code} {type_}: {detail}", status=response.status_code, type=type_,
            field=said.get("field"), request_id=said.get("request_id"), retry_after=retry_after(response),
        )  # fmt: skip

    def _argument(self, named: str | None) -> str:
        """Return what a method calls the field ``body.events.3.item_id``, counted in the whole batch."""
        parts = (named or "").split(".")[1:]
        if len(parts) > 1 and parts[1].isdigit():
            parts[1] = str(int(parts[1]) + self.before)
        return ".".join([ARGUMENTS.get(name, name) for name in parts[:1]] + parts[1:])


@dataclass(frozen=True, slots=True)
class Calls(Generic[T]):
    """The requests of a method, sent in order, and how their results become one."""

    calls: Iterable[Call[Any]]
    join: Callable[[list[Any]], T]


def one(call: Call[T]) -> Calls[T]:
    """Return a method that is one request."""
    return Calls((call,), lambda results: results[0])


class Tries:
    """When a request is sent again: pauses that double and are drawn (full jitter; Brooker 2015), and when they end."""

    def __init__(
        self, call: Call[Any], retry_s: float, clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        limit = retry_s if call.budget_ms is None else min(retry_s, call.budget_ms / 1000)
        self._call, self._clock, self._draw = call, clock, draw
        self._end, self._n = clock() + limit, 0

    def after(self, response: httpx.Response) -> float | None:
        """Return the seconds until the next try; None where the answer stands."""
        wait = retry_after(response)
        if response.status_code not in (429, 503) or wait is None or _problem(response)["type"] in LASTING:
            return None
        return self._pause(wait)

    def lost(self, error: httpx.TransportError) -> float:
        """Return the seconds until the next try after one that had no answer.

        Raises:
            ServiceError: it is not sent again.
        """
        httpx = import_optional("httpx")
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        wait = self._pause(0.0) if never_sent or self._call.repeatable else None
        if wait is None:
            done = "" if never_sent else "; whether it was done is not known"
            text = f"{self._call.name}: no answer ({type(error).__name__}: {error}){done}"
            raise ServiceError(text, type="unreachable") from error
        return wait

    def _pause(self, at_least: float) -> float | None:
        pause = at_least + self._draw() * min(MOST_S, FIRST_S * 2**self._n)
        self._n += 1
        return pause if self._clock() + pause <= self._end else None


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a ``Retry-After`` header names; None without one. Dates are not read."""
    text = response.headers.get("retry-after", "").strip()
    return float(text) if text.isdecimal() else None


def _problem(response: httpx.Response) -> dict[str, Any]:
    """Return the problem that an answer is; of one from a proxy, its status alone."""
    said: Any = None
    if "problem+json" in response.headers.get("content-type", ""):
        try:
            said = response.json()
        except ValueError:
            said = None
    if not isinstance(said, dict):
        said = {}
    return {**said, "type": str(said.get("type", f"http-{response.status_code}")).removeprefix(URN)}
