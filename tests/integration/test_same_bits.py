"""Live features against offline ones over more than a million values of real bars, killed in the middle: the same bits.

`gaze bench same-bits` is the same over as many bars as one has the time for.
"""

from pathlib import Path

import pytest

from benchmarks.same_bits.rows import measure
from benchmarks.same_bits.served import read

PAST = 19 * 24
"""Hours that are there when the daemon starts."""


@pytest.mark.slow
@pytest.mark.timeout(1_200)
async def test_a_million_live_feature_values_are_trainings_own_after_a_kill_in_the_middle(
    tmp_path: Path, shared_data: Path
):
    bars = read(tmp_path, shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet", None, "2025-03-01")
    counts = await measure(tmp_path, bars, "real bars", PAST)
    assert counts.values > 1_000_000
    assert counts.clean
    # However slow this machine is: the venue waits for the daemon, which has its history before the venue begins.
    assert min(counts.live_before, counts.live_after) > 20_000
