"""Recompute every prediction on a stream from nothing but the bundle, the bars and ONNX Runtime, and count differences.

    python examples/recompute.py demo/bundle demo/bars.parquet unix:///path/to/redis.sock 'gaze:{0}:predictions:demo'

No code of Gaze is used: the three features of btc_3 are written out below in plain Python. Exit status 1 where any
number differs in any bit, or a bar is on the stream twice.
"""

import base64
import json
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import redis


def log_return(closes: list[float], at: int) -> float:
    """Log of the close over the close before."""
    return math.log(closes[at] / closes[at - 1])


def relative_volume(volumes: list[float], at: int, count: int = 24) -> float:
    """Log of one plus the volume over its mean of 24 bars."""
    total = 0.0
    for step in range(at - count + 1, at + 1):
        total += volumes[step]
    return math.log1p(volumes[at] * count / total) if total else 0.0


def realised_volatility(closes: list[float], at: int, count: int = 24) -> float:
    """Sample standard deviation of 24 log returns."""
    returns = [log_return(closes, step) for step in range(at - count + 1, at + 1)]
    total = 0.0
    for one in returns:
        total += one
    squares = 0.0
    for one in returns:
        squares += (one - total / count) * (one - total / count)
    return math.sqrt(squares / (count - 1))


def features(table: pl.DataFrame) -> dict[tuple[str, int], list[float]]:
    """Symbol and opening time -> the three features, where 25 bars lie behind."""
    found = {}
    for (symbol,), bars in table.sort("ts").group_by("symbol", maintain_order=True):
        closes, volumes = bars["close"].to_list(), bars["volume"].to_list()
        opened = bars["ts"].dt.epoch("ms").to_list()
        for at in range(24, len(closes)):
            found[str(symbol), opened[at]] = [
                log_return(closes, at),
                relative_volume(volumes, at),
                realised_volatility(closes, at),
            ]
    return found


def on_stream(url: str, stream: str) -> list[dict]:  # type: ignore[type-arg]
    """Every prediction on the stream, oldest first."""
    with redis.Redis.from_url(url) as server:
        return [json.loads(fields[b"message"])["prediction"] for _, fields in server.xrange(stream)]


def differences(bundle: Path, bars: Path, predictions: list[dict]) -> int:  # type: ignore[type-arg]
    """How many numbers of these predictions are not, to the last bit, what the model says of the bars."""
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    source = session.get_inputs()[0]
    steps, step_ms = source.shape[1], predictions[0]["closed_at_ms"] - predictions[0]["opened_at_ms"]
    known = features(pl.read_parquet(bars))
    windows = np.array(
        [
            [known[one["symbol"], one["opened_at_ms"] - back * step_ms] for back in range(steps - 1, -1, -1)]
            for one in predictions
        ],
        np.float32,
    )
    wrong = 0
    for first in range(0, len(windows), 64):
        chunk, said = windows[first : first + 64], predictions[first : first + 64]
        rows = np.repeat(chunk, 2, axis=0) if len(chunk) == 1 else chunk  # one row takes another code path
        for name, values in zip(names, session.run(names, {source.name: rows}), strict=True):
            for one, value in zip(said, values, strict=False):
                if name in one["outputs"]:
                    wrong += int(np.float32(one["outputs"][name]).tobytes() != value.astype(np.float32).tobytes())
                else:
                    wrong += int(base64.b64decode(one["gaze"][name]["weights"]) != value.astype("<f4").tobytes())
    return wrong


def main() -> None:
    """Compare the stream with the bars."""
    bundle, bars, url, stream = sys.argv[1:5]
    predictions = on_stream(url, stream)
    ids = {one["id"] for one in predictions}
    wrong = differences(Path(bundle), Path(bars), predictions) if predictions else 0
    doubled = len(predictions) - len(ids)
    print(f"{len(predictions)} predictions, {doubled} doubled, {wrong} numbers different")
    sys.exit(1 if wrong or doubled else 0)


if __name__ == "__main__":
    main()
