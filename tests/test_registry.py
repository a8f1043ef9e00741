from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
from pydantic import BaseModel, ConfigDict, Field

import recsys.registry
from recsys.candidates.popularity import Popularity
from recsys.errors import ConfigError, ContractError, DuplicatePlugin, PluginError, PluginUnavailable, UnknownPlugin
from recsys.protocols import Deps
from recsys.rank.identity import Identity
from recsys.registry import KINDS, Registry, import_optional, install_hint


class Mine:
    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        depth: int = Field(2, ge=1)

    def __init__(self, depth, deps):
        self.depth, self.deps = depth, deps

    @classmethod
    def from_config(cls, config, deps):
        return cls(config.depth, deps)

    def generate(self, requests, n):
        raise AssertionError("not called here")

    score = generate


class Half:
    def generate(self, requests, n):
        raise AssertionError("not called here")


def entry(name: str, value: str, package: str, kind: str = "candidates") -> EntryPoint:
    """An entry point as an installed distribution would show it."""
    made = EntryPoint(name, value, f"recsys.{kind}")
    vars(made)["dist"] = SimpleNamespace(name=package, version="1.2.3")
    return made


@pytest.fixture
def install(monkeypatch):
    """Makes the given entry points all that there is."""

    def installed(*entries: EntryPoint) -> Registry:
        def found(group: str) -> list[EntryPoint]:
            return [e for e in entries if e.group == group]

        monkeypatch.setattr(recsys.registry, "entry_points", found)
        return Registry()

    return installed


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes an importable module and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def written(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return written


def test_built_ins_come_through_entry_points():
    assert Registry().get("candidates", "popularity") is Popularity
    assert Registry().get("rankers", "identity") is Identity


def test_an_unknown_name_lists_what_exists_and_the_nearest():
    with pytest.raises(UnknownPlugin, match=r"no candidates named 'populrity'; did you mean 'popularity'\?") as caught:
        Registry().get("candidates", "populrity")
    assert all(name in str(caught.value) for name in ("als", "bm25", "ease", "transitions"))


def test_an_unknown_name_like_no_other_has_no_hint(install):
    with pytest.raises(UnknownPlugin) as caught:
        install().get("candidates", "zzz")
    assert str(caught.value) == "no candidates named 'zzz' (installed: none)"


def test_registered_names_are_listed_among_the_known(install):
    registry = install()
    registry.register("candidates", "mine", Mine)
    with pytest.raises(UnknownPlugin, match=r"did you mean 'mine'\? \(installed: mine\)"):
        registry.get("candidates", "mina")


def test_an_unknown_kind_lists_the_kinds():
    for call in (lambda: Registry().get("candidate", "als"), lambda: Registry().register("candidate", "x", Mine)):
        with pytest.raises(UnknownPlugin, match="no plug-in kind 'candidate'") as caught:
            call()
        assert all(kind in str(caught.value) for kind in KINDS)


def test_two_packages_with_one_name_are_both_named(install):
    registry = install(
        entry("als", "one.place:ALS", "recsys-one"), entry("als", "other.place:ALS", "recsys-other"),
        entry("popularity", "recsys.candidates.popularity:Popularity", "recsys-one"),
    )  # fmt: skip
    with pytest.raises(DuplicatePlugin, match="'als' is registered by recsys-one and recsys-other: uninstall one"):
        registry.get("candidates", "als")
    assert registry.get("candidates", "popularity") is Popularity  # hurts only who asks


def test_one_package_seen_twice_is_one_claim(install):
    claim = ("popularity", "recsys.candidates.popularity:Popularity", "recsys-engine")
    registry = install(entry(*claim), entry(*claim))
    assert registry.get("candidates", "popularity") is Popularity
    assert len(registry.plugins()) == 1


def test_registering_over_a_name_is_refused():
    registry = Registry()
    with pytest.raises(DuplicatePlugin, match="'als' is already registered"):
        registry.register("candidates", "als", Mine)
    registry.register("candidates", "mine", Mine)
    with pytest.raises(DuplicatePlugin, match="'mine' is already registered"):
        registry.register("candidates", "mine", Mine)
    assert registry.get("candidates", "mine") is Mine
    with pytest.raises(UnknownPlugin):
        Registry().get("candidates", "mine")  # another registry knows nothing of it


def test_a_missing_extra_gives_the_line_to_type(install, module):
    name = module("needs_torch", "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    registry = install(entry("deep", f"{name}:Deep", "recsys-deep"))
    with pytest.raises(PluginUnavailable, match=r"'deep' cannot be loaded.*pip install 'recsys-engine\[train\]'"):
        registry.get("candidates", "deep")


def test_the_hint_names_the_module_or_its_extra():
    def hint(name: str | None) -> str:
        return install_hint(ImportError("gone", name=name))

    assert hint("pyarrow.parquet") == "Type: pip install 'recsys-engine[parquet]'"
    assert hint("fancy_ann.index") == "Type: pip install fancy_ann"
    assert hint(None) == "Type: pip install the missing package"


def test_every_extra_that_is_hinted_at_exists():
    import tomllib
    from pathlib import Path

    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    assert set(recsys.registry.EXTRAS.values()) <= set(extras)


def test_import_optional():
    assert import_optional("json").dumps({}) == "{}"
    with pytest.raises(PluginUnavailable, match=r"no_such_module is not installed\. Type: pip install no_such_module"):
        import_optional("no_such_module")


def test_a_class_without_its_methods_is_refused(install, module):
    with pytest.raises(ContractError, match=r"candidates 'half' .*lacks score, from_config, Config"):
        Registry().register("candidates", "half", Half)
    module("halves", "class Half:\n    def generate(self, requests, n): return None\n")
    with pytest.raises(ContractError, match="lacks score, from_config, Config"):
        install(entry("half", "halves:Half", "recsys-half")).get("candidates", "half")


def test_an_entry_point_to_nothing_is_a_contract_error(install):
    registry = install(entry("gone", "recsys.candidates.popularity:NoSuchClass", "recsys-gone"))
    with pytest.raises(ContractError, match=r"'gone' of recsys-gone names something missing.*NoSuchClass"):
        registry.get("candidates", "gone")


@pytest.mark.parametrize("text", ["raise RuntimeError('broken on import')", "this is no Python", "1 / 0"])
def test_a_broken_plugin_hurts_only_who_asks(install, module, text):
    name = module(f"broken_{abs(hash(text))}", text)
    registry = install(
        entry("broken", f"{name}:X", "recsys-broken"),
        entry("popularity", "recsys.candidates.popularity:Popularity", "recsys-engine"),
    )
    assert registry.get("candidates", "popularity") is Popularity
    assert [p.name for p in registry.plugins()] == ["broken", "popularity"]
    with pytest.raises(PluginError, match="candidates 'broken' of recsys-broken") as caught:
        registry.get("candidates", "broken")
    assert caught.value.__cause__ is not None


def test_listing_loads_nothing(install, module):
    name = module("loads_loudly", "raise AssertionError('was imported')")
    registry = install(entry("loud", f"{name}:X", "recsys-loud", "rankers"))
    registry.register("candidates", "mine", Mine)
    mine, loud = registry.plugins()
    assert (loud.kind, loud.name, loud.package, loud.version) == ("rankers", "loud", "recsys-loud", "1.2.3")
    assert loud.target == f"{name}:X"
    assert (mine.kind, mine.name, mine.package) == ("candidates", "mine", "this process")
    assert mine.target.endswith(":Mine")


def test_build_validates_and_passes_deps():
    registry, deps = Registry(), Deps()
    registry.register("candidates", "mine", Mine)
    options = {"use": "mine", "depth": 4}
    made = registry.build("candidates", options, deps)
    assert (made.depth, made.deps) == (4, deps)
    assert options == {"use": "mine", "depth": 4}  # not eaten


def test_build_gives_the_path_of_every_wrong_option():
    registry = Registry()
    registry.register("candidates", "mine", Mine)
    with pytest.raises(ConfigError) as caught:
        registry.build("candidates", {"use": "mine", "depth": 0, "dpeth": 3}, Deps(), "candidates.first")
    text = str(caught.value)
    assert "candidates.first.depth: Input should be greater than or equal to 1 (got 0)" in text
    assert "candidates.first.dpeth: Extra inputs are not permitted (got 3)" in text
    with pytest.raises(ConfigError, match=r"^candidates\.mine\.depth: "):
        registry.build("candidates", {"use": "mine", "depth": "deep"}, Deps())
