import gc
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest
from recsys_remote_llm import (
    BadReply,
    CircuitOpen,
    Client,
    Refused,
    RemoteError,
    Server,
    TimedOut,
    Unreachable,
)
from recsys_remote_llm.settings import key_of

from recsys.breaker import Breaker
from recsys.errors import BudgetExceeded


class Naps:
    """Stands in for sleep: notes how long and goes on."""

    def __init__(self):
        self.taken = []

    def __call__(self, seconds):
        self.taken.append(seconds)


def client_of(server, naps=None, breaker=None, key=None, **settings):
    settings = {"url": server.url, "model": "small", "read_s": 2.0, "connect_s": 1.0, **settings}
    return Client(Server(**settings), key, sleep=naps or Naps(), breaker=breaker)


def test_posts_json_and_returns_json(server):
    server.usual = lambda h: h.json({"hello": "wörld"})
    reply = client_of(server, extra={"top_p": 0.5}).ask("/rerank", {"query": "kettle"})
    assert reply.data == {"hello": "wörld"}
    [seen] = server.seen
    assert seen.path == "/v1/rerank"
    assert seen.body == {"model": "small", "top_p": 0.5, "query": "kettle"}
    assert seen.headers["content-type"] == "application/json"
    assert "authorization" not in seen.headers


def test_connections_are_kept(server):
    client = client_of(server)
    for _ in range(5):
        client.ask("/x", {})
    assert len({s.port for s in server.seen}) == 1
    client.close()
    client.ask("/x", {})
    assert len({s.port for s in server.seen}) == 2


def test_a_connection_that_died_while_idle_costs_no_try(server):
    def and_hang_up(handler):
        handler.json({})
        handler.close_connection = True  # without saying so

    server.acts = [and_hang_up]
    client = client_of(server, retries=0)
    client.ask("/x", {})
    time.sleep(0.05)
    assert client.ask("/x", {}).counts["remote_retries"] == 0
    assert client.breaker.state == "closed"


def test_chunked_answers_are_read_and_the_connection_serves_again(server):
    def chunked(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')

    server.acts = [chunked]
    client = client_of(server)
    assert client.ask("/x", {}).data == {"a": 1}
    client.ask("/x", {})
    assert len({s.port for s in server.seen}) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_busy_servers_are_asked_again(server, status):
    server.acts = [lambda h: h.json({}, status), lambda h: h.json({}, status)]
    naps = Naps()
    reply = client_of(server, naps, backoff_s=1.0, max_backoff_s=1.5).ask("/x", {})
    assert reply.counts["remote_retries"] == 2
    assert len(naps.taken) == 2
    assert 0 <= naps.taken[0] <= 1.0
    assert 0 <= naps.taken[1] <= 1.5


def test_waiting_times_come_from_the_seed(server):
    def times(seed):
        server.acts = [lambda h: h.json({}, 500)] * 3
        naps = Naps()
        client_of(server, naps, seed=seed, retries=3).ask("/x", {})
        return naps.taken

    assert times(1) == times(1) != times(2)


def test_retry_after_is_obeyed(server):
    server.acts = [lambda h: h.json({}, 429, Retry_After="7")]
    naps = Naps()
    client_of(server, naps, backoff_s=0.5).ask("/x", {})
    assert 7 <= naps.taken[0] <= 7.5


def test_no_waiting_beyond_the_time_there_is(server):
    server.usual = lambda h: h.json({}, 429, Retry_After="3600")
    naps = Naps()
    with pytest.raises(Refused) as caught:
        client_of(server, naps).ask("/x", {})
    assert (caught.value.status, caught.value.wait_s) == (429, 3600)
    assert naps.taken == []
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_mistakes_of_ours_are_not_repeated(server, status):
    server.usual = lambda h: h.json({"error": "secret prompt"}, status)
    with pytest.raises(Refused, match=str(status)) as caught:
        client_of(server).ask("/x", {"query": "secret prompt"})
    assert len(server.seen) == 1
    assert "secret" not in str(caught.value)


def test_redirects_lead_nowhere(server):
    server.usual = lambda h: h.json({}, 307, Location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(Refused, match="redirects are not followed"):
        client_of(server).ask("/x", {})
    assert len(server.seen) == 1


def test_a_reset_is_tried_again(server):
    server.acts = [lambda h: h.reset()]
    assert client_of(server).ask("/x", {}).counts["remote_retries"] == 1
    server.usual = lambda h: h.reset()
    with pytest.raises(Unreachable):
        client_of(server).ask("/x", {})
    assert len(server.seen) == 2 + 3


def test_an_answer_that_breaks_off_is_tried_again(server):
    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.close_connection = True

    server.acts = [half]
    assert client_of(server).ask("/x", {}).counts["remote_retries"] == 1


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = Client(Server(url=f"http://127.0.0.1:{port}", model="m"), sleep=Naps())
    with pytest.raises(Unreachable):
        client.ask("/x", {})


def test_silence_ends(server):
    server.usual = lambda h: time.sleep(1)
    begin = time.monotonic()
    with pytest.raises(TimedOut):
        client_of(server, read_s=0.1).ask("/x", {})
    assert time.monotonic() - begin < 0.8
    assert len(server.seen) == 1


def test_a_trickle_ends_at_the_total(server):
    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)

    server.usual = trickle
    begin = time.monotonic()
    with pytest.raises(TimedOut):
        client_of(server, total_s=0.2).ask("/x", {})
    assert time.monotonic() - begin < 1


def test_the_deadline_ends_everything(server):
    server.usual = lambda h: time.sleep(1)
    client = client_of(server)
    begin = time.monotonic()
    with pytest.raises(BudgetExceeded):
        client.ask("/x", {}, begin + 0.1)
    assert time.monotonic() - begin < 0.8
    with pytest.raises(BudgetExceeded):
        client.ask("/x", {}, time.monotonic() - 1)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda h: h.raw(b"<html>busy</html>", kind="text/html"),
        lambda h: h.raw(b"{} trailing"),
        lambda h: h.raw(b"\xff\xfe{}"),
        lambda h: h.raw(b"[" * 100_000),
        lambda h: h.raw(b"1" * 10_000),
        lambda h: h.raw(b""),
        lambda h: h.json({}, Content_Encoding="gzip"),
        lambda h: h.json({"a": "x" * 200_001}),
    ],
    ids=["html", "trailing", "not utf-8", "deep", "long number", "empty", "compressed", "huge"],
)  # fmt: skip
def test_answers_that_are_none(server, act):
    server.usual = act
    with pytest.raises(BadReply):
        client_of(server, max_bytes=200_000).ask("/x", {})
    assert len(server.seen) == 1


def raw_server(data, pause=0.0):
    """A server of one connection that sends ``data``, endlessly where it is a function, whatever it is asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as connection:
            connection.settimeout(5)
            try:
                connection.recv(65536)
                if isinstance(data, bytes):
                    connection.sendall(data)
                    time.sleep(pause)
                else:
                    for _ in range(2000):
                        connection.sendall(data())
            except OSError:
                pass

    thread = Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + b" " * 900_000,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 900_000,
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 30_000,
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
    ],
    ids=["negative chunk", "no length", "headers", "long header", "continue", "ssh", "status"],
)  # fmt: skip
def test_what_is_hardly_http_is_bounded(data):
    url, thread = raw_server(data)
    client = Client(Server(url=url, model="m", max_bytes=10_000, retries=0, total_s=2), sleep=Naps())
    with pytest.raises(RemoteError):
        client.ask("/x", {})
    client.close()
    thread.join(5)


def test_the_breaker_opens_and_recovers(server):
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    clock = Clock()
    client = client_of(server, breaker=Breaker(3, 30, 30, clock), retries=0)
    server.usual = lambda h: h.json({}, 500)
    for _ in range(3):
        with pytest.raises(Refused):
            client.ask("/x", {})
    with pytest.raises(CircuitOpen):
        client.ask("/x", {})
    assert len(server.seen) == 3
    server.usual = lambda h: h.json({})
    clock.now += 31
    client.ask("/x", {})
    client.ask("/x", {})
    assert client.breaker.state == "closed"
    assert len(server.seen) == 5


def test_a_deadline_that_is_too_short_says_nothing_about_the_server(server):
    go_on = Event()
    client = client_of(server, breaker=Breaker(1))
    client.ask("/x", {})
    server.usual = lambda h: (go_on.wait(5), h.json({}))
    client._took = 1.0
    for _ in range(3):
        with pytest.raises(BudgetExceeded):
            client.ask("/x", {}, time.monotonic() + 0.05)
    assert client.breaker.state == "closed"
    assert client.totals["remote_failures"] == 3
    client._took = 0.02
    with pytest.raises(BudgetExceeded):
        client.ask("/x", {}, time.monotonic() + 0.05)
    assert client.breaker.state == "open"
    go_on.set()


def test_a_server_that_never_answered_is_given_its_time(server):
    go_on = Event()
    server.usual = lambda h: (go_on.wait(5), h.json({}))
    client = client_of(server, breaker=Breaker(1), read_s=0.2)
    with pytest.raises(BudgetExceeded):
        client.ask("/x", {}, time.monotonic() + 0.05)
    assert client.breaker.state == "closed"
    with pytest.raises(TimedOut):
        client.ask("/x", {}, time.monotonic() + 5)
    assert client.breaker.state == "open"
    go_on.set()


def test_no_more_at_a_time_than_allowed(server):
    server.usual = lambda h: (time.sleep(0.02), h.json({}))
    client = client_of(server, concurrency=2)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.ask("/x", {}), range(16)))
    assert server.most_at_once == 2
    assert len({s.port for s in server.seen}) <= 2


def test_waiting_for_a_place_ends_too(server):
    held, go_on = Event(), Event()
    server.usual = lambda h: (held.set(), go_on.wait(5), h.json({}))
    client = client_of(server, concurrency=1, read_s=10)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.ask, "/x", {})
        assert held.wait(5)
        with pytest.raises(BudgetExceeded):
            client.ask("/x", {}, time.monotonic() + 0.05)
        go_on.set()
        assert first.result().data == {}
    assert len(server.seen) == 1


def test_tokens_and_costs_add_up(server):
    server.usual = lambda h: h.json({"usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}})
    client = client_of(server, price_in=0.5, price_out=2.0, price_call=3.0)
    reply = client.ask("/x", {})
    assert reply.counts == {
        "remote_calls": 1, "remote_retries": 0, "tokens_in": 1000, "tokens_out": 10, "cost_micros": 500 + 20 + 3000,
    }  # fmt: skip
    client.ask("/x", {})
    server.acts = [lambda h: h.json({}, 500)] * 3
    with pytest.raises(Refused):
        client.ask("/x", {})
    assert client.totals == {
        "remote_calls": 3, "remote_retries": 2, "remote_failures": 1, "tokens_in": 2000, "tokens_out": 20,
        "cost_micros": 7040,
    }  # fmt: skip


def test_the_key_is_sent_and_never_shown(server, monkeypatch, caplog):
    monkeypatch.setenv("SHOP_KEY", " sk-very-secret \n")
    settings = Server(url=server.url, model="m", api_key_env="SHOP_KEY")
    client = Client(settings, key_of(settings), sleep=Naps())
    server.usual = lambda h: h.json({"error": h.headers["Authorization"]}, 401)
    with caplog.at_level(logging.DEBUG), pytest.raises(Refused) as caught:
        client.ask("/x", {"query": "private"})
    assert server.seen[0].headers["authorization"] == "Bearer sk-very-secret"
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    told = caplog.text + repr(chain) + repr(settings) + settings.model_dump_json() + repr(client)
    assert "very-secret" not in told
    assert "private" not in told


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_nothing_stays_open(server):
    client = client_of(server)
    client.ask("/x", {})
    del client
    gc.collect()
