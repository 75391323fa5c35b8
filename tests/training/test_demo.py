from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from runs import HOUR, a_run

from training import recipe
from training.bars.simulate import causes, simulate
from training.job import Job
from training.judging.predicting import predict


@pytest.mark.slow
def test_the_demo_finds_what_is_planted_and_looks_at_it(tmp_path: Path):
    """Better than every baseline, and where an event moves the next bar, the model looks at that event."""
    made = simulate(20, 2_500, HOUR, datetime(2024, 1, 1, tzinfo=UTC), seed=3)
    made.bars.write_parquet(tmp_path / "bars.parquet")
    told = recipe.read("demo")
    trained = a_run(told, tmp_path / "bars.parquet", tmp_path / "run")
    assert {comparison.verdict for comparison in trained.evaluation.comparisons} == {"better than"}
    test = Job(told, tmp_path / "bars.parquet").parts.test
    lift_NT = predict(trained.model, test)["attention"] * told.window.length
    symbol_N = [test.panel.symbols[number] for number in test.panel.symbol_R[test.ends_N]]
    planted = {
        (symbol, int(at.timestamp() * 1_000)): back
        for symbol, at, back in causes(made.events, HOUR).select("symbol", "ts", "steps_back").iter_rows()
    }
    back_N = [planted.get(key) for key in zip(symbol_N, test.opened_at_ms.tolist(), strict=True)]
    at_event = [row[-1 - back] for row, back in zip(lift_NT, back_N, strict=True) if back is not None]
    assert len(at_event) > 1_000
    assert np.mean(at_event) > 3
