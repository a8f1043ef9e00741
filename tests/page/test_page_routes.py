"""The page over HTTP: its policy, its files, who gets a key, and that its own routes keep to keys and shops."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest

import recsys.serving
from recsys.serving import app as app_module
from recsys.serving.pictures import picture, signs
from recsys.serving.settings import ServiceConfig

FILES = sorted((Path(recsys.serving.__file__).parent / "page").iterdir())
KEYED = ["/demo/history?user_id=x", "/demo/review/review-00001"]


@pytest.fixture
def call(served):
    def call(path, body=None, key="", **headers):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(served.url + path, data, headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read().decode()

    return call


@pytest.fixture
def key(call):
    return json.loads(call("/demo/session")[2])["key"]


def test_the_page_and_its_policy(call):
    status, headers, text = call("/")
    policy = headers["content-security-policy"]
    assert status == 200
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", text), "nothing is written into the page"
    for name in re.findall(r'(?:src|href)="(/page/[^"]+)"', text):
        assert call(name)[0] == 200


def test_its_scripts_make_no_markup_of_text():
    scripts = "".join(file.read_text() for file in FILES if file.suffix == ".js")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser", scripts
    )
    assert "http://" not in scripts.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in scripts


def test_only_its_own_files_are_served(call):
    assert call("/page/main.js")[1]["content-type"] == "text/javascript; charset=utf-8"
    for name in (
        "/page/nothing.js",
        "/page/..%2fdemo.py",
        "/page/../../app.py",
        "/page/index.html",
        "/page/main.js%00.css",
    ):
        assert call(name)[0] in (404, 422), name


def test_without_demo_there_is_no_page():
    paths = {route.path for router in app_module._routers(ServiceConfig()) for route in router.routes}
    assert not [path for path in paths if path == "/" or path.startswith(("/demo", "/page"))]


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}])
def test_other_sites_get_no_key(call, headers):
    status, _, text = call("/demo/session", **headers)
    assert status == 403
    assert "rk_" not in text


@pytest.mark.parametrize("path", KEYED)
def test_what_is_about_people_wants_a_key(call, key, path):
    assert call(path)[0] == 401
    assert call(path, key=key)[0] == 200


@pytest.mark.parametrize(("path", "body"), [("/demo/upload", {"name": "x", "events": "a"}), ("/demo/shops/real", {})])
def test_making_shops_wants_a_key(call, path, body):
    assert call(path, body)[0] == 401


def test_the_key_of_the_page_asks_and_tells_and_no_more(call, key):
    assert call("/v1/recommend", {"limit": 1}, key)[0] == 200
    assert call("/metrics", key=key)[0] == 403


def test_a_review_has_no_author(call, key, served):
    one = served.engine.store.reviews()[0]
    found = json.loads(call(f"/demo/review/{one.review_id}", key=key)[2])
    assert found["text"] == one.text
    assert one.user_id not in json.dumps(found)
    assert call("/demo/review/nothing", key=key)[0] == 404


def test_a_history_has_the_latest_first_and_nothing_that_was_merely_shown(call, key, served):
    log = served.engine.store.log()
    found = json.loads(call(f"/demo/history?user_id={log.users[2]}", key=key)[2])
    times = [one["time"] for one in found["events"]]
    assert times == sorted(times, reverse=True)
    assert times
    assert {"impression", "forget"}.isdisjoint(one["kind"] for one in found["events"])
    assert json.loads(call("/demo/history?user_id=stranger", key=key)[2]) == {"known": False, "events": [], "more": 0}


def test_too_large_a_file_is_refused(served, key):
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=10)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Content-Length": str(17 << 20)}
    connection.request("POST", "/demo/upload", headers=headers)  # the body need not even begin
    answer = connection.getresponse()
    assert answer.status == 413
    assert "too-large" in answer.read().decode()
    connection.close()


def test_pictures_are_drawn_the_same_every_time_and_hold_no_text(call, served):
    for item_id in ("HTML-1", served.engine.store.items().ids[0]):
        status, headers, text = call(f"/demo/picture/{item_id}.svg")
        assert status == 200
        assert headers["content-type"].startswith("image/svg+xml")
        assert "Bold" not in text
        assert "quokka" not in text
        assert text == call(f"/demo/picture/{item_id}.svg")[2]
        assert not [
            e.tag for e in ElementTree.fromstring(text).iter() if e.tag.endswith(("script", "text", "image", "a"))
        ]
    assert call("/demo/picture/nothing.svg")[0] == 404


def test_categories_have_signs():
    drawn = {name: picture("x", "b", (category, "Things")) for name, category in {
        "pan": "Frying Pans", "paw": "Pet Care", "tent": "Tent", "bag": "Tote Bag", "mask": "Comedy",
        "bowl": "Mixing Bowls",
    }.items()}  # fmt: skip
    for name, svg in drawn.items():
        assert signs()[name][1] in svg, name
    for told_by, drawing in signs().values():
        ElementTree.fromstring(f"<g>{drawing}</g>")
        assert not told_by.search("")


def test_a_category_without_a_sign_gets_a_parcel():
    assert signs()["parcel"][1] in picture("x", None, ("Quux", "<b>"))
