import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from builders import HOUR
from typer.testing import Result

from core import barfile, bars
from core.bars import CLOSE, VOLUME, Bar
from core.errors import ConfigError, GazeError, UsageError
from core.features import FeatureSet
from training.bars import simulate
from training.bars.simulate import BURST, LAGS, MOVE_BARS, SPACING_MIN, STRENGTH

Run = Callable[..., Result]

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made() -> simulate.Simulated:
    return simulate.simulate(20, 2_000, HOUR, START, 7)


def test_the_same_seed_gives_the_same_fingerprint_and_another_one_another(gaze_bars: Run, tmp_path: Path):
    def fingerprint(name: str, seed: int) -> str:
        gaze_bars("simulate", "--out", tmp_path / name, "--symbols", 3, "--bars", 300, "--seed", seed)
        return barfile.read(tmp_path / name).fingerprint

    assert fingerprint("a.parquet", 7) == fingerprint("b.parquet", 7) != fingerprint("c.parquet", 8)


def test_a_symbol_is_the_same_in_whatever_company(made: simulate.Simulated):
    alone = simulate.simulate(1, 2_000, HOUR, START, 7)
    assert alone.bars.equals(made.bars.filter(pl.col("symbol") == "SIM01USDT"))


def test_every_bar_is_sound_on_the_grid_and_opens_where_the_last_closed(made: simulate.Simulated):
    for row in made.bars.rows():
        symbol, ts, *numbers = row
        bar = Bar(symbol, int(ts.timestamp() * 1000), *numbers)
        assert bars.inconsistency(bar) is None
        assert HOUR.floor(bar.opened_at_ms) == bar.opened_at_ms
    follows = made.bars.select((pl.col("open") == pl.col("close").shift().over("symbol")).drop_nulls())
    assert follows.to_series().all()


def test_check_finds_nothing_wrong_with_simulated_bars(gaze_bars: Run, tmp_path: Path):
    gaze_bars("simulate", "--out", tmp_path / "sim.parquet", "--symbols", 5, "--bars", 1_000)
    told = json.loads(gaze_bars("check", tmp_path / "sim.parquet", "--json").stdout)
    assert {finding["kind"] for finding in told["findings"]} == {"last_bar"}


def test_the_truth_has_each_events_lag_and_move(made: simulate.Simulated):
    steps = made.events.select((pl.col("move_ts") - pl.col("ts")).dt.total_milliseconds() // HOUR.ms).to_series()
    assert steps.to_list() == made.events["lag"].to_list()
    assert set(steps) == set(LAGS)
    assert set(made.events["direction"]) == {-1, 1}
    apart = made.events.select(pl.col("ts").diff().over("symbol").dt.total_milliseconds().drop_nulls() // HOUR.ms)
    assert apart.to_series().min() >= SPACING_MIN > max(LAGS) + MOVE_BARS - 1


def test_every_predictable_bar_has_one_cause_and_it_lies_before_the_next_bar(made: simulate.Simulated):
    caused = simulate.causes(made.events, HOUR)
    assert len(caused) == MOVE_BARS * len(made.events)
    assert caused.select("symbol", "ts").is_duplicated().sum() == 0
    back = caused.select((pl.col("ts") - pl.col("cause_ts")).dt.total_milliseconds() // HOUR.ms).to_series()
    assert back.to_list() == caused["steps_back"].to_list()
    assert (back.min(), back.max()) == (min(LAGS) - 1, max(LAGS) + MOVE_BARS - 2)


def test_an_event_shows_its_direction_and_its_burst_in_its_own_bar(made: simulate.Simulated):
    usual = pl.col("volume").rolling_median(25, center=True, min_samples=5).over("symbol")
    change = (pl.col("close") / pl.col("open")).log().sign()
    shown = made.bars.with_columns((pl.col("volume") / usual).alias("burst"), change.alias("change")).join(
        made.events, on=["symbol", "ts"]
    )
    assert (shown["change"] == shown["direction"]).all()
    assert BURST[0] / 2 < shown["burst"].median() < BURST[1] * 2


def test_the_next_return_of_a_caused_bar_goes_the_way_of_its_event_and_of_others_does_not(made: simulate.Simulated):
    caused = simulate.causes(made.events, HOUR).select("symbol", "ts", "direction")
    after = (pl.col("close").shift(-1) / pl.col("close")).log().over("symbol").alias("next")
    joined = made.bars.with_columns(after).join(caused, on=["symbol", "ts"], how="left").drop_nulls("next")
    along = joined.filter(pl.col("direction").is_not_null()).select(pl.col("next") * pl.col("direction")).to_series()
    rest = joined.filter(pl.col("direction").is_null())["next"].to_numpy()
    assert 0.8 < (along > 0).mean() < 0.9
    assert abs(along.mean() / along.std() - STRENGTH) < 0.1
    assert abs(rest.mean()) < 4 * rest.std() / np.sqrt(len(rest))


def test_looking_back_at_the_burst_explains_what_the_last_bars_do_not(made: simulate.Simulated):
    features = FeatureSet.named("btc_3")
    rows, last, ahead = [], [], []
    for _, part in made.bars.group_by("symbol", maintain_order=True):
        numbers = part.select(bars.COLUMNS).to_numpy()
        change = np.diff(np.log(numbers[:, CLOSE]))
        table = features.history(numbers)
        signed = np.sign(table[:, 0]) * (table[:, 1] > np.log1p(3))
        for end in range(features.lookback + 24, len(numbers) - 1):
            rows.append(signed[end - 23 : end + 1])
            last.append(table[end - 2 : end + 1].ravel())
            ahead.append(change[end])
    explained = [_explained(np.array(inputs), np.array(ahead)) for inputs in (rows, last)]
    assert explained[0] > 0.06
    assert explained[0] > 2 * explained[1]


def _explained(inputs: npt.NDArray[np.float64], ahead: npt.NDArray[np.float64]) -> float:
    """R squared of a ridge regression on the later third, against predicting zero."""
    cut = len(inputs) * 2 // 3
    learnt = inputs[:cut]
    weights = np.linalg.solve(learnt.T @ learnt + 1e-3 * np.eye(learnt.shape[1]), learnt.T @ ahead[:cut])
    rest = ahead[cut:]
    return float(1 - np.sum((rest - inputs[cut:] @ weights) ** 2) / np.sum(rest**2))


@pytest.mark.parametrize("count", [1, 5, 30])
def test_a_short_file_may_have_no_event(gaze_bars: Run, tmp_path: Path, count: int):
    gaze_bars("simulate", "--out", tmp_path / "sim.parquet", "--symbols", 2, "--bars", count)
    assert len(pl.read_parquet(tmp_path / "sim.parquet")) == 2 * count
    assert pl.read_parquet(tmp_path / "sim.events.parquet").columns[0] == "symbol"


def test_a_volume_is_never_zero(made: simulate.Simulated):
    assert made.bars.select(bars.COLUMNS).to_numpy()[:, VOLUME].min() > 0


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [("--start", "soon", UsageError), ("--start", "2024-01-01T00:30", UsageError), ("--interval", "1y", ConfigError)],
)
def test_options_that_make_no_sense_say_what_would(
    gaze_bars: Run, tmp_path: Path, option: str, value: str, error: type[GazeError]
):
    with pytest.raises(error, match="try:"):
        gaze_bars("simulate", "--out", tmp_path / "sim.parquet", option, value)
