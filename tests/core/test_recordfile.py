"""Files of external records, in both forms."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core import recordfile
from core.errors import DataError
from core.external import External

AT = datetime(2025, 1, 1, 12, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1_000)
MOOD, FAIR = External("mood", "series", 10_000), External("fair", "event", 10_000)


def write(path: Path) -> Path:
    """The same three records, as the path's name says."""
    if path.suffix == ".parquet":
        pl.DataFrame(
            {
                "name": ["mood", "mood", "fair"],
                "known_at": [AT, AT, AT],
                "value": [0.5, None, None],
                "at": [None, None, AT],
                "symbol": [None, "BTCUSDT", ""],
                "headline": ["of", "no", "use"],
            },
            schema_overrides={"known_at": pl.Datetime("us", "UTC"), "at": pl.Datetime("us", "UTC")},
        ).write_parquet(path)
        return path
    path.write_text(
        f'{{"name": "mood", "known_at": {AT_MS}, "value": 0.5}}\n'
        '{"name": "mood", "known_at": "2025-01-01T12:00:00Z", "symbol": "BTCUSDT"}\n'
        '{"name": "fair", "known_at": "2025-01-01T12:00:00", "at": "2025-01-01T13:00:00+01:00"}\n'
        '{"name": "mood", "known_at": 17356'
    )
    return path


@pytest.mark.parametrize("name", ["records.parquet", "records.jsonl"])
def test_both_forms_say_the_same_and_a_line_being_written_waits(tmp_path: Path, name: str):
    records = recordfile.read(write(tmp_path / name))
    closed = np.array([AT_MS - 1, AT_MS, AT_MS + 1], np.int64)
    assert records.columns((MOOD,), "ETHUSDT", closed).tolist() == [[0, 0], [0.5, 1], [0.5, 1]]
    assert not records.columns((MOOD,), "BTCUSDT", closed).any()
    np.testing.assert_allclose(records.columns((FAIR,), "BTCUSDT", closed), [[1, 1], [1, 0], [1, 1e-4]])
    assert records.fingerprint == recordfile.read(write(tmp_path / "other.parquet")).fingerprint


def test_symbols_are_spelled_as_the_bars_spell_them(tmp_path: Path):
    records = recordfile.read(write(tmp_path / "records.jsonl"), str.lower)
    assert not records.columns((MOOD,), "btcusdt", np.array([AT_MS])).any()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jsonl", None, "no file"),
        ("wrong.jsonl", b'{"name": "mood"}\n', "known_at"),
        ("wrong.jsonl", b'{"name": "mood", "known_at": 1, "velue": 2}\n', "velue"),
        ("wrong.jsonl", b'{"name": "mood", "known_at": 1735689600000000000000}\n', "known_at"),
        ("wrong.jsonl", b'{"name": "mood", "known_at": 1, "at": -9300000000000000000}\n', "at"),
        ("wrong.jsonl", b'{"name": "\xff", "known_at": 1}\n', "no record .*codec"),
        ("wrong.parquet", b"no table", "not Parquet"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, name: str, content: bytes | None, said: str):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        recordfile.read(tmp_path / name)


def test_a_table_without_the_time_of_knowing_is_refused(tmp_path: Path):
    pl.DataFrame({"name": ["mood"], "date": [1]}).write_parquet(tmp_path / "records.parquet")
    with pytest.raises(DataError, match="known_at"):
        recordfile.read(tmp_path / "records.parquet")


@pytest.mark.parametrize("name", ["records.parquet", "records.jsonl"])
def test_a_record_is_known_from_its_very_millisecond_on(tmp_path: Path, name: str):
    # As a float of seconds, some of these lie below the whole number that they are.
    at_ms = [AT_MS + 1_009 * number for number in range(1_000)]
    told = [datetime.fromtimestamp(one // 1_000, UTC) + timedelta(milliseconds=one % 1_000) for one in at_ms]
    if name.endswith("parquet"):
        pl.DataFrame({"name": ["mood"] * len(told), "known_at": told}).write_parquet(tmp_path / name)
    else:
        lines = [json.dumps({"name": "mood", "known_at": one.isoformat()}) + "\n" for one in told]
        (tmp_path / name).write_text("".join(lines))
    assert recordfile.read(tmp_path / name).known_ms.tolist() == at_ms
