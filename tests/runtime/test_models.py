import hashlib
from pathlib import Path

import pytest

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError
from recsys.runtime.models import ModelRef, cache_folder, sha256_of, verify, write_whole


def test_parse_both_schemes() -> None:
    assert ModelRef.parse("file:///models/a b") == ModelRef("file", "/models/a b")
    assert ModelRef.parse("file://models/x") == ModelRef("file", "models/x")
    assert ModelRef.parse("hf://org/name@v1.2") == ModelRef("hf", "org/name", "v1.2")
    assert ModelRef.parse("hf://name") == ModelRef("hf", "name")


@pytest.mark.parametrize("text", ["file:///models/a@b", "hf://org/name@v1", "hf://org/name"])
def test_text_of_a_ref_is_what_was_parsed(text: str) -> None:
    assert str(ModelRef.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["org/name", "http://host/model", "file://", "hf://", "hf://a/b/c", "hf://../x", "hf://a/"]
)
def test_other_refs_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="model ref"):
        ModelRef.parse(text)


def test_path_of_a_ref(tmp_path: Path) -> None:
    assert ModelRef.parse(f"file://{tmp_path}").path() == tmp_path
    with pytest.raises(ArtifactMissing, match="nothing is at"):
        ModelRef.parse(f"file://{tmp_path}/none").path()
    with pytest.raises(ConfigError, match="no file://"):
        ModelRef.parse("hf://org/name").path()


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"weights")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(ArtifactMissing, match="is missing"):
        sha256_of(tmp_path / "b")


def test_sha256_of_a_folder_follows_names_and_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a").write_bytes(b"1")
        (tmp_path / name / "b").write_bytes(b"2")
    one, two = tmp_path / "one", tmp_path / "two"
    assert sha256_of(one) == sha256_of(two)
    (two / "b").rename(two / "c")
    assert sha256_of(one) != sha256_of(two)
    (two / "c").rename(two / "b")
    (two / "b").write_bytes(b"3")
    assert sha256_of(one) != sha256_of(two)


def test_verify(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"weights")
    good = hashlib.sha256(b"weights").hexdigest()
    assert verify(tmp_path / "a", good.upper()) == tmp_path / "a"
    with pytest.raises(ArtifactDamaged, match=f"has sha256 {good}, expected 00"):
        verify(tmp_path / "a", "0" * 64)


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("RECSYS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "recsys"


def test_write_whole_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_write_whole_that_fails_keeps_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(TypeError):
        write_whole(tmp_path / "file", "text is no bytes")  # type: ignore[arg-type]
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_a_package_brings_along():
    ref = ModelRef.parse("package://recsys/tuned/shop.toml")
    assert ref.fetch().name == "shop.toml"
    assert str(ref) == "package://recsys/tuned/shop.toml"
    with pytest.raises(ArtifactMissing, match="no package nobody_made_this"):
        ModelRef.parse("package://nobody_made_this/model").path()
    with pytest.raises(ArtifactMissing, match="nothing is at"):
        ModelRef.parse("package://recsys/nowhere").path()
    for wrong in ("package://recsys/../../etc", "package:///etc", "package://a-b/c"):
        with pytest.raises(ConfigError, match="package://module/path"):
            ModelRef.parse(wrong)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ArtifactMissing, match="hf://none/such@v2 cannot be fetched"):
        ModelRef.parse("hf://none/such@v2").fetch()
    assert ModelRef.parse(f"file://{tmp_path}").fetch() == tmp_path


@pytest.mark.parametrize("text", ["package://recsys//etc/passwd", "package://recsys//tmp"])
def test_a_package_holds_no_absolute_path(text: str) -> None:
    with pytest.raises(ConfigError, match="package://module/path"):
        ModelRef.parse(text).path()
