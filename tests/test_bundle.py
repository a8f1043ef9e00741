from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_toys import fill, number_of, write

from recsys import bundle as bundle_module
from recsys import manifest as manifest_module
from recsys.artifacts import read_json, write_json
from recsys.bundle import open_bundle, rollback, write_bundle
from recsys.errors import ArtifactDamaged, ArtifactMissing, ModelError


def assert_no_people(folder: Path, user_ids: Iterable[str]) -> None:
    """Fail if any file of a bundle holds a user id, as UTF-8 or as the UTF-32 of a numpy string array."""
    for file in (p for p in folder.rglob("*") if p.is_file()):
        content = file.read_bytes()
        for user in user_ids:
            for encoding in ("utf-8", "utf-32-le", "utf-16-le"):
                assert user.encode(encoding) not in content, f"{file} holds user id {user!r}"


def reseal(path: Path, change: object) -> None:
    """Rewrite the manifest through ``change`` and make the changed version current, as a forger would."""
    state = read_json(path / "CURRENT")
    folder = path / "versions" / state["version"]
    manifest = read_json(folder / "manifest.json")
    text = change(manifest) or json.dumps(manifest)  # type: ignore[operator]
    (folder / "manifest.json").write_text(text)
    state["version"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.rename(path / "versions" / state["version"])
    write_json(path / "CURRENT", state)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "bundle", 1)
    return tmp_path / "bundle"


def test_what_is_written_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "bundle"
    bundle_id = write(path, 7)
    for verify in (True, False):
        bundle = open_bundle(path, verify)
        assert number_of(bundle) == 7
        assert bundle.id == bundle_id == bundle.folder.name
    assert bundle.manifest["format"] == "recsys-bundle"
    assert bundle.manifest["libraries"]["numpy"] == np.__version__
    listed = {f["path"]: f for f in bundle.manifest["files"]}
    assert set(listed) == {"settings.json", "candidates/als/factors.npy"}
    factors = (bundle.folder / "candidates/als/factors.npy").read_bytes()
    assert listed["candidates/als/factors.npy"]["bytes"] == len(factors)
    assert listed["candidates/als/factors.npy"]["sha256"] == hashlib.sha256(factors).hexdigest()


def test_no_people_check_finds_ids_in_text_and_in_arrays(path: Path) -> None:
    folder = open_bundle(path).folder
    assert_no_people(folder, ["shopper-1", "shopper-2"])
    np.save(folder / "names.npy", np.array(["x", "shopper-2"]))
    with pytest.raises(AssertionError, match="shopper-2"):
        assert_no_people(folder, ["shopper-1", "shopper-2"])


def test_one_earlier_version_stays_and_rollback_returns_to_it(path: Path) -> None:
    ids = [open_bundle(path).id, write(path, 2), write(path, 3)]
    assert {p.name for p in (path / "versions").iterdir()} == set(ids[1:])
    assert rollback(path) == ids[1]
    assert number_of(open_bundle(path)) == 2
    assert rollback(path) == ids[2]
    assert number_of(open_bundle(path)) == 3
    rollback(path)
    write(path, 4)  # the earlier one is now 2, which was served last
    assert rollback(path) == ids[1]


def test_rollback_needs_a_sound_earlier_version(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="no earlier version"):
        rollback(path)
    with pytest.raises(ArtifactMissing, match="recsys fit"):
        rollback(tmp_path / "absent")
    first = open_bundle(path).folder
    second = write(path, 2)
    (first / "settings.json").write_text('{"number": 9}')
    with pytest.raises(ArtifactDamaged, match=r"settings\.json"):
        rollback(path)
    assert open_bundle(path).id == second


def test_no_bundle_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="recsys fit"):
        open_bundle(tmp_path / "absent")
    with pytest.raises(ArtifactMissing, match="recsys fit"):
        open_bundle(tmp_path)
    (tmp_path / "versions").mkdir()
    with pytest.raises(ArtifactMissing, match="recsys fit"):
        open_bundle(tmp_path)


def test_foreign_folders_are_neither_read_nor_written(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ArtifactDamaged, match="no recsys bundle"):
        open_bundle(tmp_path)
    with pytest.raises(ArtifactDamaged, match="no recsys bundle"):
        write(tmp_path, 1)
    with pytest.raises(ModelError, match="is a file"):
        write(tmp_path / "thesis.txt", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def factors_of(path: Path) -> Path:
    return open_bundle(path).folder / "candidates" / "als" / "factors.npy"


def test_missing_file(path: Path) -> None:
    factors_of(path).unlink()
    for verify in (True, False):
        with pytest.raises(ArtifactMissing, match=r"als/factors\.npy is missing .*1 of 2"):
            open_bundle(path, verify)


def test_truncated_file(path: Path) -> None:
    file = factors_of(path)
    file.write_bytes(file.read_bytes()[:-1])
    for verify in (True, False):
        with pytest.raises(ArtifactDamaged, match=r"als/factors\.npy .*truncated"):
            open_bundle(path, verify)


def test_one_flipped_bit(path: Path) -> None:
    file = factors_of(path)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=r"als/factors\.npy .*sha256"):
        open_bundle(path)
    assert open_bundle(path, verify=False).id  # sizes alone: the fast path promises no more


def test_unlisted_file(path: Path) -> None:
    (factors_of(path).parent / "extra.json").write_text("{}")
    with pytest.raises(ArtifactDamaged, match=r"als/extra\.json .*not listed"):
        open_bundle(path)


def test_links_are_refused_wherever_they_are(path: Path, tmp_path: Path) -> None:
    file = factors_of(path)
    outside = tmp_path / "outside"
    file.rename(outside)
    file.symlink_to(outside)
    with pytest.raises(ArtifactDamaged, match="link"):
        open_bundle(path)
    file.unlink()
    outside.rename(file)
    version = file.parents[2]
    for link in (file.parent, version / "manifest.json", version, version.parent, path / "CURRENT"):
        target = tmp_path / "moved"
        link.rename(target)
        link.symlink_to(target)
        with pytest.raises(ArtifactDamaged, match="link"):
            open_bundle(path)
        link.unlink()
        target.rename(link)
    assert number_of(open_bundle(path)) == 1


def test_devices_are_refused(path: Path) -> None:
    os.mkfifo(factors_of(path).parent / "pipe")
    with pytest.raises(ArtifactDamaged, match="device"):
        open_bundle(path)


@pytest.mark.parametrize(
    "name",
    ["../settings.json", "/etc/passwd", "a/../../b", "candidates//x", "./x", "", "..\\x", "C:x", "a\0b", "x/"],
)
def test_paths_that_leave_the_folder(path: Path, name: str) -> None:
    reseal(path, lambda m: m["files"][0].update(path=name))
    with pytest.raises(ArtifactDamaged, match="plain relative paths"):
        open_bundle(path)


@pytest.mark.parametrize("name", ["model.pkl", "model.PICKLE", "weights.pt", "pytorch_model.bin", "x.joblib"])
def test_pickles_are_refused_on_both_sides(path: Path, name: str) -> None:
    before = open_bundle(path).id
    with pytest.raises(ArtifactDamaged, match="pickle"):
        write_bundle(path, lambda folder: (folder / name).write_bytes(b"x") and None, {})
    assert open_bundle(path).id == before
    (open_bundle(path).folder / name).write_bytes(b"x")
    with pytest.raises(ArtifactDamaged, match="pickle"):
        open_bundle(path)
    (open_bundle_folder(path) / name).unlink()
    reseal(path, lambda m: m["files"][0].update(path=name))
    with pytest.raises(ArtifactDamaged, match="pickle"):
        open_bundle(path)


def open_bundle_folder(path: Path) -> Path:
    return path / "versions" / str(read_json(path / "CURRENT")["version"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: m.update(format="other"), ModelError, "expected 'recsys-bundle'"),
        (lambda m: m.update(format_version=99), ModelError, "bundle format 99, .* up to 1"),
        (lambda m: m.update(format_version="1"), ArtifactDamaged, "format_version"),
        (lambda m: m.update(format_version=True), ArtifactDamaged, "format_version"),
        (lambda m: m.update(files=None), ArtifactDamaged, "lists no files"),
        (lambda m: m.update(meta=[]), ArtifactDamaged, "no meta"),
        (lambda m: m["files"].append(m["files"][0]), ArtifactDamaged, "twice"),
        (lambda m: m["files"].append("settings.json"), ArtifactDamaged, "without path"),
        (lambda m: m["files"][0].update(bytes="1"), ArtifactDamaged, "without path"),
        (lambda m: m["files"][0].update(sha256=None), ArtifactDamaged, "without path"),
        (lambda m: "[1]", ArtifactDamaged, "JSON object"),
        (lambda m: "{", ArtifactDamaged, "not a manifest"),
        (lambda m: '{"format": "x", "format": "recsys-bundle"}', ArtifactDamaged, "a key occurs twice"),
        (lambda m: "[" * 100_000, ArtifactDamaged, "not a manifest"),
        (lambda m: " " * (5 << 20), ArtifactDamaged, "more than the"),
    ],
)
def test_manifests_that_are_not_ours(path: Path, change: object, error: type[Exception], message: str) -> None:
    reseal(path, change)
    with pytest.raises(error, match=message):
        open_bundle(path)


def test_a_changed_manifest_is_noticed(path: Path) -> None:
    file = open_bundle(path).folder / "manifest.json"
    file.write_text(file.read_text().replace('"number": 1', '"number": 2'))
    with pytest.raises(ArtifactDamaged, match="changed after"):
        open_bundle(path, verify=False)
    file.unlink()
    with pytest.raises(ArtifactMissing, match=r"manifest\.json"):
        open_bundle(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ('{"format": "recsys-bundle"}', "damaged"),
        ('{"format": "else", "version": "0123456789abcdef", "previous": null}', "no pointer"),
        ('{"format": "recsys-bundle", "version": "../../../etc", "previous": null}', "no versions"),
        ('{"format": "recsys-bundle", "version": 5, "previous": null}', "damaged"),
        ('{"format": "recsys-bundle", "version": "0123456789abcdef", "previous": ".."}', "no versions"),
        ('{"format": "recsys-bundle", "version": "0123456789abcdef", "previous": null}', "version 0123456789abcdef"),
        (b"\xff\xfe", "damaged"),
        (b" " * 100_000, "damaged"),
    ],
)
def test_damaged_pointers(path: Path, content: str | bytes, message: str) -> None:
    (path / "CURRENT").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelError, match=message):
        open_bundle(path)


def test_a_lost_pointer_is_healed_by_the_next_write(path: Path) -> None:
    (path / "CURRENT").unlink()
    with pytest.raises(ArtifactMissing, match="recsys fit"):
        open_bundle(path)
    bundle_id = write(path, 2)
    assert number_of(open_bundle(path)) == 2
    assert [p.name for p in (path / "versions").iterdir()] == [bundle_id]


def test_writers_that_raise_change_nothing(path: Path) -> None:
    def half(folder: Path) -> None:
        fill(2, folder)
        raise RuntimeError("disk full")

    before = open_bundle(path)
    with pytest.raises(RuntimeError, match="disk full"):
        write_bundle(path, half, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_bundle(path, lambda folder: fill(2, folder), {"loss": float("nan")})
    with pytest.raises(ModelError, match="at least one file"):
        write_bundle(path, lambda folder: None, {})
    with pytest.raises(ModelError, match=r"manifest\.json is written by the bundle"):
        write_bundle(path, lambda folder: write_json(folder / "manifest.json", {}), {})
    with pytest.raises(ArtifactDamaged, match="link"):
        write_bundle(path, lambda folder: (folder / "a.npy").symlink_to("/etc/hostname"), {})
    with pytest.raises(ModelError, match="manifest would exceed"):
        write_bundle(path, lambda folder: fill(2, folder), {"note": "x" * (5 << 20)})
    assert open_bundle(path) == before
    assert [p.name for p in (path / "versions").iterdir()] == [before.id]


def test_a_second_writer_waits_and_then_says_so(path: Path) -> None:
    def nested(folder: Path) -> None:
        fill(2, folder)
        with pytest.raises(ModelError, match="another process is writing"):
            write_bundle(path, lambda inner: fill(3, inner), {}, wait_s=0.05)

    write_bundle(path, nested, {"number": 2})
    assert number_of(open_bundle(path)) == 2


def test_writers_and_readers_in_threads(path: Path, race: Any) -> None:
    seen: list[int] = []

    def writing(first: int) -> None:
        for number in range(first, first + 8):
            write(path, number)

    writers = [partial(writing, first) for first in (100, 200)]
    race(writers, [lambda: seen.append(open_bundle(path).meta["number"])] * 2)
    assert set(seen) <= {1, *range(100, 108), *range(200, 208)}
    assert len(set(seen)) > 3
    assert len(list((path / "versions").iterdir())) == 2


def test_a_version_pruned_while_it_is_read_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = manifest_module.check, []

    def check(folder: Path, bundle_id: str, verify: bool) -> object:
        calls.append(bundle_id)
        if len(calls) == 1:  # two fits finish between reading the pointer and reading the files
            write(path, 2)
            write(path, 3)
        return real(folder, bundle_id, verify)

    monkeypatch.setattr(bundle_module, "check", check)
    assert number_of(open_bundle(path)) == 3
    assert len(calls) == 2
