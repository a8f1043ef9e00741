"""Keys, lists, models, jobs, audit and erasures, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recsys.errors import DataError
from recsys.store.sql import Audit, Database, Erasures, Jobs, Key, Keys, Lists, Models, ServedList


def key(tenant: str, key_id: str, **more: object) -> Key:
    return Key(key_id=f"{tenant}-{key_id}", tenant=tenant, name="web", digest="d" * 64, scopes=("query",),
               created_at=100, **more)  # type: ignore[arg-type] # fmt: skip


def test_keys_are_found_by_their_id_alone(database: Database, tenant: str) -> None:
    keys = Keys(database)
    full = key(tenant, "k1", forced_filter={"brand": ["a"]}, rate_per_s=2.5, burst=7, expires_at=200)
    keys.add(full)
    keys.add(key(tenant, "k2"))
    assert keys.find(full.key_id) == full
    assert keys.find("no such key") is None
    assert [k.key_id for k in keys.every(tenant)] == [f"{tenant}-k1", f"{tenant}-k2"]
    assert keys.every("another tenant") == []
    assert [full.valid(now) for now in (199, 200)] == [True, False]


def test_a_key_id_is_taken_once_whatever_the_tenant(database: Database, tenant: str) -> None:
    keys = Keys(database)
    keys.add(key(tenant, "k1"))
    with pytest.raises(DataError, match="is taken"):
        keys.add(replace(key(tenant, "k1"), tenant="another", digest="e" * 64))
    found = keys.find(f"{tenant}-k1")
    assert found is not None
    assert found.digest == "d" * 64


def test_a_revoked_key_is_no_more_valid(database: Database, tenant: str) -> None:
    keys = Keys(database)
    keys.add(key(tenant, "k1"))
    assert not keys.revoke("another tenant", f"{tenant}-k1", 150)
    assert keys.revoke(tenant, f"{tenant}-k1", 150)
    assert not keys.revoke(tenant, f"{tenant}-k1", 160)
    found = keys.find(f"{tenant}-k1")
    assert found is not None
    assert found.revoked_at == 150
    assert [found.valid(now) for now in (149, 150)] == [True, False]


@pytest.mark.parametrize(("field", "wrong"), [("name", "a\0b"), ("key_id", "a\0b"), ("tenant", "t" * 257)])
def test_ids_of_keys_are_checked(database: Database, tenant: str, field: str, wrong: str) -> None:
    with pytest.raises(DataError, match=field):
        Keys(database).add(replace(key(tenant, "k1"), **{field: wrong}))


def served(n: int, user: str | None) -> ServedList:
    return ServedList(list_id=f"l{n}", created_at=100 + n, kind="recommend", bundle_id="b", variant="v",
                      record=[{"item": n, "text": "\0\ud800 half"}], user_id=user)  # fmt: skip


def test_lists_come_back_as_they_were(database: Database, tenant: str) -> None:
    lists = Lists(database, tenant)
    every = [served(0, "ann"), replace(served(1, "bob"), experiment="e", arm="a", place="home"), served(2, "ann")]
    lists.put_many([*every, every[0]])
    lists.put_many([replace(every[0], user_id="eve", record={"pages": 2}), served(3, None)])
    every[0] = replace(every[0], record={"pages": 2})
    assert [lists.get(f"l{n}") for n in range(3)] == every
    assert lists.of_user("ann") == [every[2], every[0]]
    assert lists.of_user("ann", limit=1) == [every[2]]
    assert [one.list_id for one in lists.since(101)] == ["l1", "l2", "l3"]
    assert Lists(database, f"{tenant}-2").get("l0") is None
    assert lists.of_experiment("e") == [every[1]]
    assert lists.drop_before(102) == 2
    assert lists.get("l0") is None
    lists.put_many([])
    assert [one.list_id for one in lists.of_experiment("e")] == []
    with pytest.raises(DataError, match="limit"):
        lists.of_user("ann", limit=-1)


def test_what_json_cannot_say_is_refused(database: Database, tenant: str) -> None:
    lists = Lists(database, tenant)
    with pytest.raises(DataError, match="JSON"):
        lists.put_many([served(0, None), replace(served(1, None), record=float("nan"))])
    assert lists.get("l0") is None


def test_models_are_activated_and_taken_back(database: Database, tenant: str) -> None:
    models = Models(database, tenant, clock=lambda: 7)
    assert models.active() is None
    assert models.version() == 0
    with pytest.raises(DataError, match="nothing to go back to"):
        models.rollback()
    seen = [models.version()]
    for bundle in ("b1", "b2", "b3"):
        models.activate("default", bundle)
        seen.append(models.version())
    models.shadow("default", "b9")
    seen.append(models.version())
    assert models.shadowed().bundle_id == "b9"  # type: ignore[union-attr]
    assert [models.rollback().bundle_id for _ in range(2)] == ["b2", "b1"]
    assert models.active().bundle_id == "b1"  # type: ignore[union-attr]
    seen.append(models.version())
    models.shadow("default", None)
    assert models.shadowed() is None
    assert len({*seen, models.version()}) == len(seen) + 1
    models.activate("default", "b4")
    assert models.rollback().bundle_id == "b1"
    assert [a.role for a in models.every()] == ["ended", "ended", "ended", "ended", "active"]
    assert models.active("another name") is None
    assert Models(database, f"{tenant}-2").active() is None


def test_jobs_run_and_end(database: Database, tenant: str) -> None:
    ticks = iter(range(100, 110))
    jobs = Jobs(database, tenant, clock=lambda: next(ticks))
    first, second = jobs.start("refit"), jobs.start("import", {"rows": 0})
    assert jobs.get(first.job_id) == first
    assert jobs.progress(second.job_id, {"rows": 5})
    assert jobs.end(second.job_id, "failed", {"error": "no disk"})
    assert not jobs.end(second.job_id, "done", {})
    assert not jobs.progress(second.job_id, {})
    late, early = jobs.every()
    assert (late.job_id, late.state, late.progress, late.ended_at) == (
        second.job_id,
        "failed",
        {"error": "no disk"},
        102,
    )
    assert early == first
    assert Jobs(database, f"{tenant}-2").get(first.job_id) is None


def test_audit_is_read_from_its_end(database: Database, tenant: str) -> None:
    audit = Audit(database, tenant, clock=lambda: 5)
    numbers = [audit.add("key-1", "activate", f"b{n}", {"n": n}) for n in range(3)]
    assert [entry.subject for entry in audit.every(limit=2)] == ["b2", "b1"]
    assert [entry.detail for entry in audit.every(before=numbers[1])] == [{"n": 0}]
    assert Audit(database, f"{tenant}-2").every() == []


def test_a_proof_of_erasure_names_nobody(database: Database, tenant: str) -> None:
    erasures = Erasures(database, tenant, clock=lambda: 9)
    proof = erasures.add("ann@mail.example", {"events": 3, "searches": 1})
    kept = erasures.get(proof.proof_id)
    assert kept is not None
    assert kept == replace(proof, receipt="")
    assert "ann" not in repr(kept)
    assert kept.proves("ann@mail.example", proof.receipt)
    assert not kept.proves("bob@mail.example", proof.receipt)
    assert not kept.proves("ann@mail.example", "")
    assert erasures.get("none") is None
