from __future__ import annotations

import recsys

NAMES = [
    "Client", "Dataset", "Engine", "EngineConfig", "Event", "Exclusions", "Explanation", "Filter", "Item", "Page",
    "RecsysError", "Registry", "Request", "Result", "Review", "Rules", "Search", "evaluate", "open_data",
]  # fmt: skip


def test_the_public_names_are_pinned():
    assert recsys.__all__ == NAMES
    assert sorted(dir(recsys)) == sorted([*NAMES, "__version__"])


def test_every_name_is_there():
    for name in NAMES:
        assert getattr(recsys, name).__name__ == name


def test_nothing_else_is():
    import pytest

    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        _ = recsys.Engin
