"""Published tables, computed again from the data they are of: docs/results.md has them beside what was published.

N windows, T steps, C channels, H bars ahead.
"""

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.bars import CLOSE

Floats = npt.NDArray[np.float64]

LOOKBACK: Final = 96
AHEAD: Final = (96, 192, 336, 720)
BATCHES: Final = (None, 8, 32)
"""Batch sizes of which a loader drops the last, incomplete one; None keeps every window."""
UP: Final = 0.0055
DOWN: Final = -0.005
"""Moves from which a label of ACL18 is a rise or a fall; what lies between is left out."""
CANDLES_IN: Final = 48
CANDLES_OUT: Final = 24


def exchange_rate(published: Path, _: Path) -> dict[str, Any]:
    """Repeating the last value, on eight currencies: mean square and absolute error of standardised values."""
    with gzip.open(published / "exchange_rate.txt.gz", "rt", encoding="utf-8") as file:
        rows_TC = np.loadtxt(file, delimiter=",")
    train, test = int(len(rows_TC) * 0.7), int(len(rows_TC) * 0.2)
    rows_TC = (rows_TC - rows_TC[:train].mean(axis=0)) / rows_TC[:train].std(axis=0)
    tail_TC = rows_TC[len(rows_TC) - test - LOOKBACK :]
    found: dict[str, Any] = {"rows": len(rows_TC), "ahead": AHEAD}
    for batch in BATCHES:
        squares, distances = zip(*(_repeat(tail_TC, ahead, batch) for ahead in AHEAD), strict=True)
        found[f"dropping the last batch of {batch}" if batch else "every window"] = {"mse": squares, "mae": distances}
    return found


def _repeat(tail_TC: Floats, ahead: int, batch: int | None) -> tuple[float, float]:
    count = len(tail_TC) - LOOKBACK - ahead + 1
    count = count // batch * batch if batch else count
    squares = distances = 0.0
    for start in range(count):
        now = start + LOOKBACK
        away_HC = tail_TC[now : now + ahead] - tail_TC[now - 1]
        squares, distances = squares + float((away_HC**2).mean()), distances + float(np.abs(away_HC).mean())
    return squares / count, distances / count


def acl18(published: Path, _: Path) -> dict[str, Any]:
    """The rule that made the labels of 87 stocks, and what always naming the more frequent side gets on the test."""
    prices = pl.read_parquet(published / "acl18_stocknet_daily.parquet").sort("symbol", "ts")
    prices = prices.filter(pl.col("adj_close").is_not_null())
    labels = pl.read_parquet(published / "acl18_labels.parquet")
    close = pl.col("adj_close")
    moved = prices.with_columns((close / close.shift(1).over("symbol") - 1).alias("moved"))
    both = labels.join(moved.select("symbol", "ts", "moved"), on=["symbol", "ts"], how="left")
    both = both.filter(pl.col("label").is_not_null() & pl.col("moved").is_not_null())
    rule = pl.when(pl.col("moved") >= UP).then(1).when(pl.col("moved") <= DOWN).then(-1).otherwise(0)
    obeyed = int(both.select((rule == pl.col("label")).sum()).item())
    sides = {}
    for name, chosen in (
        ("train", both.filter(pl.col("ts") < pl.date(2015, 8, 1))),
        ("test", both.filter((pl.col("ts") >= pl.date(2015, 10, 1)) & pl.col("valid"))),
    ):
        told = chosen.filter(pl.col("label") != 0)["label"].to_numpy()
        sides[name] = {"samples": len(told), "up": float((told == 1).mean())}
    named = sides["train"]["up"] >= 0.5
    up = sides["test"]["up"]
    return {"labels": both.height, "obeyed": obeyed, **sides, "majority_of_training": up if named else 1 - up}


def bitcoin_30m(_: Path, bars: Path) -> dict[str, Any]:
    """48 half-hours in, 24 out, the final tenth held out once: an LSTM with Bahdanau's attention beside persistence."""
    from core import barfile  # noqa: PLC0415 - torch is slow to load, and the other protocols need none
    from training import recipe  # noqa: PLC0415
    from training.data.dataset import Samples  # noqa: PLC0415
    from training.fitting import loop  # noqa: PLC0415
    from training.job import Job  # noqa: PLC0415
    from training.judging.intervals import bootstrap  # noqa: PLC0415
    from training.judging.predicting import predict  # noqa: PLC0415

    path = bars / "binance_usdm_30m_btc_eth_2023_2025h1.parquet"
    changes = (
        *("data.interval=30m", "data.symbols=['BTCUSDT']", f"window.length={CANDLES_IN}"),
        *(f"label.horizons={list(range(1, CANDLES_OUT + 1))}", "split.train=0.75", "split.validation=0.15"),
        *("model.options.hidden=64", "model.options.score=bahdanau", "optimiser.epochs=10", "stopping.patience=3"),
    )
    with TemporaryDirectory() as folder:
        # barfile reads bars as they are imported: times of milliseconds, in UTC.
        imported = Path(folder) / "bars.parquet"
        pl.read_parquet(path).with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC"))).write_parquet(imported)
        job = Job(recipe.read("bitcoin_hourly", changes=changes), imported)
        assert barfile.read(imported, "30m").fingerprint == job.fingerprint
    loop.set_up(job.model, job.parts)
    epochs = len(list(loop.Fit(job.model, job.parts, job.recipe).epochs(lambda *_: None)))
    test = job.parts.test
    apart = Samples(test.panel, test.ends_N[::CANDLES_OUT])
    said = predict(job.model, apart)
    close_R = test.panel.bars_R5[:, CLOSE]
    ahead_NH = apart.ends_N[:, None] + np.arange(1, CANDLES_OUT + 1)
    actual_NH, now_N1 = close_R[ahead_NH], close_R[apart.ends_N][:, None]
    told_NH = now_N1 * np.exp(np.stack([said[f"return_{ahead}"] for ahead in range(1, CANDLES_OUT + 1)], axis=1))
    moved_N, pointed_N = actual_NH[:, -1] - now_N1[:, 0], told_NH[:, -1] - now_N1[:, 0]
    right = float((np.sign(moved_N) == np.sign(pointed_N)).mean())
    better_N = np.abs(told_NH - actual_NH).mean(axis=1) - np.abs(now_N1 - actual_NH).mean(axis=1)
    draws = bootstrap(len(apart), 1)
    sums = draws.sums(np.stack([better_N, np.ones(len(apart))], axis=1))
    low, high = draws.bounds(sums[:, 0] / sums[:, 1])
    return {
        "windows": len(apart),
        "epochs": epochs,
        "model": _errors(told_NH, actual_NH),
        "persistence": _errors(now_N1, actual_NH),
        "apart": {"mae": float(better_N.mean()), "low": low, "high": high},
        "direction_12h": right,
        "direction_error": math.sqrt(right * (1 - right) / len(apart)),
        "up": float((moved_N > 0).mean()),
    }


def _errors(told: Floats, actual: Floats) -> dict[str, float]:
    away = told - actual
    return {"mae": float(np.abs(away).mean()), "rmse": float(np.sqrt((away**2).mean()))}


PROTOCOLS: Final[dict[str, Callable[[Path, Path], dict[str, Any]]]] = {
    "exchange_rate": exchange_rate,
    "acl18": acl18,
    "bitcoin_30m": bitcoin_30m,
}
