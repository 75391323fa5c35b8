import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from builders import HOUR
from typer.testing import Result

from core.bars import Interval
from core.errors import DataError
from training.bars.against import disagreements, pairs, resampled
from training.bars.findings import Kind

Run = Callable[..., Result]
Hours = Callable[..., pl.DataFrame]

FOUR_HOURS = Interval.parse("4h")


def errors(result: Result) -> list[tuple[str, str, str, str]]:
    findings = json.loads(result.stdout)["findings"]
    names = ("kind", "symbol", "interval", "ts")
    return [tuple(found[name] for name in names) for found in findings if found["severity"] == "error"]


def test_bars_agree_with_themselves_resampled(hours: Hours):
    short = hours()
    compared, findings = disagreements(short, HOUR, resampled(short, HOUR, FOUR_HOURS), FOUR_HOURS)
    assert (compared, findings) == (50, [])


def test_a_longer_bar_that_lacks_volume_had_not_closed(hours: Hours):
    short = hours()
    cut = pl.when(pl.int_range(pl.len()) == 3).then(pl.col("volume") - 1).otherwise("volume").alias("volume")
    long = resampled(short, HOUR, FOUR_HOURS).with_columns(cut)
    (finding,) = disagreements(short, HOUR, long, FOUR_HOURS)[1]
    assert finding.ts == "2020-01-01T12:00:00Z"
    assert finding.reason.endswith("the 4h bar looks unclosed")


def test_a_last_bar_that_ends_after_the_shorter_bars_stop_had_not_closed(hours: Hours):
    short = hours(198)
    (finding,) = disagreements(short, HOUR, resampled(short, HOUR, FOUR_HOURS), FOUR_HOURS)[1]
    assert (finding.kind, finding.ts) == (Kind.UNCLOSED, "2020-01-09T04:00:00Z")


def test_only_intervals_that_divide_are_compared_the_shortest_first():
    three, hour, day, week = (Interval.parse(name) for name in ("3m", "1h", "1d", "1w"))
    assert pairs([week], [day, three]) == [(week, three), (week, day)]
    assert pairs([hour], [hour]) == []


def test_files_that_share_nothing_are_refused_instead_of_passed(gaze_bars: Run, hours: Hours, tmp_path: Path):
    hours().write_parquet(tmp_path / "bars.parquet")
    other = resampled(hours(symbol="ETHUSDT"), HOUR, FOUR_HOURS)
    other.write_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="can be compared"):
        gaze_bars("check", tmp_path / "bars.parquet", "--against", tmp_path / "other.parquet")


def test_exactly_the_known_partial_hours_are_found_with_half_hours(gaze_bars: Run, shared_data: Path):
    hourly = shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet"
    halves = shared_data / "bars" / "binance_usdm_30m_btc_eth_2023_2025h1.parquet"
    result = gaze_bars("check", hourly, "--against", halves, "--json")
    assert errors(result) == [
        ("disagrees", "BTCUSDT", "1h", "2023-11-10T15:00:00Z"),
        ("disagrees", "BTCUSDT", "1h", "2024-10-28T20:00:00Z"),
        ("disagrees", "BTCUSDT", "1h", "2024-10-28T21:00:00Z"),
        ("disagrees", "ETHUSDT", "1h", "2023-11-10T15:00:00Z"),
        ("disagrees", "ETHUSDT", "1h", "2024-10-28T21:00:00Z"),
    ]
    assert json.loads(result.stdout)["compared"] == {"1h from 30m": 43_776}


def test_exactly_the_last_bars_of_bybit_are_found_unclosed_within_its_own_file(gaze_bars: Run, shared_data: Path):
    path = shared_data / "bars" / "bybit_linear_meme_5m_30m_1h_1d_1w_2025_10.parquet"
    found = errors(gaze_bars("check", path, "--against", path, "--json"))
    last = {("1w", "2025-10-20T00"), ("1d", "2025-10-22T00"), ("1h", "2025-10-22T23"), ("30m", "2025-10-22T23")}
    assert {kind for kind, *_ in found} == {"unclosed"}
    assert {(interval, ts[:13]) for _, _, interval, ts in found} == last
    assert len(found) == len(last) * 33


def test_three_scales_of_one_download_agree(gaze_bars: Run, shared_data: Path):
    path = shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet"
    assert errors(gaze_bars("check", path, "--against", path, "--json")) == []
