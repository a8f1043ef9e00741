from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys

import httpx
import pytest

from recsys.cli import checks as checks_module


def test_serve_from_a_bundle_to_an_answer(bundle, tmp_path):
    """The first start makes the database, gives it the shop of the bundle, and a key; the second one keeps them."""
    database, key_file = f"sqlite:///{tmp_path / 'shop.db'}", tmp_path / "key"
    words = [
        sys.executable, "-m", "recsys", "serve", "--bundle", str(bundle), "--database", database, "--port", "0",
        "--key-file", str(key_file), "--json",
    ]  # fmt: skip
    for start in (1, 2):
        with (tmp_path / f"log{start}").open("w") as log:
            process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=log, text=True, cwd=tmp_path, start_new_session=True
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (tmp_path / f"log{start}").read_text()
            address = json.loads(line)["address"]
            key = key_file.read_text().strip()
            with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
                assert client.get("/health/ready").status_code == 200
                answer = client.post("/v1/recommend", json={"user_id": "u1", "limit": 3})
                assert len(answer.json()["items"]) == 3
                assert len(client.get("/v1/keys", headers={"X-Tenant": "default"}).json()["keys"]) == start - 1
                client.post("/v1/keys", json={"name": "web", "scopes": ["query"]})
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            process.stdout.close()
        assert key not in (tmp_path / f"log{start}").read_text()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert "first key" in (tmp_path / "log1").read_text()
    assert "first key" not in (tmp_path / "log2").read_text()
    assert (tmp_path / ".recsys" / "bundles" / "default").is_dir()


def test_serve_says_what_is_wrong(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "service.workers" in call("serve", "--workers", "0", code=2).stderr
    assert "--key-file" in call("serve", "--key-file", tmp_path / "none" / "key", code=2).stderr
    assert "sqlite:///FILE" in call("serve", "--database", "mysql://x", code=2).stderr
    assert "no bundle at" in call("serve", "--bundle", tmp_path / "none", code=1).stderr
    (tmp_path / "r.toml").write_text("[service]\nprot = 3\n")
    assert "service.prot" in call("serve", "--config", tmp_path / "r.toml", code=2).stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "--port" in call("serve", "--port", taken.getsockname()[1], code=2).stderr


def found(answer_or_facts):
    return {one["name"]: one for one in answer_or_facts["checks"]}


def test_doctor_looks_at_what_is_named(answer, bundle, tmp_path):
    from recsys.store.sql.database import Database

    url = f"sqlite:///{tmp_path / 'shop.db'}"
    assert "can be made" in found(answer("doctor", "--database", url, "--json"))["database"]["detail"]
    assert not (tmp_path / "shop.db").exists(), "to look makes nothing"
    Database.open(url).close()
    facts = answer("doctor", "--database", url, "--bundle", bundle, "--port", 0, "--json")
    assert facts["ok"] is True
    assert "tables are of version" in found(facts)["database"]["detail"]
    assert "every sha256" in found(facts)["bundle"]["detail"]
    assert found(facts)["port"]["ok"]
    assert "GiB free" in found(facts)["disk of this folder"]["detail"]
    assert facts["extras"]["serve"]["present"]


def test_doctor_names_trouble_and_what_to_type(call, tmp_path, monkeypatch):
    (tmp_path / "r.toml").write_text('[service]\ndatabase = "postgresql://nobody:secret@127.0.0.1:1/none"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("doctor", "--config", tmp_path / "r.toml", "--bundle", tmp_path / "none", "--port", port)
        said = call(*words, code=1).stdout
        facts = json.loads(call(*words, "--json", code=1).stdout)
    assert facts["ok"] is False
    wrong = [one for one in facts["checks"] if not one["ok"]]
    assert [one["name"] for one in wrong] == ["database", "bundle", "port"]
    assert all(one["type"].startswith("recsys ") for one in wrong)
    assert "secret" not in said + json.dumps(facts)
    assert f"{port} cannot be bound" in said

    monkeypatch.setitem(sys.modules, "recsys.serving.run", None)
    assert "recsys.serving.run is not installed" in call("doctor", "--port", 0, code=1).stdout
    monkeypatch.setattr(checks_module, "SPARE_BYTES", 1 << 60)
    assert "GiB free" in call("doctor", code=1).stdout


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="/proc, where not even root can make a file, is of Linux")
def test_doctor_finds_a_folder_that_cannot_be_written(call, monkeypatch):
    monkeypatch.chdir("/proc")
    assert "cannot be written" in call("doctor", code=1).stdout
