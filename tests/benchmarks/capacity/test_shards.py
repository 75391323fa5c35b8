from pathlib import Path

import pytest

from benchmarks.capacity.model import QUANTITIES
from benchmarks.capacity.shards import measure
from benchmarks.speed import scene


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_two_daemons_and_their_server_are_counted(tmp_path: Path):
    bundle = scene.make_bundle(tmp_path, "hourly_lstm", "btc_3", hidden=8)
    use = await measure(bundle, symbols=40, processes=2, bars=1, updates=2, speed=6, graph="full")
    assert (use.symbols, use.processes, use.bars) == (40, 2, 1)
    assert use.took.keys() == QUANTITIES.keys()
    assert use.took["redis_scripts"] >= 2
    assert use.took["redis_commands"] >= 40 * 3
    assert use.took["daemon_mib"] > 2 * 50
    assert 500 < use.stream_bytes < 5_000
    assert use.last_ms > 0
