"""Models to measure: every family at its usual size, with random weights, on made-up bars."""

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from core.bundle import Input, Manifest, Training, Window
from core.features import FeatureSet
from core.golden import MARKET
from core.outputs import Kind, Output
from export import golden
from export.source import Source
from training import families
from training.families import FAMILIES

ONE_THREAD = {"machine": f"{platform.machine()}, {platform.system()}, one thread", "torch": str(torch.__version__)}
ROWS = 12
_FEWEST_PAIRS = 2
OPTIONS: dict[str, dict[str, object]] = {
    "hybrid_lstm": {"windows": [8, 24]},
    "hybrid_lstm:last": {"windows": [8, 24], "queries": "last"},
}
"""Where a family of its usual size needs a longer window, and variants of a family."""
OUTPUTS = (Output(Kind.RETURN, 1, "log return"), Output(Kind.DIRECTION, 1))


def source_of(family: str, window: int) -> Source:
    """A model of the family, or of its variant in OPTIONS, and what it says about some bars."""
    name, family = family, family.partition(":")[0]
    own, market = FeatureSet.named("btc_3"), FeatureSet(["log_return_1", "realised_volatility_24"])
    kind = "expanding" if FAMILIES[family].expanding else "rolling"
    reads = msgspec.convert(
        {"kind": kind, "length": window, "minimum": window // 8 if kind == "expanding" else window}, Window
    )
    whole = Window("rolling", window, window)
    inputs = [Input("bars", "symbol", own.names, own.digest, own.lookback, reads)]
    if FAMILIES[family].market:
        inputs.append(Input("market", "market", market.names, market.digest, market.lookback, whole, "BTCUSDT", 1))
    torch.manual_seed(1)
    model = families.build(family, OPTIONS.get(name, {}), tuple(inputs), OUTPUTS).eval()
    manifest = Manifest(
        name=family,
        version="1",
        family=family,
        interval="1h",
        inputs=tuple(inputs),
        outputs=OUTPUTS,
        attentions=model.attentions,
        artefacts=(),
        training=Training("0" * 64, ("BTCUSDT",), {}, {}),
        scores=(),
        recipe={},
        commit="unknown",
        created_at="2026-01-01T00:00:00Z",
    )
    return Source(model, manifest, golden.make(model, manifest, sample_of(manifest)))


def inputs_of(manifest: Manifest, rows: int) -> dict[str, npt.NDArray[np.float32]]:
    """So many windows of features of usual sizes."""
    random = np.random.default_rng(1)
    return {one.name: (0.01 * random.standard_normal((rows, *one.row))).astype(np.float32) for one in manifest.inputs}


def in_turn(run: Callable[[], Any], other: Callable[[], Any], seconds: float = 2.0) -> tuple[float, float]:
    """One after the other, again and again for so many seconds, twice at least, after one of each to warm up.

    Returns how many times as long the other takes, the median over pairs, and the best of the first in microseconds.
    """
    run()
    other()
    pairs: list[tuple[float, float]] = []
    while len(pairs) < _FEWEST_PAIRS or sum(map(sum, pairs)) < seconds:
        begun = time.perf_counter()
        run()
        between = time.perf_counter()
        other()
        pairs.append((between - begun, time.perf_counter() - between))
    ratio = statistics.median(second / first for first, second in pairs)
    return ratio, min(first for first, _ in pairs) * 1e6


def sample_of(manifest: Manifest) -> dict[str, npt.NDArray[Any]]:
    """Made-up bars, long enough for its windows."""
    random = np.random.default_rng(1)
    steps = max(one.bars_needed + one.lag for one in manifest.inputs)
    close_NL = 100 * np.exp(np.cumsum(random.normal(0, 5e-3, (ROWS, steps)), axis=1))
    open_NL = np.concatenate([close_NL[:, :1], close_NL[:, :-1]], axis=1)
    high_NL, low_NL = np.maximum(open_NL, close_NL) * 1.001, np.minimum(open_NL, close_NL) * 0.999
    bars_NL5 = np.stack([open_NL, high_NL, low_NL, close_NL, random.lognormal(3, 1, (ROWS, steps))], axis=-1)
    markets = {MARKET + one.name: bars_NL5 for one in manifest.inputs if one.source == "market"}
    times_N = np.arange(ROWS, dtype=np.int64) * 3_600_000
    return {"bars": bars_NL5, "opened_at_ms": times_N, "symbol": np.array(["BTCUSDT"] * ROWS), **markets}
