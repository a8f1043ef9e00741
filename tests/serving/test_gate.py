from __future__ import annotations

import asyncio
import threading

import pytest
from http_toys import bearer, checked
from starlette.testclient import TestClient

from recsys.serving.gate import Gate
from recsys.serving.problems import Problem


class Bench:
    """A gate, and work that lasts until it is let go."""

    def __init__(self, threads=1, **named):
        self.shed, self.depths, self.go = [], [], threading.Event()
        self.begun = threading.Semaphore(0)
        self.order = []
        self.gate = Gate(threads, on_shed=self.shed.append, on_depth=self.depths.append, **named)

    def work(self, name="", budget_ms=None):
        self.begun.release()
        assert self.go.wait(5)
        self.order.append(name)
        return name, budget_ms

    def start(self, name="", how="run", **named):
        return asyncio.ensure_future(getattr(self.gate, how)(self.work, name, **named))

    async def busy(self):
        """Wait until one thread works."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=5)


def refused(caught, kind):
    assert caught.value.status == 503
    assert caught.value.type == kind
    assert int(caught.value.headers["Retry-After"]) >= 1
    return True


def test_work_is_done_in_a_thread_with_its_arguments():
    async def go():
        gate = Gate(2)
        names = await gate.run(lambda *a, **n: (a, n, threading.current_thread().name), 1, b=2)
        with pytest.raises(ZeroDivisionError):
            await gate.run(lambda: 1 / 0)
        assert gate.inside == 0
        return names

    args, named, thread = asyncio.run(go())
    assert (args, named) == ((1,), {"b": 2})
    assert thread.startswith("recsys-gate")


def test_work_hears_what_is_left_of_its_budget():
    async def go():
        bench = Bench()
        first = bench.start("first", how="ask", budget_ms=5_000)
        await bench.busy()
        second = bench.start("second", how="ask", budget_ms=5_000)
        await asyncio.sleep(0.1)
        bench.go.set()
        return await asyncio.gather(first, second)

    (_, one), (_, two) = asyncio.run(go())
    assert 4_000 < one <= 5_000
    assert two <= 4_900, "the wait counts"


def test_a_full_queue_refuses():
    async def go():
        bench = Bench(waiting=2, budget_ms=10_000)
        running = [bench.start(n) for n in "abc"]
        await bench.busy()
        assert (bench.gate.inside, bench.gate.depth) == (3, 2)
        with pytest.raises(Problem) as caught:
            await bench.gate.run(bench.work)
        assert refused(caught, "overloaded")
        bench.go.set()
        await asyncio.gather(*running)
        return bench

    bench = asyncio.run(go())
    assert bench.order == list("abc"), "who came first is served first"
    assert bench.shed == ["queue-full"]
    assert bench.depths[-1] == 0
    assert max(bench.depths) == 2


def test_a_wait_that_would_be_too_long_is_refused_at_once():
    """Work takes 0.1 s. With 0.25 s, one may wait behind another one, and a third would be late."""

    async def go():
        bench = Bench(waiting=100, budget_ms=250)
        bench.gate.expected.add("Bench.work", 0.1)
        running = [bench.start(n) for n in "ab"]
        await bench.busy()
        assert bench.gate.wait_s() == pytest.approx(0.2)
        with pytest.raises(Problem) as caught:
            await bench.gate.run(bench.work)
        refused(caught, "overloaded")
        longer = bench.start("c", budget_ms=1_000)
        await asyncio.sleep(0)
        assert bench.gate.inside == 3, "who has more time may wait"
        bench.go.set()
        await asyncio.gather(*running, longer)
        assert bench.gate.wait_s() == 0
        return bench

    assert asyncio.run(go()).shed == ["too-slow"]


def test_other_work_is_expected_to_take_its_own_time():
    async def go():
        bench = Bench(waiting=100, budget_ms=250)
        bench.gate.expected.add("Bench.work", 10.0)
        running = bench.start("a")  # a thread is free: what has become slow is tried, and measured
        await bench.busy()
        with pytest.raises(Problem):
            await bench.gate.run(int, "5")
        bench.go.set()
        await running
        assert bench.gate.expected.of("Bench.work") < 10.0
        assert await bench.gate.run(int, "5") == 5

    asyncio.run(go())


def test_what_cannot_end_in_time_is_not_begun():
    async def go():
        bench = Bench(waiting=100, budget_ms=10_000)
        running = bench.start("a")
        await bench.busy()
        late = bench.start("late", budget_ms=50)
        await asyncio.sleep(0.1)
        bench.go.set()
        await running
        with pytest.raises(Problem) as caught:
            await late
        refused(caught, "overloaded")
        return bench

    bench = asyncio.run(go())
    assert bench.order == ["a"]
    assert bench.shed == ["too-late"]


def test_with_a_free_thread_a_budget_may_be_as_short_as_it_likes():
    """It is for the engine to leave out what there is no time for."""

    async def go():
        bench = Bench()
        bench.go.set()
        return await bench.start("a", how="ask", budget_ms=5e-324)

    name, left = asyncio.run(go())
    assert name == "a"
    assert 0 < left < 1


def test_who_goes_away_is_not_served():
    async def go():
        bench = Bench()
        running, gone = bench.start("a"), bench.start("gone")
        await bench.busy()
        gone.cancel()
        await asyncio.sleep(0.02)
        assert bench.gate.inside == 1
        bench.go.set()
        await running
        await asyncio.sleep(0.02)
        assert bench.gate.inside == 0
        return bench

    assert asyncio.run(go()).order == ["a"]


def test_what_runs_for_somebody_who_went_away_still_counts():
    async def go():
        bench = Bench(waiting=0)
        running = bench.start("a")
        await bench.busy()
        running.cancel()
        await asyncio.sleep(0.02)
        assert bench.gate.inside == 1, "its thread is not free"
        bench.go.set()
        while bench.gate.inside:
            await asyncio.sleep(0.01)

    asyncio.run(go())


def test_closing_finishes_what_was_let_in():
    async def go():
        bench = Bench()
        running = [bench.start(n) for n in "abc"]
        await bench.busy()
        closing = asyncio.ensure_future(bench.gate.close(5))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            await bench.gate.run(bench.work)
        refused(caught, "stopping")
        bench.go.set()
        assert await closing is True
        return await asyncio.gather(*running)

    assert [name for name, _ in asyncio.run(go())] == list("abc")


def test_closing_does_not_wait_for_ever():
    async def go():
        bench = Bench()
        running, waiting = bench.start("a"), bench.start("b")
        await bench.busy()
        assert await bench.gate.close(0.05) is False
        bench.go.set()
        await running
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(go())


def test_many_at_once_lose_nothing():
    async def go():
        gate = Gate(3, waiting=1_000, budget_ms=60_000)
        return await asyncio.gather(*(gate.run(lambda n: n * n, n) for n in range(500))), gate

    found, gate = asyncio.run(go())
    assert found == [n * n for n in range(500)]
    assert gate.inside == 0


def test_over_http_the_queue_refuses_with_retry_after_and_is_counted(made):
    app = made(threads=1, queue={"waiting": 0, "budget_ms": 5_000})
    with TestClient(app, raise_server_exceptions=False) as client:
        answers = []
        threads = [
            threading.Thread(
                target=lambda: answers.append(client.get("/toys/slow?seconds=0.3", headers=bearer("query")))
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(a.status_code for a in answers) == [200, 503, 503, 503]
        for answer in answers:
            if answer.status_code == 503:
                checked(answer, 503)
                assert int(answer.headers["retry-after"]) >= 1
        assert (
            'recsys_shed_total{gate="query",reason="queue-full"} 3.0'
            in client.get("/metrics", headers=bearer("admin")).text
        )
