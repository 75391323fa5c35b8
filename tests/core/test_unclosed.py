"""Bars of a history that look unclosed, by the rule of `gaze bars check`."""

from pathlib import Path

import numpy as np
import polars as pl

from core import barfile
from core.bars import COLUMNS, Interval
from core.sessions import Sessions
from core.unclosed import suspects
from training.bars import check


def test_the_suspects_of_real_bars_are_those_that_the_check_tells(shared_data: Path):
    table = barfile.frame(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    interval = Interval.parse("1h")
    table = table.filter(pl.col("symbol").is_in(table["symbol"].unique().sort().head(8)))
    told = {(one.symbol, one.ts) for one in check.suspects(table, interval)}
    found = set()
    for (symbol,), part in table.group_by("symbol"):
        times = part["ts"].dt.epoch("ms").to_numpy()
        at = suspects(times, part.select(COLUMNS).to_numpy(), interval)
        found |= {(symbol, np.datetime_as_string(np.datetime64(ms, "ms"), unit="s") + "Z") for ms in at.tolist()}
    assert found == told
    assert told


def test_where_a_market_closes_and_among_few_bars_none_is_suspected(shared_data: Path):
    part = barfile.read(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet").symbols["SHIBUSDT"]
    always = Interval.parse("1h")
    opened, _, low, close, volume = part.rows[500]
    part.rows[500] = (opened, max(opened, close * 1.02), low, close * 1.02, volume / 50)
    assert suspects(part.opened_at_ms, part.rows, always).tolist() == [part.opened_at_ms[500]]
    assert not len(suspects(part.opened_at_ms, part.rows, Sessions.at(always, part.opened_at_ms)))
    assert not len(suspects(part.opened_at_ms[490:509], part.rows[490:509], always))
