from __future__ import annotations

import pytest

from recsys.errors import ConfigError
from recsys.serving.settings import ServiceConfig

TOML = """
seed = 3
[service]
port = 9000
cors_origins = ["https://shop.example"]
[service.queue]
budget_ms = 300
waiting = 10
"""


@pytest.fixture
def path(tmp_path):
    out = tmp_path / "recsys.toml"
    out.write_text(TOML)
    return out


def test_without_anything_the_defaults_are_closed():
    config = ServiceConfig.read()
    assert (config.host, config.cors_origins, config.demo, config.traces.on) == ("127.0.0.1", (), False, False)
    assert config.key() is None


def test_the_environment_wins_over_the_file_and_a_word_over_both(path):
    environ = {"RECSYS__SERVICE__QUEUE__BUDGET_MS": "250", "RECSYS__SERVICE__PORT": "9001", "OTHER": "x",
               "RECSYS__SERVICE__CORS_ORIGINS": '["https://a.example", "http://localhost:3000"]'}  # fmt: skip
    config = ServiceConfig.read(path, environ, port=9002, host=None)
    assert config.queue.budget_ms == 250
    assert config.queue.waiting == 10, "what the environment does not name stays"
    assert config.port == 9002
    assert config.cors_origins == ("https://a.example", "http://localhost:3000")
    assert ServiceConfig.read(path, environ).port == 9001
    assert ServiceConfig.read(path).port == 9000


def test_a_file_without_the_section(tmp_path):
    (tmp_path / "r.toml").write_text("seed = 1\n")
    assert ServiceConfig.read(tmp_path / "r.toml") == ServiceConfig()


@pytest.mark.parametrize(
    ("values", "named"),
    [({"port": 70_000}, "service.port"), ({"prot": 1}, "service.prot"), ({"queue": {"waiting": -1}}, "queue.waiting"),
     ({"cors_origins": ["*"]}, "cors_origins"), ({"cors_origins": ["https://a.example/"]}, "cors_origins"),
     ({"threads": 0}, "threads"), ({"secret": "x" * 32, "secret_file": "f"}, "secret")],
)  # fmt: skip
def test_a_wrong_setting_is_named(values, named):
    with pytest.raises(ConfigError, match=named):
        ServiceConfig.of(values)


def test_a_wrong_variable_is_named():
    with pytest.raises(ConfigError, match=r"service\.queue\.budget_ms"):
        ServiceConfig.read(environ={"RECSYS__SERVICE__QUEUE__BUDGET_MS": "soon"})
    with pytest.raises(ConfigError, match="RECSYS__SERVICE__CORS_ORIGINS is not JSON"):
        ServiceConfig.read(environ={"RECSYS__SERVICE__CORS_ORIGINS": "[https://a"})
    with pytest.raises(ConfigError, match="QUEUE__WAITING"):
        ServiceConfig.read(environ={"RECSYS__SERVICE__QUEUE": "3", "RECSYS__SERVICE__QUEUE__WAITING": "3"})


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(ConfigError, match="no settings at"):
        ServiceConfig.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[service")
    with pytest.raises(ConfigError, match="not TOML"):
        ServiceConfig.read(tmp_path / "bad.toml")
    (tmp_path / "odd.toml").write_text("service = 3")
    with pytest.raises(ConfigError, match="must be a section"):
        ServiceConfig.read(tmp_path / "odd.toml")


def test_a_secret_comes_from_a_file_or_the_environment_alone(tmp_path):
    secret = "s3cret" * 8
    config = ServiceConfig.read(environ={"RECSYS__SERVICE__SECRET": secret})
    assert config.key() == secret.encode()
    assert secret not in repr(config)
    assert secret not in config.model_dump_json()
    (tmp_path / "secret").write_text(secret + "\n")
    assert ServiceConfig.read(secret_file=tmp_path / "secret").key() == secret.encode()
    (tmp_path / "r.toml").write_text(f'[service]\nsecret = "{secret}"\n')
    with pytest.raises(ConfigError, match="secret_file") as caught:
        ServiceConfig.read(tmp_path / "r.toml")
    assert secret not in str(caught.value)


@pytest.mark.parametrize("secret", ["short", "x" * 31])
def test_a_short_secret_is_refused_and_not_shown(secret, tmp_path):
    with pytest.raises(ConfigError, match="32 characters") as caught:
        ServiceConfig.read(environ={"RECSYS__SERVICE__SECRET": secret})
    assert secret not in str(caught.value)
    (tmp_path / "secret").write_text(secret)
    with pytest.raises(ConfigError, match="32 characters"):
        ServiceConfig.read(secret_file=tmp_path / "secret").key()
    with pytest.raises(ConfigError, match="cannot be read"):
        ServiceConfig.read(secret_file=tmp_path / "absent").key()
