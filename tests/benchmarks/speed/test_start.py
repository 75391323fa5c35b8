from benchmarks.speed.start import measure
from daemon.stores import ring


async def test_windows_of_a_killed_server_are_back_and_a_symbol_costs_what_its_bars_cost():
    report = await measure(200, 73)
    assert (report.symbols, report.bars) == (200, 73)
    assert min(report.server_s, report.windows_s) > 0
    assert ring.size_bytes(73) <= report.redis_bytes < 1.2 * ring.size_bytes(73)
    assert "4,088" in report.table()
