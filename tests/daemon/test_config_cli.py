"""`gaze config show` and `gaze config schema`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import ConfigError
from daemon.config_cli import app

TEXT = '[bundle]\npath = "b"\n[feed]\nsymbols = ["A"]\n[store]\nurl = "redis://gaze:hunter2@host:6379/0"\n'


@pytest.fixture
def settings(tmp_path: Path) -> str:
    (tmp_path / "gaze.toml").write_text(TEXT)
    return str(tmp_path / "gaze.toml")


def told(*words: str, **environment: str) -> str:
    result = CliRunner().invoke(app, list(words), env=environment, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_each_setting_is_shown_with_who_said_so(settings: str):
    shown = json.loads(told("show", settings, "--set", "publish.top=3", "--json", GAZE_HTTP__PORT="9000"))
    assert shown["publish.top"] == {"value": 3, "origin": "the command line"}
    assert shown["http.port"] == {"value": 9000, "origin": "GAZE_HTTP__PORT"}
    assert shown["feed.symbols"] == {"value": ["A"], "origin": settings}
    assert shown["log.level"] == {"value": "info", "origin": "default"}


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_password_is_not_shown(settings: str, more: tuple[str, ...]):
    shown = told("show", settings, *more, COLUMNS="200")
    assert "hunter2" not in shown
    assert "redis://gaze:***@host:6379/0" in shown


def test_what_gaze_run_would_refuse_is_refused(settings: str):
    with pytest.raises(ConfigError, match="symbols is empty"):
        told("show", settings, "--set", "feed.symbols=[]")


def test_the_schema_is_one_that_an_editor_can_use():
    schema = json.loads(told("schema"))
    feed = schema["$defs"]["FeedConfig"]["properties"]
    assert feed["symbols"]["type"] == "array"
    assert "waits for a missing one" in feed["fill_wait_s"]["description"]
