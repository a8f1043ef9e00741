"""The examples of docs/client.md, against a service on a port of this machine."""

from __future__ import annotations

import threading
import time

import pytest
from blocks import blocks

from recsys import Engine
from recsys.testing.worlds import small_shop

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def service():
    import uvicorn

    from recsys.serving.app import create_app
    from recsys.serving.keys import MemoryKeys, make_key
    from recsys.serving.settings import ServiceConfig
    from recsys.serving.tenant import Tenant
    from recsys.serving.tenants import Tenants
    from recsys.serving.tokens import Signer

    key, record = make_key("default", ["query", "ingest"])
    config = {"candidates": {"transitions": {}, "popularity": {}}, "variants": {"fused": {}}, "variant": "fused"}
    engine = Engine.from_config(config).fit(small_shop())
    tenants = Tenants.of(Tenant("default", engine, Signer(SECRET.encode())))
    settings = ServiceConfig.of({"secret": SECRET, "queue": {"budget_ms": 30_000}})
    app = create_app(settings, tenants=tenants, keys=MemoryKeys([record]))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", key
    server.should_exit = True
    thread.join()


def test_the_examples_run(service, capsys):
    names: dict = dict(zip(("url", "key"), service, strict=True))
    examples = [text for language, _, text in blocks("docs/client.md") if language == "python"]
    assert len(examples) == 4
    for text in examples:  # each goes on where the one before ended
        exec(compile(text, "docs/client.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "  sources" in printed
    assert "{'runing': 'running'}" in printed
    assert "accepted None None" in printed
    assert "rejected item_id is not known" in printed
    assert "ConfigError variant must be one of" in printed
    assert len(names["home"]) == 10
    assert names["best"][0].index == 1
    assert names["typed"]
