from __future__ import annotations

import threading

from http_toys import KEYS, bearer, checked

from recsys.serving.rates import Buckets


def test_a_bucket_empties_and_fills():
    now = [0.0]
    buckets = Buckets(clock=lambda: now[0])
    rate = (2.0, 3)
    assert [buckets.take("a", rate).remaining for _ in range(3)] == [2, 1, 0]
    refused = buckets.take("a", rate)
    assert refused.wait_s == 0.5
    assert buckets.take("b", rate).wait_s == 0, "every key has its own"
    now[0] = 0.49
    assert buckets.take("a", rate).wait_s > 0, "asking in vain does not put it off"
    now[0] = 0.51
    assert buckets.take("a", rate).wait_s == 0
    now[0] = 100.0
    assert buckets.take("a", rate).remaining == 2, "never more than the burst"


def test_what_a_client_is_told():
    standing = Buckets(clock=lambda: 0.0).take("a", (2.0, 10))
    assert standing.headers() == {
        "RateLimit-Limit": "10", "RateLimit-Remaining": "9", "RateLimit-Reset": "1", "RateLimit-Policy": "10;w=5",
    }  # fmt: skip


def test_a_bounded_number_of_keys_is_held():
    buckets = Buckets(most=2, clock=lambda: 0.0)
    for key in "abc":
        buckets.take(key, (1.0, 5))
    assert buckets.take("c", (1.0, 5)).remaining == 3
    assert buckets.take("a", (1.0, 5)).remaining == 4, "forgotten, it begins anew"


def test_threads_take_no_token_twice():
    buckets, taken = Buckets(clock=lambda: 0.0), []

    def take():
        taken.extend(buckets.take("a", (1.0, 500)).wait_s == 0 for _ in range(200))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 500


def test_over_http(client):
    answers = [client.get("/toys/who", headers=bearer("slow")) for _ in range(5)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
    assert [a.headers["ratelimit-remaining"] for a in answers[:4]] == ["2", "1", "0", "0"]
    refused = answers[3]
    assert checked(refused, 429)["type"].endswith("too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert refused.headers["ratelimit-limit"] == "3"
    assert client.get("/toys/who", headers=bearer("query")).status_code == 200, "other keys go on"


def test_wrong_requests_count_and_wrong_scopes_do_not_help(client):
    for _ in range(3):
        assert client.post("/toys/lines", json={}, headers=bearer("slow")).status_code == 422
    assert client.get("/toys/who", headers=bearer("slow")).status_code == 429
    assert KEYS["slow"][1].burst == 3
