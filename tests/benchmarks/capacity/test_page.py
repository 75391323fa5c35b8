from benchmarks.capacity import page
from benchmarks.capacity.model import QUANTITIES


def test_the_table_says_each_need_and_by_how_much_the_model_errs():
    told = page.needs(
        {
            "updates": 30,
            "model": {"update_s": 2e-6, "stream_bytes": 2_000.0},
            "needs": [{**dict.fromkeys(page.COLUMNS, 3.0), "symbols": 100_000, "within_s": 2.0}],
            "checked": [
                {"symbols": 5_000, "processes": count, "error": dict.fromkeys(QUANTITIES, -0.05)} for count in (1, 4)
            ],
            "machine": "2 cores",
            "load_before": [0.1],
            "date": "2026-11-22",
            "commit": "abc",
        }
    )
    assert "| 2 s | 3 | 3 |" in told
    assert "| 4 | -5 % |" in told
