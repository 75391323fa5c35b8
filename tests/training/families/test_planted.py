"""Every family finds what is planted: a burst of volume whose direction the price follows some bars later."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from runs import HOUR, a_run

from training import recipe
from training.bars.simulate import simulate
from training.families import FAMILIES

OPTIONS = {
    "attention_lstm": "{hidden=[32, 16], dense=[32, 16], dropout=0.0, score='bahdanau'}",
    "cross_attention": "{d_model=16, heads=2, layers=2, feed_forward=32, market_layers=1}",
    "dual_horizon": "{hidden=16, heads=2, head_hidden=[16], dropout=0.1}",
    "dual_tower": "{hidden=32, embedding=16}",
    "hourly_lstm": "{hidden=16, score='bahdanau'}",
    "hybrid_lstm": "{windows=[4, 12], hidden=16, heads=2, queries='last', dropout=0.1}",
    "tcn": "{channels=16, blocks=4, dropout=0.1}",
    "transformer": "{d_model=16, heads=2, layers=2, feed_forward=32}",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planted") / "bars.parquet"
    simulate(12, 2_000, HOUR, datetime(2024, 1, 1, tzinfo=UTC), seed=3).bars.write_parquet(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_its_area_under_the_curve_is_above_that_of_chance_and_of_boosting(family: str, planted: Path, tmp_path: Path):
    """Most bars have no cause, and no model can tell their direction: near 0.6 is about all there is."""
    market = ("data.market=SIM01USDT", "data.market_features=btc_3") if FAMILIES[family].market else ()
    changes = (
        *(f"model.family={family}", f"model.options={OPTIONS[family]}", "label.kind=direction", "window.length=24"),
        *("optimiser.epochs=12", "optimiser.learning_rate=0.004", "optimiser.batch=128", "schedule.kind=cosine"),
        *("stopping.patience=12", "split.purge=labels"),
    )
    trained = a_run(recipe.read("demo", changes=(*changes, *market)), planted, tmp_path / "run")
    scores = {score.predictor: score for score in trained.scores if score.measure == "auc"}
    assert scores["model"].value > 0.56
    assert scores["model"].low > 0.54 > scores["boosting"].value
