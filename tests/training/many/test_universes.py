from pathlib import Path

import pytest

from core.errors import ConfigError, DataError, GazeError
from training.many.universes import read_universes

THERE = ("BTCUSDT", "ETHUSDT", "DOGEUSDT")


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        ("", ConfigError, "names no universe"),
        ("majors = 3", ConfigError, "Expected `array`.*try: majors"),
        ("majors = [", ConfigError, "is not TOML"),
        ('é = ["BTCUSDT"]', ConfigError, "is not TOML"),
        ("majors = []", ConfigError, "no symbol"),
        ('majors = ["BTCUSDT", "BTCUSDT"]', ConfigError, "one twice"),
        ('"a_fold_1" = ["BTCUSDT"]', ConfigError, "part of a folder"),
        ('majors = ["BTCUSDT", "XRPUSDT"]', DataError, "majors wants bars of XRPUSDT; the file has BTCUSDT, DOGEUSDT"),
    ],
)
def test_a_file_of_universes_that_cannot_be_trained_says_why(
    told: str, kind: type[GazeError], said: str, tmp_path: Path
):
    (tmp_path / "universes.toml").write_text(told, "latin-1")
    with pytest.raises(kind, match=said):
        read_universes(tmp_path / "universes.toml", THERE)


def test_no_file_of_universes_is_said(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no universes at .*try: a file"):
        read_universes(tmp_path / "none.toml", THERE)


def test_universes_are_the_symbols_by_name(tmp_path: Path):
    (tmp_path / "universes.toml").write_text('majors = ["BTCUSDT", "ETHUSDT"]\nall = ["ETHUSDT", "DOGEUSDT"]\n')
    assert read_universes(tmp_path / "universes.toml", THERE) == {
        "majors": ("BTCUSDT", "ETHUSDT"),
        "all": ("ETHUSDT", "DOGEUSDT"),
    }
