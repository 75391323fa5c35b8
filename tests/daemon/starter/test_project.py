"""`gaze init`: what it writes is what the commands take."""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from core.bars import Interval
from core.errors import ConfigError, UsageError
from daemon import cli, config
from daemon.starter import project
from training import recipe
from training.bars.simulate import simulate


def begun(folder: Path, *words: str) -> str:
    result = CliRunner().invoke(cli.app, ["init", str(folder), *words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_settings_are_read_and_follow_their_schema(tmp_path: Path):
    begun(tmp_path / "first")
    read = config.read(tmp_path / "first" / "gaze.toml")
    assert (read.feed.symbols[0], len(read.feed.symbols)) == ("SIM01USDT", 20)
    assert read.feed.rest_url == "http://127.0.0.1:9001"
    schema = json.loads((tmp_path / "first" / "gaze.schema.json").read_text())
    written = tomllib.loads((tmp_path / "first" / "gaze.toml").read_text())
    jsonschema.validate(written, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written | {"feeed": {}}, schema)


def test_the_symbols_are_those_that_the_readme_simulates(tmp_path: Path):
    begun(tmp_path)
    made = simulate(20, 30, Interval.parse("1h"), datetime(2024, 1, 1, tzinfo=UTC), 7)
    assert set(config.read(tmp_path / "gaze.toml").feed.symbols) == set(made.bars["symbol"].unique())


def test_the_recipe_is_one(tmp_path: Path):
    begun(tmp_path)
    assert recipe.read(str(tmp_path / "recipe.toml")).name == "first"


def test_the_containers_get_settings_that_the_daemon_knows(tmp_path: Path):
    begun(tmp_path)
    service = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"]["gaze"]
    read = config.read(tmp_path / "gaze.toml", environment=service["environment"])
    assert (read.store.url, read.http.host) == ("redis://redis:6379/0", "0.0.0.0")


def test_a_real_venue_is_listened_to_at_its_own_addresses(tmp_path: Path):
    begun(tmp_path, "--venue", "kraken", "--symbols", "BTC/USD, ETH/USD")
    read = config.read(tmp_path / "gaze.toml")
    assert (read.feed.venue, read.feed.symbols, read.feed.websocket_url) == ("kraken", ("BTC/USD", "ETH/USD"), "")


@pytest.mark.parametrize("words", [("--venue", "kraken"), ("--symbols", "BTCUSDT")])
def test_a_venue_and_symbols_go_together(tmp_path: Path, words: tuple[str, ...]):
    with pytest.raises(UsageError, match="go together"):
        begun(tmp_path, *words)


def test_a_venue_that_is_none_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(ConfigError, match="try: kraken"):
        begun(tmp_path / "first", "--venue", "karken", "--symbols", "A")
    assert not (tmp_path / "first").exists()


def test_what_is_there_is_not_touched(tmp_path: Path):
    (tmp_path / "recipe.toml").write_text("mine")
    with pytest.raises(UsageError, match=r"has recipe\.toml already"):
        project.write(tmp_path, project.contents())
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.toml"}
