from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.store.searches import MAX_TEXT_CHARS, SearchLog, query_key
from recsys.types import Search


def search(user: str, text: str, time: int, *chosen: str, id: str | None = None) -> Search:
    return Search(user_id=user, text=text, time=time, chosen=chosen, search_id=id)


def test_put_is_idempotent_by_id():
    log = SearchLog()
    one = search("ann", "red kettle", 1, "k1", id="s1")
    assert log.put([one, one]) == 1
    assert log.put([one]) == 0
    assert log.put([search("ann", "red kettle", 1), search("ann", "red kettle", 1)]) == 2
    assert len(log) == 3


def test_searches_are_in_the_order_of_time():
    log = SearchLog([search("ann", "b", 20), search("ann", "a", 10), search("bob", "c", 5), search("ann", "d", 20)])
    assert [s.text for s in log.of_user("ann")] == ["a", "b", "d"]
    assert log.of_user("nobody") == () == log.of_user(None)


def test_refinding_knows_other_spellings_and_puts_the_latest_first():
    log = SearchLog(
        [
            search("ann", "red kettle", 1, "k1", "k2"),
            search("ann", "Kettles, RED!", 2, "k3", "k1"),
            search("ann", "blue kettle", 3, "k9"),
            search("bob", "red kettle", 4, "k8"),
        ]
    )
    assert log.refound("ann", "red  kettle") == ("k3", "k1", "k2")
    assert log.refound("ann", "red kettle", limit=1) == ("k3",)
    assert log.refound("ann", "kettle") == ()
    assert log.refound(None, "red kettle") == () == log.refound("ann", "!?")


def test_merge_erase_and_forget():
    log = SearchLog(
        [search("guest", "kettle", 5, "k1", id="s1"), search("ann", "pan", 1, id="s2"), search("ann", "pot", 9)]
    )
    assert log.merge("guest", "ann") == 1
    assert [s.text for s in log.of_user("ann")] == ["pan", "kettle", "pot"]
    assert log.refound("ann", "kettle") == ("k1",)
    assert log.refound("guest", "kettle") == ()
    assert log.forget("ann", "Kettles") == 1
    assert log.refound("ann", "kettle") == ()
    assert log.erase("ann") == 2
    assert log.erase("ann") == 0 == len(log)
    assert log.put([search("ann", "pan", 1, id="s2")]) == 1


def test_export_says_all():
    when = datetime(2026, 5, 1, 12, tzinfo=UTC)
    log = SearchLog([Search(user_id="ann", text="pan", time=when, chosen=("p1",), search_id="s1")])
    assert log.export("ann") == [
        {"type": "search", "text": "pan", "chosen": ["p1"], "search_id": "s1", "time": "2026-05-01T12:00:00+00:00"}
    ]


def test_a_refused_batch_changes_nothing():
    log = SearchLog()
    with pytest.raises(DataError):
        log.put([search("ann", "pan", 1), search("ann", "pot", 10**14)])
    with pytest.raises(DataError):
        log.put([search("a" * 300, "pan", 1)])
    assert len(log) == 0


def test_hostile_text_is_one_short_line():
    log = SearchLog([search("ann", "<script>x</script>pan\u202e " + "y" * 10**6, 1), search("ann", "<b></b>", 2)])
    (only,) = log.of_user("ann")
    assert only.text.startswith("pan y")
    assert len(only.text) <= MAX_TEXT_CHARS


def test_the_log_is_bounded():
    log = SearchLog(max_per_user=3, max_searches=5)
    log.put([search("ann", f"a{n}", n, id=f"a{n}") for n in range(6)])
    assert [s.text for s in log.of_user("ann")] == ["a3", "a4", "a5"]
    log.put([search("bob", f"b{n}", n) for n in range(4)])
    assert len(log) == 5
    assert [s.text for s in log.of_user("ann")] == ["a4", "a5"]
    assert log.put([search("ann", "a0", 0, id="a0")]) == 1


def test_without_a_time_it_is_now():
    log = SearchLog(clock=lambda: 77)
    log.put([Search(user_id="ann", text="pan")])
    assert log.of_user("ann")[0].time == 77


def test_every_change_has_a_version():
    log = SearchLog()
    seen = {log.version}
    log.put([search("ann", "pan", 1, id="s")])
    seen.add(log.version)
    log.put([search("ann", "pan", 1, id="s")])
    assert log.version in seen
    log.erase("ann")
    assert log.version not in seen


@given(st.lists(st.sampled_from(["red", "kettle", "glass", "bus"]), max_size=4), st.randoms())
def test_the_key_ignores_order_and_case(words, random):
    other = [w.upper() if random.random() < 0.5 else w for w in words]
    random.shuffle(other)
    assert query_key(" ".join(words)) == query_key(", ".join(other))
