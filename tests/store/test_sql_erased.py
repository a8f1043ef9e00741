"""Nothing of an erased shopper is in any file of the database, found by reading the bytes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from store_toys import ITEMS, NOW

from recsys.store.sql import Database, Erasures, Lists, Logged, ServedList, SqlStore
from recsys.types import Review, Search

NAME = "secretperson-0042@mail.example"
MARK = b"secretperson"


def act(store: SqlStore, rng: random.Random, users: list[str], step: int) -> None:
    """Let many do something in between, so that pages are split, filled and emptied."""
    events = []
    for n in range(60):
        user = NAME if rng.random() < 0.05 else rng.choice(users)
        own = {"event_id": f"{user}-{step}-{n}", "list_id": f"{user}-list", "extra": {"who": user}}
        when = NOW + rng.randrange(10**7)
        events.append(Logged(user_id=user, item_id=f"i{rng.randrange(6)}", time=when, **own))
    store.put_events(events)
    store.searches.put([Search(user_id=NAME, text=f"kettle {step}", search_id=f"{NAME}-{step}", time=NOW)])
    review = Review(user_id=NAME, item_id="i1", text=f"I am {NAME}", review_id=f"review-{NAME}-{step}")
    store.put_reviews([review, Review(user_id=users[step], item_id="i1", text="fine")])
    store.edits.edit(NAME, f"{NAME}-line-{step}", f"call me {NAME}")
    shown = ServedList(list_id=f"{NAME}-{step}", created_at=NOW, kind="k", bundle_id="b", variant="v",
                       record={"n": step}, user_id=NAME)  # fmt: skip
    Lists(store.database, store.tenant).put_many([shown])
    if step % 10 == 3:
        store.erase(users.pop())
    if step % 20 == 7:
        guest = f"guest-of-{NAME}"
        store.put_events([Logged(user_id=guest, item_id="i2", time=NOW, event_id=f"{guest}-{step}")])
        store.merge(guest, NAME)


def found(folder: Path) -> dict[str, int]:
    return {path.name: path.read_bytes().count(MARK) for path in folder.iterdir()}


def filled(folder: Path) -> SqlStore:
    store = SqlStore(Database.open(f"sqlite:///{folder}/shop.db", durability="normal"))
    store.put_items(ITEMS)
    rng, users = random.Random(1), [f"person-{n:05d}@mail.example" for n in range(200)]
    for step in range(60):
        act(store, rng, users, step)
    store.set_consent(NAME, True)
    return store


def test_no_byte_is_left_in_any_file(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = found(tmp_path)
    assert before["shop.db"] + before["shop.db-wal"] > 1000
    counts = store.counts(NAME)
    assert min(counts.values()) >= 1
    left = {user: len(store.history(user)) for user in ("person-00000@mail.example", "person-00007@mail.example")}
    assert store.erase(NAME) == counts["events"]
    assert set(store.counts(NAME).values()) == {0}
    proof = Erasures(store.database, store.tenant).add(NAME, counts)
    store.database.compact()
    assert set(found(tmp_path).values()) == {0}
    assert {user: len(store.history(user)) for user in left} == left
    kept = Erasures(store.database, store.tenant).get(proof.proof_id)
    assert kept is not None
    assert kept.counts == counts
    assert kept.proves(NAME, proof.receipt)
    store.database.close()
    assert set(found(tmp_path).values()) == {0}


def test_the_log_of_writes_is_emptied_by_each_erasure(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.erase(NAME)
    after = found(tmp_path)
    assert after["shop.db-wal"] == 0
    assert after["shop.db"] <= 20  # what split pages left behind, until `compact`: see its docstring
    store.database.close()


def test_withdrawn_consent_leaves_the_answer_alone(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.set_consent(NAME, False)
    store.put_events([Logged(user_id=NAME, item_id="i1", event_id=f"{NAME}-visit", extra={"who": NAME})])
    store.searches.put([Search(user_id=NAME, text=NAME)])
    store.database.compact()
    found_now: dict[str, Any] = found(tmp_path)
    assert found_now.pop("shop.db") == 2  # the row that says so, and its key
    assert set(found_now.values()) == {0}
    store.database.close()
