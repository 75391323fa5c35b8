import tomllib
from pathlib import Path

import msgspec
import pytest

from core.errors import ConfigError
from daemon import config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "config.md"
SMALLEST = '[bundle]\npath = "b"\n[feed]\nsymbols = ["BTCUSDT"]\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "gaze.toml"
    path.write_text(text)
    return path


def test_a_bundle_and_symbols_are_enough_and_paths_are_meant_from_the_files_folder(tmp_path: Path):
    read = config.read(written(tmp_path, SMALLEST))
    assert read.bundle.path == str(tmp_path / "b")
    assert read.store.directory == str(tmp_path / "state")
    assert read.http.host == "127.0.0.1"


def test_changes_win_over_the_file(tmp_path: Path):
    read = config.read(written(tmp_path, SMALLEST), ["http.port=0", "store.url=redis://elsewhere:6379"])
    assert (read.http.port, read.store.url) == (0, "redis://elsewhere:6379")


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path):
    file = written(tmp_path, SMALLEST + "[http]\nport = 1\n")
    assert config.read(file, environment={"GAZE_HTTP__PORT": "2"}).http.port == 2
    assert config.read(file, ["http.port=3"], {"GAZE_HTTP__PORT": "2"}).http.port == 3


def test_a_wrong_variable_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"GAZE_HTTP__PROT: unknown key 'prot' in .*did you mean 'port'"):
        config.read(written(tmp_path, SMALLEST), environment={"GAZE_HTTP__PROT": "2"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SMALLEST.replace("symbols", "symbol"), "unknown key 'symbol' in [feed]; did you mean 'symbols'?"),
        (SMALLEST.replace('["BTCUSDT"]', "[]"), "symbols is empty"),
        (SMALLEST.replace('["BTCUSDT"]', '["BTCUSDT", ""]'), "symbols is empty, or names an empty one"),
        (SMALLEST.replace('["BTCUSDT"]', '["A", "B", "A"]'), "names A twice"),
        (SMALLEST + "[http]\nport = 70000\n", "http.port: expected int <= 65535; try: port = 9464"),
        (
            SMALLEST + '[publish]\nlate = "perhaps"\n',
            "publish.late: invalid enum value 'perhaps', it takes publish, skip; try: late = \"publish\"",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError) as caught:
        config.read(written(tmp_path, text))
    assert said in str(caught.value)
    assert caught.value.exit_code == 78


def test_no_file_is_said_with_what_to_do(tmp_path: Path):
    with pytest.raises(ConfigError, match="try: gaze init"):
        config.read(tmp_path / "none.toml")


def test_the_page_shows_every_setting_with_its_default():
    shown = tomllib.loads(PAGE.read_text().split("```toml")[1].split("```")[0])
    smallest = msgspec.convert(tomllib.loads(SMALLEST.replace('"b"', '"bundle"')), config.Config)
    assert msgspec.convert(shown, config.Config) == smallest
    sections = {field.name: field.type for field in msgspec.structs.fields(config.Config)}
    for section, kind in sections.items():
        assert set(shown[section]) == {field.name for field in msgspec.structs.fields(kind)}


def test_a_url_with_a_password_may_lie_in_a_file_of_its_own(tmp_path: Path):
    (tmp_path / "redis-url").write_text("redis://gaze:hunter2@db:6379/0\n")
    read = config.read(written(tmp_path, SMALLEST + '[store]\nurl_file = "redis-url"\n'))
    assert read.store.url == "redis://gaze:hunter2@db:6379/0"


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (None, "", "redis-url: No such file or directory"),
        ("\n", "", "redis-url is empty"),
        ("redis://db", 'url = "redis://other"\n', "has both url and url_file"),
    ],
)
def test_a_file_without_a_url_or_beside_one_is_refused(tmp_path: Path, content: str | None, more: str, said: str):
    if content is not None:
        (tmp_path / "redis-url").write_text(content)
    with pytest.raises(ConfigError, match=said):
        config.read(written(tmp_path, SMALLEST + f'[store]\nurl_file = "redis-url"\n{more}'))
