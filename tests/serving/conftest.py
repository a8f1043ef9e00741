from __future__ import annotations

import pytest
from http_toys import ADMIN, KEYS, Quiet, toys
from starlette.testclient import TestClient

from recsys.serving.app import create_app
from recsys.serving.keys import MemoryKeys
from recsys.serving.settings import ServiceConfig


@pytest.fixture
def lives() -> Quiet:
    return Quiet()


@pytest.fixture
def made(lives):
    """Make the app with other settings: made(queue={"waiting": 0})."""

    def make(keys=None, audit=None, uploads=None, **settings):
        return create_app(
            ServiceConfig.of(settings), tenants=lives, keys=keys or MemoryKeys(record for _, record in KEYS.values()),
            routers=[toys()], audit=audit, uploads=uploads,
        )  # fmt: skip

    return make


@pytest.fixture
def app(made):
    return made()


@pytest.fixture
def client(app):
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def admin(client):
    client.headers["Authorization"] = f"Bearer {ADMIN}"
    return client
