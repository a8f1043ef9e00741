from __future__ import annotations

import hashlib
import hmac
import time

import pytest
from http_toys import KEYS, bearer, checked
from starlette.testclient import TestClient

from recsys.errors import ConfigError, DataError, StoreDown
from recsys.serving import keys as keys_module
from recsys.serving.keys import KeyRing, MemoryKeys, digest_of, make_key, parts_of, proven


def test_a_key_is_kept_as_a_digest_alone():
    text, record = make_key("default", ["query"], "front end", now=10.5)
    key_id, secret = parts_of(text)
    assert key_id == record.key_id
    assert secret not in repr(record)
    assert record.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert record.created_at == 10
    assert len({make_key("default", ["query"])[0] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("tenant", "scopes", "forced", "error"),
    [("Shop", ["query"], "", ConfigError), ("a/b", ["query"], "", ConfigError), ("", ["query"], "", ConfigError),
     ("a", [], "", ConfigError), ("a", ["root"], "", ConfigError), ("a", ["query", "ingest"], "price < 3", ConfigError),
     ("a", ["query"], "price <", DataError)],
)  # fmt: skip
def test_a_key_that_cannot_be(tenant, scopes, forced, error):
    with pytest.raises(error):
        make_key(tenant, scopes, forced_filter=forced)


def test_when_a_key_holds():
    text, record = make_key("default", ["query"], expires_at=100)
    secret = parts_of(text)[1]
    assert proven(record, secret, 99.9)
    assert not proven(record, secret, 100)
    assert not proven(record, secret[:-1] + "_", 50)
    store = MemoryKeys([record])
    assert store.revoke("default", record.key_id, 60)
    assert proven(store.find(record.key_id), secret, 59)
    assert not proven(store.find(record.key_id), secret, 60)
    assert store.revoke("default", record.key_id, 40), "a rotation is cut short"
    assert not store.revoke("default", record.key_id, 80), "and never made longer"
    assert not proven(store.find(record.key_id), secret, 40)
    assert not store.revoke("other", record.key_id, 5)
    assert not store.revoke("default", "0" * 16, 5)


def test_an_unknown_key_is_compared_like_a_known_one(monkeypatch):
    """Both take one digest and one comparison of equal length: the time says nothing of which ids there are."""
    compared, real = [], hmac.compare_digest

    def compare(a, b):
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(keys_module.hmac, "compare_digest", compare)
    _, record = make_key("default", ["query"])
    assert not proven(None, "x" * 43, 0)
    assert not proven(record, "x" * 43, 0)
    assert compared == [(64, 64)] * 2


def test_no_secret_opens_an_unknown_key():
    assert not proven(None, "0" * 64, 0)


def test_memory_keys_take_an_id_once():
    _, record = make_key("default", ["query"])
    store = MemoryKeys([record])
    with pytest.raises(DataError):
        store.add(record)
    assert store.every("default") == [record]
    assert store.every("other") == []


class Shelf(MemoryKeys):
    """Keys that count who asks, and may be down."""

    asked, down = 0, False

    def find(self, key_id):
        self.asked += 1
        if self.down:
            raise StoreDown("no answer")
        return super().find(key_id)


def test_the_ring_asks_once_in_a_while():
    now = [0.0]
    _, record = make_key("default", ["query"])
    shelf = Shelf([record])
    ring = KeyRing(shelf, keep_s=5, most=3, clock=lambda: now[0])
    assert ring.held(record.key_id) is None
    assert ring.look_up(record.key_id) == record
    assert ring.held(record.key_id) == (record,)
    assert ring.look_up("unknown") is None
    assert ring.held("unknown") == (None,)
    now[0] = 5.1
    assert ring.held(record.key_id) is None
    ring.look_up(record.key_id)
    ring.forget(record.key_id)
    assert ring.held(record.key_id) is None
    for name in "abcd":
        ring.look_up(name)
    assert len(ring._held) == 3


def test_the_ring_knows_keys_while_the_store_is_down():
    now = [0.0]
    _, record = make_key("default", ["query"])
    shelf = Shelf([record])
    ring = KeyRing(shelf, keep_s=5, down_s=60, clock=lambda: now[0])
    ring.look_up(record.key_id)
    shelf.down, now[0] = True, 10.0
    assert ring.look_up(record.key_id) == record
    assert ring.held(record.key_id) == (record,), "not every request waits for a database that is down"
    with pytest.raises(StoreDown):
        ring.look_up("unknown")
    now[0] = 61.0
    with pytest.raises(StoreDown):
        ring.look_up(record.key_id)


# -- over HTTP ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic dTpw", "Bearer rk_0123456789abcdef_" + "A" * 43,
     f"Bearer {KEYS['query'][0]}x", f"Bearer {KEYS['query'][0][:-1]}", f"Bearer {KEYS['query'][0].upper()}",
     f"Bearer {KEYS['query'][1].digest}"],
    ids=[f"given-{i}" for i in range(11)],
)  # fmt: skip
def test_without_a_key(client, given):
    headers = {} if given is None else {"Authorization": given}
    response = client.get("/toys/who", headers=headers)
    checked(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_with_a_key(client):
    said = client.get("/toys/who", headers=bearer("forced")).json()
    assert said == {"tenant": "default", "key_id": KEYS["forced"][1].key_id, "forced": 'brand = "Acme"'}


def test_only_an_operator_names_a_tenant(client):
    def ask(name, tenant):
        return client.get("/toys/who", headers={**bearer(name), "X-Tenant": tenant})

    assert ask("query", "default").json()["tenant"] == "default"
    assert checked(ask("query", "other"), 403)["field"] == "X-Tenant"
    assert ask("operator", "other").json()["tenant"] == "other"
    assert client.get("/toys/who", headers=bearer("operator")).json()["tenant"] == "default"
    for odd in ("*", "../x", "Shop", "", "a" * 64):
        if odd:
            checked(ask("operator", odd), 400)


def test_the_life_of_a_key(admin):
    made = admin.post("/v1/keys", json={"name": "web", "scopes": ["query"], "rate_per_s": 5, "burst": 10})
    assert made.status_code == 201
    first = made.json()
    assert first["key"].startswith(f"rk_{first['key_id']}_")
    mine = {"Authorization": f"Bearer {first['key']}"}
    assert admin.get("/toys/who", headers=mine).headers["ratelimit-limit"] == "10"

    listed = admin.get("/v1/keys")
    assert first["key_id"] in {one["key_id"] for one in listed.json()["keys"]}
    for secret in (first["key"].rpartition("_")[2], digest_of(parts_of(first["key"])[1])):
        assert secret not in listed.text

    second = admin.post(f"/v1/keys/{first['key_id']}:rotate", json={"overlap_s": 60}).json()
    assert (second["name"], second["scopes"], second["burst"]) == ("web", ["query"], 10)
    fresh = {"Authorization": f"Bearer {second['key']}"}
    assert [admin.get("/toys/who", headers=h).status_code for h in (mine, fresh)] == [200, 200]

    gone = admin.delete(f"/v1/keys/{first['key_id']}")
    assert gone.json()["revoked_at"] <= time.time()
    assert [admin.get("/toys/who", headers=h).status_code for h in (mine, fresh)] == [401, 200]
    checked(admin.post(f"/v1/keys/{first['key_id']}:rotate", json={}), 404)


def test_a_rotation_without_overlap_ends_the_old_key_at_once(admin):
    first = admin.post("/v1/keys", json={"scopes": ["query"]}).json()
    admin.post(f"/v1/keys/{first['key_id']}:rotate", json={"overlap_s": 0})
    checked(admin.get("/toys/who", headers={"Authorization": f"Bearer {first['key']}"}), 401)


def test_keys_of_another_tenant_are_not_there(admin):
    theirs = KEYS["other"][1].key_id
    checked(admin.delete(f"/v1/keys/{theirs}"), 404)
    checked(admin.post(f"/v1/keys/{theirs}:rotate", json={}), 404)
    assert theirs not in admin.get("/v1/keys").text
    assert admin.get("/toys/who", headers=bearer("other")).status_code == 200
    seen = admin.get("/v1/keys", headers={**bearer("operator"), "X-Tenant": "other"}).json()["keys"]
    assert [one["key_id"] for one in seen] == [theirs]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"scopes": []}, "body.scopes"), ({"scopes": ["root"]}, "body.scopes.0"), ({}, "body.scopes"),
     ({"scopes": ["query"], "tenant": "other"}, "body.tenant"), ({"scopes": ["query"], "burst": 0}, "body.burst"),
     ({"scopes": ["query"], "expires_at": "2030-01-01T00:00:00"}, "body.expires_at"),
     ({"scopes": ["query"], "rate_per_s": "1e400"}, "body.rate_per_s")],
)  # fmt: skip
def test_a_wrong_request_for_a_key(admin, body, field):
    assert checked(admin.post("/v1/keys", json=body), 422)["field"] == field


def test_a_forced_filter_is_checked_when_the_key_is_made(admin):
    assert (
        "filter"
        in checked(admin.post("/v1/keys", json={"scopes": ["query"], "forced_filter": "price <"}), 422)["detail"]
    )
    body = {"scopes": ["query", "ingest"], "forced_filter": "price < 3"}
    assert "forced_filter" in checked(admin.post("/v1/keys", json=body), 422)["detail"]


def test_what_administrators_do_is_noted(made):
    noted = []
    with TestClient(made(audit=lambda *said: noted.append(said)), headers=bearer("admin")) as client:
        one = client.post("/v1/keys", json={"scopes": ["query"]}).json()
        two = client.post(f"/v1/keys/{one['key_id']}:rotate", json={}).json()
        client.delete(f"/v1/keys/{two['key_id']}")
    me = ("default", KEYS["admin"][1].key_id)
    assert [said[:4] for said in noted] == [
        (*me, "key.make", one["key_id"]), (*me, "key.rotate", one["key_id"]), (*me, "key.revoke", two["key_id"]),
    ]  # fmt: skip
    assert one["key"].rpartition("_")[2] not in str(noted)


def test_the_database_may_go_down_and_come_back(made):
    shelf = Shelf(record for _, record in KEYS.values())
    app = made(keys=shelf)
    with TestClient(app) as client:
        assert client.get("/toys/who", headers=bearer("query")).status_code == 200
        shelf.down = True
        assert client.get("/toys/who", headers=bearer("query")).status_code == 200
        response = client.get("/toys/who", headers=bearer("forced"))
        assert checked(response, 503)["type"].endswith("store-down")
        shelf.down = False
        assert client.get("/toys/who", headers=bearer("forced")).status_code == 200
