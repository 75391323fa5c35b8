"""A replay says what the daemon says of the same bars, however they are cut."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import HOUR, an_arrival
from bundles import a_bundle

from core.bars import Bar
from core.bundle import Bundle
from core.prediction import Prediction, decode
from core.windows import Fate, Windows
from daemon.engines import open_engine
from daemon.predicting.pipeline import Pipeline
from daemon.replaying import replay as replays
from daemon.replaying.barstream import BarStream
from daemon.replaying.replay import Replay, Span

NEEDED = 72
SYMBOLS = ("AUSDT", "BUSDT")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return a_bundle(tmp_path_factory.mktemp("bundle") / "small")


def bars(first: int, last: int) -> list[Bar]:
    drawn = np.random.default_rng(5).uniform(95, 105, (200, 2))
    return [
        Bar(symbol, number * HOUR.ms, 100.0, 110.0, 90.0, float(drawn[number, column]), float(number + 1))
        for number in range(first, last + 1)
        for column, symbol in enumerate(SYMBOLS)
    ]


def a_stream(folder: Path, there: Sequence[Bar]) -> BarStream:
    path = folder / "bars.parquet"
    rows = [(bar.symbol, datetime.fromtimestamp(bar.opened_at_ms / 1_000, UTC), *bar.row) for bar in there]
    columns = ["symbol", "ts", "open", "high", "low", "close", "volume"]
    pl.DataFrame(rows, columns, orient="row").with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC"))).write_parquet(
        path
    )
    return BarStream(path, HOUR, SYMBOLS, bars_read=50)


def replayed(bundle: Bundle, stream: BarStream, from_ms: int = 0) -> tuple[Replay, list[Prediction]]:
    pipeline = Pipeline(bundle.manifest, bundle.digest, publish_late=True, top=4)
    one = Replay(pipeline, open_engine("onnxruntime", bundle), HOUR, "binance")
    return one, [said for part in one.run(stream, Span(SYMBOLS, from_ms, stream.end_ms)) for said in part]


def lived(bundle: Bundle, there: Sequence[Bar]) -> list[Prediction]:
    """What the daemon's pipeline says when the bars come one by one."""
    pipeline = Pipeline(bundle.manifest, bundle.digest, publish_late=True, top=4)
    engine, windows = open_engine("onnxruntime", bundle), Windows(HOUR, SYMBOLS, NEEDED + 64)
    said: list[Prediction] = []
    for bar in there:
        batch = pipeline.prepare(windows, [an_arrival(bar)], {}).batch
        outputs = engine.run(batch.inputs) if batch.predicted else {}
        said += [decode(words).prediction for words in pipeline.finish(batch, outputs, 5)[1].words]
    return said


def test_a_replay_is_to_the_bit_what_bars_coming_one_by_one_give(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    there = bars(1, NEEDED + 8)
    expected = lived(bundle, there)
    assert len(expected) == 18
    for together in (3, 1_024):
        monkeypatch.setattr(replays, "_BARS_TOGETHER", together)
        one, said = replayed(bundle, a_stream(tmp_path, there))
        assert said == expected
        assert one.fates == {Fate.FIRST: 2, Fate.FRESH: len(there) - 2}


def test_predictions_begin_where_they_are_asked_to_with_a_full_window(bundle: Bundle, tmp_path: Path):
    there = bars(1, NEEDED + 8)
    _, said = replayed(bundle, a_stream(tmp_path, there), from_ms=(NEEDED + 5) * HOUR.ms)
    assert said == [one for one in lived(bundle, there) if one.opened_at_ms >= (NEEDED + 5) * HOUR.ms]


def test_after_a_hole_its_symbol_is_predicted_again_once_its_window_is_whole(bundle: Bundle, tmp_path: Path):
    there = [bar for bar in bars(1, NEEDED + 80) if (bar.symbol, bar.opened_at_ms) != ("BUSDT", 75 * HOUR.ms)]
    one, said = replayed(bundle, a_stream(tmp_path, there))
    numbers = [one.opened_at_ms // HOUR.ms for one in said if one.symbol == "BUSDT"]
    assert numbers == [72, 73, 74, *range(75 + NEEDED, NEEDED + 81)]
    assert one.fates[Fate.EARLY] == 1
    assert len([one for one in said if one.symbol == "AUSDT"]) == 81
