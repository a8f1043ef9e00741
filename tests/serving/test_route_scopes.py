"""Every route of the service: who may call it, and that the OpenAPI document says the same."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules

import pytest
from fastapi.routing import APIRoute
from http_toys import KEYS, Quiet, bearer, checked
from starlette.testclient import TestClient

from recsys.serving import app as app_module
from recsys.serving import shapes as shapes_package
from recsys.serving.app import create_app
from recsys.serving.examples import EXAMPLES
from recsys.serving.keys import SCOPES, MemoryKeys
from recsys.serving.openapi import operations
from recsys.serving.settings import ServiceConfig

OPEN = {("GET", "/health/live"), ("GET", "/health/ready")}
CONFIG = ServiceConfig()
ROUTES = sorted(
    (method, getattr(route, "path_format", "?"))
    for router in app_module._routers(CONFIG)
    for route in router.routes
    for method in getattr(route, "methods", None) or {"?"}
)
GUARDED = [one for one in ROUTES if one not in OPEN]


@pytest.fixture(scope="module")
def guarded():
    keys = MemoryKeys(record for _, record in KEYS.values())
    app = create_app(CONFIG, tenants=Quiet(), keys=keys)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def document(guarded):
    return guarded.get("/openapi.json").json()


def asked(client, method, path, headers=None):
    return client.request(method, re.sub("{[a-z_]+}", "0123456789abcdef", path), headers=headers)


def scope_in(document, method, path):
    (need,) = document["paths"][path][method.lower()]["security"]
    (scope,) = need["bearer"]
    return scope


def test_there_are_routes_and_each_is_one_that_can_be_asked():
    assert len(GUARDED) > 4
    assert all(isinstance(r, APIRoute) for router in app_module._routers(CONFIG) for r in router.routes)


def test_the_document_knows_every_route(document):
    assert {(method.upper(), path) for path, method, _ in operations(document)} == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), GUARDED, ids=[" ".join(one) for one in GUARDED])
def test_a_route_wants_a_key_of_its_scope(guarded, document, method, path):
    scope = scope_in(document, method, path)
    assert scope in SCOPES
    checked(asked(guarded, method, path), 401)
    for name in set(SCOPES) - {scope}:
        checked(asked(guarded, method, path, bearer(name)), 403)
    assert asked(guarded, method, path, bearer(scope)).status_code not in (401, 403)
    # A forced filter holds a key to the items that it lets through: it may not write, nor see what others did.
    if scope != "query":
        checked(asked(guarded, method, path, bearer("forced")), 403)


@pytest.mark.parametrize(("method", "path"), sorted(OPEN), ids=[" ".join(one) for one in sorted(OPEN)])
def test_health_is_open(guarded, document, method, path):
    assert asked(guarded, method, path).status_code == 200
    assert "security" not in document["paths"][path][method.lower()]


def test_the_document_is_31_and_names_the_scheme(document):
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_error_in_the_document_is_a_problem(document):
    for path, method, operation in operations(document):
        errors = {s: a for s, a in operation["responses"].items() if s.startswith(("4", "5"))}
        assert {"400", "422", "500", "503"} <= set(errors), (path, method)
        assert ({"401", "403", "429"} <= set(errors)) == ("security" in operation)
        assert ({"408", "413", "415"} <= set(errors)) == ("requestBody" in operation)
        for answer in errors.values():
            assert answer["description"]
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "example" in document["components"]["schemas"]["Problem"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_body_has_an_example_and_every_operation_its_words(document):
    schemas, names = document["components"]["schemas"], set()
    for path, method, operation in operations(document):
        names.add(operation["operationId"])
        assert operation["description"], (path, method)
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            schema = content["schema"]
            schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            assert {"example", "examples"} & {*schema, *content}, (path, method)
    assert len(names) == len(list(operations(document)))


def test_examples_are_valid():
    """Every example of `recsys.serving.examples` is one that the shape of its name takes."""
    shapes = {}
    for module in iter_modules(shapes_package.__path__):
        shapes |= vars(import_module(f"{shapes_package.__name__}.{module.name}"))
    for name, example in EXAMPLES.items():
        shapes[name].model_validate(example)
    entries = {"EventsIn": ("events", "EventIn"), "ItemsIn": ("items", "ItemIn")}
    for name, (field, entry) in entries.items():
        for one in EXAMPLES[name][field]:
            shapes[entry].model_validate(one)


def test_references_lead_somewhere(document):
    def references(value):
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for one in value.values():
                yield from references(one)
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= there
