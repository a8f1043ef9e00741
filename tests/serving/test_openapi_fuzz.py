"""Whatever the OpenAPI document allows, and much that it does not: no 5xx, and every answer is as the document says."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from stored_toys import stored

from recsys.serving.app import create_app
from recsys.serving.keys import MemoryKeys
from recsys.serving.openapi import operations
from recsys.serving.run import bound
from recsys.serving.settings import ServiceConfig
from recsys.serving.tenants import Tenants

EXAMPLES = 10

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def shop():
    with tempfile.TemporaryDirectory() as folder, stored(Path(folder)) as (one, _):
        yield one


@pytest.fixture(scope="module")
def document(shop):
    """The document of the very app, asked at a port: a client in the process would begin and end it for each call."""
    with bound("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(shop.app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{listener.getsockname()[1]}/openapi.json")
        server.should_exit = True
        thread.join()


APP = create_app(ServiceConfig(), tenants=Tenants(lambda name: None), keys=MemoryKeys())
OPERATIONS = [(path, method) for path, method, _ in operations(APP.openapi())]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{m} {p}" for p, m in OPERATIONS])
def test_every_operation(shop, document, path, method):
    operation = document[path][method]
    need = operation.definition.raw.get("security")
    key = shop.texts[need[0]["bearer"][0]] if need else ""
    examples = 2 if path.endswith(":refit") else EXAMPLES  # that one begins a process

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def conforms(case):
        answer = case.call(headers={"Authorization": f"Bearer {key}"})
        case.validate_response(answer, checks=CHECKS)

    conforms()
