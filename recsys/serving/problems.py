"""Errors over HTTP: every one of them is problem+json (RFC 9457), and none tells more than the caller may know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import Route

from recsys import errors

MEDIA_TYPE = "application/problem+json"
URN = "urn:recsys:problem:"
RETRY_S = 1  # where nothing better is known
MAX_FIELDS = 20  # of one answer; a batch of thousands may be wrong throughout


class Problem(Exception):
    """An answer that says what went wrong.

    Attributes:
        status: of HTTP.
        type: name of the kind of problem, stable; callers compare it. On the wire ``urn:recsys:problem:NAME``.
        title: the kind in words, always the same for one type.
        detail: what to do about this one. Never holds personal data, nor a value that the caller sent.
        field: what of the request is wrong, as ``body.items.0.price``.
        extra: more members of the answer. headers: of the response.
    """

    def __init__(
        self, status: int, type: str, title: str, detail: str = "", *, field: str | None = None,
        extra: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(f"{status} {type}: {detail or title}")
        self.status, self.type, self.title, self.detail, self.field = status, type, title, detail, field
        self.extra, self.headers = dict(extra or {}), dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """Return what is sent."""
        said = {"type": URN + self.type, "title": self.title, "status": self.status, "detail": self.detail or None}
        said |= {"field": self.field, "request_id": request_id, **self.extra}
        return {name: value for name, value in said.items() if value is not None}

    def response(self, request_id: str) -> JSONResponse:
        """Return the response."""
        return JSONResponse(self.body(request_id), self.status, self.headers, MEDIA_TYPE)


class FieldProblem(BaseModel):
    """One wrong field."""

    field: str
    detail: str


class ProblemBody(BaseModel):
    """RFC 9457. ``field`` names what is wrong where one thing is; ``errors`` lists all that is."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": URN + "invalid", "title": "The request is not valid", "status": 422,
                "detail": "Input should be greater than or equal to 0", "field": "body.items.0.price",
                "request_id": "9f2c4e1ab07d4d53",
            }
        },
    )  # fmt: skip
    type: str
    title: str
    status: int
    detail: str | None = None
    field: str | None = None
    request_id: str
    errors: list[FieldProblem] | None = None


def invalid(detail: str, field: str | None = None, **extra: Any) -> Problem:
    """Return the problem of a request that can be read and makes no sense."""
    return Problem(422, "invalid", "The request is not valid", detail, field=field, extra=extra)


def not_found(what: str) -> Problem:
    """Return the problem of something that is not there; ``what`` is a kind of thing, "list", never its id."""
    return Problem(404, "not-found", "There is no such thing", f"there is no such {what}")


def unavailable(type: str, detail: str, retry_s: float = RETRY_S, **extra: Any) -> Problem:
    """Return the problem of a service that cannot answer now and may soon."""
    title = "The service cannot answer now"
    return Problem(503, type, title, detail, extra=extra, headers={"Retry-After": str(max(1, round(retry_s)))})


def unexpected() -> Problem:
    """Return the problem of an error that nobody foresaw."""
    return Problem(
        500, "internal", "Something went wrong here",
        "this is not the fault of the request; the log of the service has more under this request_id",
    )  # fmt: skip


def problem_of(error: Exception) -> Problem:
    """Return the problem that an error is: the caller's fault, a state that passes, or a fault of ours.

    Messages of `ConfigError`, `DataError` and of unknown plug-ins are written for whoever called, who here is the
    client; those of all other errors stay inside.
    """
    match error:
        case Problem():
            return error
        case errors.DataError():
            return invalid(str(error))
        case errors.UnknownPlugin():
            return Problem(422, "unknown-plugin", "There is no plug-in of that name", str(error))
        case errors.ConfigError() if not isinstance(error, errors.PromptError):
            return Problem(422, "invalid-setting", "The request asks for what the settings do not have", str(error))
        case errors.StoreDown():
            return unavailable("store-down", "the store cannot be reached; nothing of this request was kept", 2)
        case errors.NotFittedError():
            return unavailable("not-fitted", "nothing has been fitted yet; send items and events, then fit", 10)
        case errors.BudgetExceeded():
            return unavailable("budget-exceeded", "there was not enough time for this request")
        case errors.StageError():
            detail = f"the stage {error.stage!r} failed and the request is strict"
            return unavailable("stage-failed", detail, stage=error.stage, plugin=error.plugin)
        case errors.ModelError() | errors.PluginError():
            return unavailable("model-unavailable", "a model that this request needs cannot be used", 10)
        case HTTPException():
            return _of_http(error)
        case RequestValidationError():
            return of_validation(error.errors())
    return unexpected()


def of_validation(found: Sequence[Any]) -> Problem:
    """Return the problem of pydantic's complaints: fields and rules, never the values that were given."""
    broken = next((e for e in found if e["type"] == "json_invalid"), None)
    if broken is not None:
        detail = f"the body is not JSON: {broken['ctx']['error']} at character {broken['loc'][-1]}"
        return Problem(400, "malformed", "The request cannot be read", detail, field="body")
    wrong = [{"field": ".".join(map(str, e["loc"])), "detail": _said(e)} for e in found]
    if len(wrong) == 1:
        return invalid(wrong[0]["detail"], wrong[0]["field"])
    more = f" and {len(wrong) - MAX_FIELDS} more" if len(wrong) > MAX_FIELDS else ""
    detail = f"{len(wrong)} fields are wrong: see errors{', the first' if more else ''}"
    return invalid(detail, wrong[0]["field"], errors=wrong[:MAX_FIELDS])


def _said(error: Any) -> str:
    # A validator of ours raises ValueError with words of ours; some of pydantic's own messages quote what was given.
    quoting = {"literal_error", "enum", "string_pattern_mismatch", "union_tag_invalid"}
    context = error.get("ctx") or {}
    if error["type"] in quoting and (expected := context.get("expected") or context.get("expected_tags")):
        return f"should be {expected}"
    return str(error["msg"]).removeprefix("Value error, ")


def _of_http(error: HTTPException) -> Problem:
    """Return the problem of what the framework raises itself: no such path, no such method."""
    known = {404: ("no-route", "no such path: see /openapi.json"), 405: ("no-method", "this path takes other methods")}
    status = error.status_code
    type_, detail = known.get(status, (f"http-{status}", ""))
    return Problem(status, type_, HTTPStatus(status).phrase, detail, headers=error.headers)


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Let ``app`` answer every error that it knows as a problem; unforeseen ones go on to the front.

    The framework names the methods of the first route of a path alone: here all of ``routers`` are asked.
    """
    known = [(r.path_regex, r.methods or ()) for one in routers for r in one.routes if isinstance(r, Route)]

    async def answer(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        if problem.status == 405:
            path = request.url.path
            found = {method for regex, methods in known if regex.match(path) for method in methods}
            problem.headers["Allow"] = ", ".join(sorted(found)) or problem.headers.get("Allow", "")
        request.state.problem = error
        return problem.response(request.state.request_id)

    for kind in (Problem, errors.RecsysError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)
