"""The OpenAPI document: what FastAPI finds, with problems on every error and the scope of every key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from recsys.serving.examples import EXAMPLES
from recsys.serving.problems import MEDIA_TYPE, ProblemBody

DESCRIPTION = """\
Recommendations, product search and checked reasons.

Send `Authorization: Bearer <key>`. Each operation names the scope that its key needs: `ingest` writes what happens in \
the shop, `query` asks, `admin` manages. Errors are problem+json (RFC 9457). `RateLimit-*` headers say where a key \
stands; 429 and 503 come with `Retry-After`. `X-Request-Id` comes back as it was sent, and names a request in the log.
"""
REFERENCE = "#/components/schemas/Problem"
# What any route may answer.
EVERYWHERE = {
    400: "The request cannot be read.",
    422: "The request can be read and makes no sense; `field` says where.",
    500: "Something went wrong here; the log has more under `request_id`.",
    503: "The service cannot answer now; `Retry-After` says when to ask again.",
}
KEYED = {
    401: "There is no key, or none that may be used.",
    403: "The key may not do this.",
    429: "The key made too many requests; `Retry-After` says when to go on.",
}
WITH_BODY = {408: "The body did not arrive.", 413: "The body is too large.", 415: "The body is no JSON."}
WITH_IDS = {404: "There is no such thing."}


def problem(description: str) -> dict[str, Any]:
    """Return what OpenAPI says of an answer that is a problem."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE}}}}


def install(app: FastAPI) -> None:
    """Let ``app`` describe itself so."""
    found = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            found()
            app.openapi_schema = _completed(app.openapi_schema or {})
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """Return what clients that are made from the document call an operation: "lists_recommend", "items_put"."""
    method = min(route.methods or {"GET"})
    name = route.name if method in ("GET", "POST", route.name.upper()) else f"{route.name}_{method.lower()}"
    return "_".join([*map(str, route.tags[:1]), name])


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation."""
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            yield path, method, operation


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    whole = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= whole.pop("$defs", {})
    schemas["Problem"] = {**whole, "title": "Problem"}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for name, example in EXAMPLES.items():
        if name in schemas and not {"example", "examples"} & set(schemas[name]):
            schemas[name]["examples"] = [example]
    for path, _, operation in operations(document):
        answers = operation["responses"]
        wanted = {**EVERYWHERE, **(KEYED if operation.get("security") else {})}
        wanted |= (WITH_BODY if "requestBody" in operation else {}) | (WITH_IDS if "{" in path else {})
        for status, description in wanted.items():
            answers[str(status)] = problem(answers.get(str(status), {}).get("description") or description)
        for code, answer in answers.items():
            if code.startswith(("4", "5")):
                answer["content"] = problem("")["content"]
        for code in ("429", "503"):
            if code in answers:
                answers[code]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
        if "422" in answers and answers["422"]["description"] == "Validation Error":
            answers["422"]["description"] = EVERYWHERE[422]
        for need in operation.get("security", ()):
            operation["x-scope"] = need["bearer"][0]
    return document
