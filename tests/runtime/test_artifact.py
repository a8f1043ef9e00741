"""The sealed folder of a model: what is changed, added, linked or elsewhere is refused before it is loaded."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ModelError
from recsys.runtime import artifact as artifact_module
from recsys.runtime.artifact import MANIFEST, Artifact, open_model, seal, staged, write_table
from recsys.runtime.batching import JoinedCausal
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.runtime.prefixes import Prompt
from recsys.runtime.quantise import EXACT_GRAPH, Precision

Folder = Callable[[str], Path]


@dataclass
class Settings:
    ref: str
    runtime: str = "onnx"
    sha256: str = ""
    provider: str = "cpu"
    threads: int | None = 1
    prefix_mb: int = 1
    join_ms: float = 0.0


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    with staged(folder) as made:
        (made / "a.txt").write_text("text")
        write_table(made, "rows", np.arange(12, dtype=np.float32).reshape(4, 3), "fp32")
        seal(made, {"task": "demo", "size": {"rows": 4}})
    return folder


def test_a_sealed_folder_opens(sealed: Path) -> None:
    artifact = Artifact.open(sealed)
    assert artifact.spec["task"] == "demo"
    assert artifact.field("size", "rows") == 4
    assert np.asarray(artifact.table("rows")).tolist() == np.arange(12.0).reshape(4, 3).tolist()
    assert Artifact.open(sealed, artifact.sha256.upper()) == artifact
    with pytest.raises(ArtifactDamaged, match="expected 00"):
        Artifact.open(sealed, "0" * 64)
    with pytest.raises(ArtifactDamaged, match=r"size\.columns"):
        artifact.field("size", "columns")


def test_sealing_again_replaces(sealed: Path) -> None:
    first = Artifact.open(sealed).sha256
    assert seal(sealed, {"task": "demo", "size": {"rows": 4}}) == first
    assert seal(sealed, {"task": "other"}) != first
    assert Artifact.open(sealed).spec == {"task": "other"}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4"])
def test_tables_of_every_precision(tmp_path: Path, precision: str) -> None:
    rows = np.random.default_rng(0).normal(size=(7, 32)).astype(np.float32)
    rows[3] = 0
    write_table(tmp_path, "rows", rows, precision)
    seal(tmp_path, {"task": "demo"})
    table = Artifact.open(tmp_path).table("rows")
    assert table.shape == (7, 32)
    assert len(table) == 7
    got = np.asarray(table, np.float32)
    np.testing.assert_array_equal(np.asarray(table[[4, 0, 4]], np.float32), got[[4, 0, 4]])
    np.testing.assert_array_equal(np.asarray(table[2], np.float32), got[2])
    bound = {"fp32": 0.0, "fp16": 2e-3}.get(precision, float(np.abs(rows).max()) / 254 + 1e-6)
    assert np.abs(got - rows).max() <= bound
    assert not got[3].any()


def test_changes_are_refused(sealed: Path) -> None:
    (sealed / "a.txt").write_text("TEXT")
    with pytest.raises(ArtifactDamaged, match=r"a\.txt.*sha256"):
        Artifact.open(sealed)
    (sealed / "a.txt").write_text("longer text")
    with pytest.raises(ArtifactDamaged, match="size"):
        Artifact.open(sealed)
    (sealed / "a.txt").unlink()
    with pytest.raises(ArtifactMissing, match=r"a\.txt"):
        Artifact.open(sealed)


def test_links_and_strangers_are_refused(sealed: Path, tmp_path: Path) -> None:
    shutil.copyfile(sealed / "a.txt", tmp_path / "a.txt")
    (sealed / "a.txt").unlink()
    (sealed / "a.txt").symlink_to(tmp_path / "a.txt")
    with pytest.raises(ArtifactDamaged, match="link"):
        Artifact.open(sealed)
    with pytest.raises(ModelError, match="plain files alone"):
        seal(sealed, {"task": "demo"})
    (sealed / "a.txt").unlink()
    shutil.copyfile(tmp_path / "a.txt", sealed / "a.txt")
    Artifact.open(sealed)
    (sealed / "more.bin").write_text("")
    with pytest.raises(ArtifactDamaged, match="not listed"):
        Artifact.open(sealed)


@pytest.mark.parametrize("name", ["../a.txt", "/etc/passwd", "..", "sub/a.txt", "a\\b", "", MANIFEST])
def test_a_manifest_that_leaves_its_folder(sealed: Path, name: str) -> None:
    path = sealed / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["files"].append({"path": name, "bytes": 4, "sha256": "0"})
    path.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactDamaged, match="cannot be one of its own"):
        Artifact.open(sealed)


def test_a_manifest_that_is_none(sealed: Path) -> None:
    path = sealed / MANIFEST
    whole = json.loads(path.read_text())
    for content, error in (
        ({"format": "zip"}, ArtifactDamaged), (whole | {"version": 2}, ModelError),
        (whole | {"files": [{"path": "a.txt"}]}, ArtifactDamaged), (whole | {"files": 3}, ArtifactDamaged),
    ):  # fmt: skip
        path.write_text(json.dumps(content))
        with pytest.raises(error):
            Artifact.open(sealed)
    path.unlink()
    with pytest.raises(ArtifactMissing, match="no exported model"):
        Artifact.open(sealed)
    other = sealed.parent / "link.json"
    other.write_text(json.dumps(whole))
    path.symlink_to(other)
    with pytest.raises(ArtifactDamaged, match="link"):
        Artifact.open(sealed)


def test_nothing_stays_after_an_error(tmp_path: Path) -> None:
    def half_way() -> None:
        with staged(tmp_path / "new") as made:
            (made / "part").write_text("x")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        half_way()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    with staged(tmp_path / "empty") as made:
        seal(made, {"task": "demo"})
    assert Artifact.open(tmp_path / "empty").spec["task"] == "demo"
    with pytest.raises(ConfigError, match="exists already"), staged(tmp_path / "empty"):
        pass


def test_a_model_opens_by_its_task(written_folder: Folder, sealed: Path) -> None:
    folder = written_folder("qwen3")
    digest = Artifact.open(folder).sha256
    model = open_model(Settings(f"file://{folder}", sha256=digest))
    assert isinstance(model, CausalLM)
    again = open_model(Settings(f"file://{folder}"))
    # One session for both: weights are loaded once.
    assert isinstance(again, CausalLM)
    assert vars(again._body)["_session"] is vars(model._body)["_session"]
    joined = open_model(Settings(f"file://{folder}", join_ms=1.0))
    assert isinstance(joined, JoinedCausal)
    prompt = Prompt((np.arange(5),))
    np.testing.assert_allclose(joined.next_token_logits([prompt]), model.next_token_logits([prompt]), atol=1e-5)
    joined.close()
    with pytest.raises(ConfigError, match="'demo' is opened by the plug-in"):
        open_model(Settings(f"file://{sealed}"))
    with pytest.raises(ArtifactMissing):
        open_model(Settings(f"file://{sealed}/none"))
    with pytest.raises(ConfigError, match="must start with file://"):
        open_model(Settings(str(sealed)))


def test_readers_of_one_causal_model_share_what_it_remembers(written_folder: Folder) -> None:
    folder = written_folder("qwen3")
    one, other = (open_model(Settings(f"file://{folder}", prefix_mb=8, join_ms=1.0)) for _ in range(2))
    assert one is other
    assert open_model(Settings(f"file://{folder}", prefix_mb=4, join_ms=1.0)) is not one
    assert open_model(Settings(f"file://{folder}", prefix_mb=8)) is not one
    held = weakref.ref(one)
    del one, other
    gc.collect()
    assert held() is None  # it goes with its last reader


def test_a_model_that_is_not_exported_says_what_to_type(decoder_folder: Folder) -> None:
    folder = decoder_folder("qwen3")
    with pytest.raises(ArtifactMissing, match=f"recsys export file://{folder}"):
        open_model(Settings(f"file://{folder}"))


def test_the_hubs_cache_of_links_opens(written_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository, revision = tmp_path / "models--shop--tiny", "a" * 40
    snapshot = repository / "snapshots" / revision
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    for k, path in enumerate(sorted(written_folder("qwen3").iterdir())):
        shutil.copyfile(path, repository / "blobs" / str(k))
        (snapshot / path.name).symlink_to(f"../../blobs/{k}")
    assert isinstance(open_model(Settings("hf://shop/tiny")), CausalLM)
    # The same folder named by its path is no repository, and a link out of one is refused.
    with pytest.raises(ArtifactDamaged, match="link"):
        open_model(Settings(f"file://{snapshot}"))
    shutil.copyfile(snapshot / "tokenizer.json", tmp_path / "outside.json")
    (snapshot / "tokenizer.json").unlink()
    (snapshot / "tokenizer.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(ArtifactDamaged, match=r"tokenizer\.json .* is a link"):
        open_model(Settings("hf://shop/tiny"))


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_whole_numbers_are_served_on_exact_processors_alone(
    decoder_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    folder = write_decoder(decoder_folder("qwen3"), tmp_path / "made", precision=precision)
    assert isinstance(open_decoder(folder, threads=1), CausalLM)

    def cut(session: object) -> None:
        raise ModelError("cuts off")

    monkeypatch.setattr(artifact_module, "check_exact", cut)
    with pytest.raises(ModelError, match="cuts off"):
        open_decoder(folder, threads=1)
    (folder / EXACT_GRAPH).unlink()
    seal(folder, json.loads((folder / "spec.json").read_text()))
    with pytest.raises(ArtifactDamaged, match="tries the processor"):
        open_decoder(folder, threads=1)
