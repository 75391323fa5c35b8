import json
import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from builders import HOUR
from typer.testing import Result

from core.errors import DataError
from training.bars import check
from training.bars.findings import Finding, Kind, Severity

Run = Callable[..., Result]
Hours = Callable[..., pl.DataFrame]


def of(findings: list[Finding], kind: Kind) -> list[Finding]:
    return [finding for finding in findings if finding.kind is kind]


def test_sound_bars_have_no_finding_but_that_their_last_bar_cannot_be_vouched_for(hours: Hours):
    span, findings = check.check(hours(), HOUR)
    assert [finding.kind for finding in findings] == [Kind.LAST_BAR]
    assert (span.trading, span.bars, span.missing) == ("24x7", 200, 0)


def test_a_gap_is_told_with_its_first_missing_bar_and_its_length(hours: Hours):
    table = hours().filter(~pl.int_range(pl.len()).is_in([50, 51, 52, 90]))
    span, findings = check.check(table, HOUR)
    gaps = of(findings, Kind.GAP)
    assert [(gap.ts, gap.bars) for gap in gaps] == [("2020-01-03T02:00:00Z", 3), ("2020-01-04T18:00:00Z", 1)]
    assert (span.gaps, span.missing, span.largest_gap) == (2, 4, gaps[0])


def test_a_bar_told_twice_is_an_error_whether_it_is_the_same_or_not(hours: Hours):
    table = hours()
    again = table[10:12].with_columns(
        pl.when(pl.int_range(pl.len()) == 1).then(11.5).otherwise("volume").alias("volume")
    )
    _, findings = check.check(pl.concat([table, again]).sort("ts"), HOUR)
    reasons = [(finding.severity, finding.reason) for finding in of(findings, Kind.DUPLICATE)]
    assert reasons == [
        (Severity.ERROR, "2 bars at this time, identical"),
        (Severity.ERROR, "2 bars at this time, which differ"),
    ]


def test_missing_and_impossible_numbers_are_errors(hours: Hours):
    table = hours(changes={(5, "open"): None, (6, "high"): 1.0, (7, "volume"): -1.0, (8, "close"): math.nan})
    _, findings = check.check(table, HOUR)
    assert [finding.reason for finding in of(findings, Kind.NULL)] == ["no open"]
    first_words = [finding.reason.split()[0] for finding in of(findings, Kind.INCONSISTENT)]
    assert first_words == ["high", "volume", "close"]


def test_bars_between_two_steps_of_the_grid_are_errors(hours: Hours):
    late = pl.when(pl.int_range(pl.len()).is_between(20, 22)).then(pl.col("ts").dt.offset_by("5m")).otherwise("ts")
    _, findings = check.check(hours().with_columns(late.alias("ts")), HOUR)
    assert [(finding.ts, finding.bars) for finding in of(findings, Kind.OFF_GRID)] == [("2020-01-01T20:05:00Z", 3)]


def test_a_price_far_from_all_around_it_is_an_outlier_and_its_return_is_told(hours: Hours):
    wild = {(100, "close"): 300.0, (100, "high"): 301.0}
    _, findings = check.check(hours(changes=wild), HOUR)
    outliers = of(findings, Kind.OUTLIER)
    assert outliers[0].ts == "2020-01-05T04:00:00Z"
    assert "the next bar goes back" in outliers[0].reason


def test_a_bar_of_little_volume_that_the_next_one_jumps_from_is_suspected_unclosed(hours: Hours):
    cut = {(100, "volume"): 1.0, (100, "close"): 99.6, (101, "open"): 101.2, (101, "high"): 102.0}
    suspected = of(check.check(hours(changes=cut), HOUR)[1], Kind.UNCLOSED)
    assert [(finding.ts, finding.severity) for finding in suspected] == [("2020-01-05T04:00:00Z", Severity.WARNING)]


def test_runs_without_volume_or_movement_are_one_note_each(hours: Hours):
    still = {(row, name): 100.0 for row in (30, 31) for name in ("open", "high", "low", "close")}
    empty = {(row, "volume"): 0.0 for row in (60, 61, 62)}
    _, findings = check.check(hours(changes=still | empty), HOUR)
    assert [(finding.ts, finding.bars) for finding in of(findings, Kind.FLAT)] == [("2020-01-02T06:00:00Z", 2)]
    assert [finding.bars for finding in of(findings, Kind.NO_VOLUME)] == [3]


def test_disorder_in_the_file_is_told_although_readers_sort(gaze_bars: Run, hours: Hours, tmp_path: Path):
    pl.concat([hours()[100:], hours()[:100]]).write_parquet(tmp_path / "bars.parquet")
    result = gaze_bars("check", tmp_path / "bars.parquet", "--json")
    kinds = {finding["kind"] for finding in json.loads(result.stdout)["findings"]}
    assert kinds == {"order", "last_bar"}


def test_strict_ends_with_one_where_there_is_an_error_and_only_then(gaze_bars: Run, hours: Hours, tmp_path: Path):
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    hours().write_parquet(good)
    hours(changes={(5, "open"): None}).write_parquet(bad)
    assert gaze_bars("check", good, "--strict").exit_code == 0
    assert gaze_bars("check", bad).exit_code == 0
    assert gaze_bars("check", bad, "--strict").exit_code == 1


def test_people_see_what_was_found_and_how_to_see_more(gaze_bars: Run, hours: Hours, tmp_path: Path):
    hours(changes={(row, "open"): None for row in range(5, 10)}).write_parquet(tmp_path / "bars.parquet")
    said = gaze_bars("check", tmp_path / "bars.parquet", "--limit", 2).stdout
    assert "error null: 5" in said
    assert "and 3 more" in said


def test_a_file_without_bars_is_refused(gaze_bars: Run, hours: Hours, tmp_path: Path):
    hours().clear().write_parquet(tmp_path / "bars.parquet")
    with pytest.raises(DataError, match="holds no bars"):
        gaze_bars("check", tmp_path / "bars.parquet")


KNOWN = {
    "binance_spot_1h_2017_2022.parquet": ("24x7", 96, 380, {}),
    "binance_spot_1h_2023_06_07_100_symbols.parquet": ("24x7", 0, 0, {}),
    "binance_usdm_1h_2023_2025h1.parquet": ("24x7", 1, 1, {}),
    "binance_usdm_1m_2025_05.parquet": ("24x7", 0, 0, {}),
    "dow30_daily_2008_2019.parquet": ("sessions", 0, 0, {}),
    "eurusd_1h_2014_2018_bid_ask.parquet": ("sessions", 15, 425, {}),
    "sp500_daily_2013_2018.parquet": ("sessions", 11, 33, {"inconsistent": 8, "null": 8}),
    "sp500_weekly_2013_2018_derived.parquet": ("24x7", 2, 4, {"inconsistent": 1}),
    "us_equity_1h_newyork_1998_2017_unadjusted.parquet": ("sessions", 14, 15, {}),
    "us_indices_vix_daily_2008_2019.parquet": ("sessions", 0, 0, {"inconsistent": 3, "null": 2}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_known_defects_of_real_files_are_found_and_no_other_errors(gaze_bars: Run, shared_data: Path, name: str):
    told = json.loads(gaze_bars("check", shared_data / "bars" / name, "--json").stdout)
    (span,) = told["spans"]
    errors = [finding["kind"] for finding in told["findings"] if finding["severity"] == "error"]
    found = {kind: errors.count(kind) for kind in sorted(set(errors))}
    assert (span["trading"], span["gaps"], span["missing"], found) == KNOWN[name]


def test_the_outage_of_february_2018_is_the_largest_gap_of_binance(gaze_bars: Run, shared_data: Path):
    told = json.loads(gaze_bars("check", shared_data / "bars" / "binance_spot_1h_2017_2022.parquet", "--json").stdout)
    largest = told["spans"][0]["largest_gap"]
    assert (largest["symbol"], largest["ts"], largest["bars"]) == ("BTCUSDT", "2018-02-08T01:00:00Z", 33)
