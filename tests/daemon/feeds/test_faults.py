"""Every feed at a venue with all faults: what the store has in the end is the file, and each bar was predicted."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from standins import House, rows, unbroken

from core.barfile import BarFile
from core.bars import Origin
from daemon.exchange.faults import Faults
from daemon.feeds import FEEDS
from daemon.listening.wire import Library

FAULTS = Faults(
    seed=3, drop=0.03, stall=0.01, half_frame=0.02, oversized=0.01, storm=0.2, wrong_certificate=0.1, repeat=0.1,
    reorder=0.1, silent_gap=0.1, revise=0.05, garbage=0.05, unclosed=0.5, limit=0.003, ban=0.001, skew=2.0,
)  # fmt: skip


@pytest.mark.parametrize(("name", "library"), [*((name, "websockets") for name in FEEDS), ("okx", "picows")])
async def test_after_a_week_of_all_faults_the_store_has_the_file_and_each_bar_was_predicted(
    name: str, library: Library, span: Callable[[str], BarFile], tmp_path: Path
):
    bars = span(name)
    # Sockets live for 24 bars.
    faults = msgspec.structs.replace(FAULTS, life=24 * bars.interval.ms / 3_600_000)
    house = House(name, bars, 24, faults, tmp_path, library=library)
    # The clock stops before the last bar has settled into history.
    expected = rows(bars, house.symbols, slice(None, -1))
    async with house.living():
        await house.until_kept(expected)
    assert {place: house.stored[place] for place in expected} == expected
    # Beyond the file there is what was built where nothing was traded, and the last bar, if it came.
    built = set(house.stored) - set(expected) - {(symbol, house.market.last_ms) for symbol in house.symbols}
    assert all(len(set(house.stored[place][:4])) == 1 and house.stored[place][4] == 0 for place in built)
    assert bool(built) == (house.origins[Origin.FILLED] > 0) == (name == "kraken")
    # Each bar that has its window, and its last word last.
    said = Counter((one.symbol, one.opened_at_ms, one.revision) for one in house.published)
    assert set(said.values()) == {1}
    closes = {(one.symbol, one.opened_at_ms): one.close for one in house.published}
    whole = unbroken(house.stored, bars.interval, house.pipeline.bars_needed)
    assert {place: closes.get(place) for place in whole} == {place: house.stored[place][3] for place in whole}
    counts = house.told.counts
    assert counts["refused"] > 2
    assert counts["reconnected"] > 5
    assert house.exchange.summary.dropped > 10


@pytest.mark.parametrize("name", ["kraken", "hyperliquid", "coinbase"])
async def test_the_last_bar_closes_by_the_venues_clock_though_no_other_opens(
    name: str, span: Callable[[str], BarFile], tmp_path: Path
):
    bars = span(name)
    house = House(name, bars, 160, Faults(), tmp_path)
    last = rows(bars, house.symbols, slice(-1, None))
    async with house.living():
        await house.replaying
        assert not last.keys() & house.rows.keys()
        # Five seconds after its end; history is asked after ten.
        await house.exchange.clock.reach(house.market.last_ms + bars.interval.ms + 5_999)
        await house.until_kept(last)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "drop:0.1", "stall:0.05", "half-frame:0.1", "oversized:0.1", "storm:0.5", "wrong-certificate:0.5", "repeat:0.3",
        "reorder:0.3", "silent-gap:0.3", "revise:0.3", "garbage:0.5", "unclosed:1", "limit:0.02", "ban:0.01", "life:6",
        "skew:4", "skew:-60",
    ],
)  # fmt: skip
async def test_each_fault_alone_costs_no_bar(fault: str, span: Callable[[str], BarFile], tmp_path: Path):
    bars = span("binance")
    house = House("binance", bars, 132, Faults.parse([fault], seed=5), tmp_path)
    expected = rows(bars, house.symbols, slice(-36, -1))
    async with house.living():
        await house.until_kept(expected)
    assert {place: house.stored[place] for place in expected} == expected
