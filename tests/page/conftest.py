"""The page in a real browser over a real service: a small sample shop, Debian's Chromium, axe."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from page_toys import CONFIG, hostile_items

from recsys.demo import prepare
from recsys.engine import Engine
from recsys.serving.demo import config_for, demo_app, shown
from recsys.serving.showcase import Made
from recsys.testing.worlds import small_shop

CHROMIUM = Path("/usr/bin/chromium")


@dataclass
class Served:
    """The service under test: ``engine`` is that of the sample shop."""

    url: str
    app: Any
    engine: Engine

    @property
    def showcase(self) -> Any:
        return self.app.state.showcase


def _other_shop(tell: Any) -> Made:
    tell("fitting the other shop")
    data = small_shop()
    return Made(Engine(CONFIG).fit(data), int(data.log.events.times.max()) + 1)


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    import uvicorn

    demo = prepare(None, n_shoppers=120, config=CONFIG)
    demo.engine.add_items(hostile_items())
    config = config_for("127.0.0.1", 0)
    app = demo_app(config, lambda tell: shown(demo))
    app.state.showcase.offer("real", "Real data: another shop", _other_shop)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not (server.started and app.state.showcase.stalls["sample"].state == "ready"):
        assert time.monotonic() < until, "the service does not start"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", app, demo.engine)
    server.should_exit = True
    thread.join(10)


# Not for the whole session: while it is open, an event loop runs in the thread of all tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.is_file():
        pytest.skip(f"the page is tested in {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A tab of the browser: ``tab.open("?q=...")`` waits until the list is there and nothing is asked any more."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)
        self.foreign: list[str] = []
        page.on("request", lambda r: None if r.url.startswith((url, "blob:")) else self.foreign.append(r.url))

    def _said(self, message: Any) -> None:
        # That an answer was no success is told by the browser; whether it should be is for each test to say.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def open(self, query: str = "") -> Any:
        self.page.goto(f"{self.url}/{query}")
        self.settled()
        return self.page

    def settled(self) -> None:
        self.page.wait_for_function(
            "() => document.querySelector('#rows > li, .sides, .problem, .empty')"
            " && document.querySelector('#centre')?.getAttribute('aria-busy') !== 'true'"
            " && !document.querySelector('#centre .waiting')"
        )

    def titles(self) -> list[str]:
        found: list[str] = self.page.locator("#rows h3 bdi").all_text_contents()
        return found

    def status(self) -> str:
        said: str = self.page.locator("#status").inner_text()
        return said

    def act(self, button: Any) -> list[str]:
        """Press a button that changes the list and return the titles that are there afterwards."""
        with self.page.expect_response(re.compile("/v1/(recommend|search)$")):
            button.click()
        self.settled()
        return self.titles()


@pytest.fixture
def opened(browser: Any, served: Served) -> Iterator[Any]:
    """Open a tab with other options of the browser's context: opened(color_scheme="dark")."""
    contexts: list[Any] = []
    tabs: list[Tab] = []

    def open_tab(**options: Any) -> Tab:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        tabs.append(Tab(context.new_page(), served.url))
        return tabs[-1]

    yield open_tab
    for context in contexts:
        context.close()
    assert [fault for tab in tabs for fault in tab.faults] == []
    assert [url for tab in tabs for url in tab.foreign] == [], "the page must work offline"


@pytest.fixture
def tab(opened: Any) -> Tab:
    tab: Tab = opened()
    return tab
