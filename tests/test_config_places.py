"""References of settings to files: where they point, and what moving them changes."""

from __future__ import annotations

from pathlib import Path

from recsys.config import EngineConfig

TEXT = """
[models.small]
ref = "file://models/small"
[rerank.pairs]
use = "cross-encoder"
artifact = "file://models/pairs"
[rerank.other]
use = "cross-encoder"
artifact = "small"
"""


def test_references_are_read_from_beside_the_file_wherever_they_stand(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "recsys.toml").write_text(TEXT)
        made.append(EngineConfig.read(folder / "recsys.toml"))
        assert made[-1].models["small"].ref == f"file://{folder}/models/small"
        assert made[-1].rerank["pairs"].options["artifact"] == f"file://{folder}/models/pairs"
        assert made[-1].rerank["other"].options["artifact"] == "small"
    # Where the files lie is no setting; which ones they are is.
    assert made[0].hash == made[1].hash
    (tmp_path / "one" / "recsys.toml").write_text(TEXT.replace("models/pairs", "models/others"))
    assert EngineConfig.read(tmp_path / "one" / "recsys.toml").hash != made[0].hash
    absolute = TEXT.replace("file://models/pairs", "file:///srv/pairs").replace("file://models/small", "file://~/small")
    (tmp_path / "one" / "recsys.toml").write_text(absolute)
    found = EngineConfig.read(tmp_path / "one" / "recsys.toml")
    assert (found.models["small"].ref, found.rerank["pairs"].options["artifact"]) == (
        "file://~/small",
        "file:///srv/pairs",
    )
