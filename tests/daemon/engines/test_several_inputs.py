"""Bundles that read an expanding window and a market beside it are proven and served, with a graph made by hand."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from builders import HOUR, a_manifest, an_arrival
from bundles import a_reference
from onnx import TensorProto, helper, numpy_helper

from core import bundle as bundles
from core.bars import Bar
from core.bundle import GOLDEN, REFERENCE, Artefact, Bundle, Input, Window
from core.errors import BundleError
from core.features import FeatureSet
from core.inputs import Inputs
from core.prediction import decode
from core.windows import Windows
from daemon.engines import open_engine
from daemon.engines.proof import prove
from daemon.predicting.pipeline import Pipeline
from export.bundle import npz

KNOWN = FeatureSet.named("btc_3")
BARS = Input("bars", "symbol", KNOWN.names, KNOWN.digest, KNOWN.lookback, Window("expanding", 4, 2))
MARKET = Input(
    "market", "market", KNOWN.names, KNOWN.digest, KNOWN.lookback, Window("rolling", 4, 4), symbol="MARKET", lag=1
)
MANIFEST = a_manifest(inputs=(BARS, MARKET))


def a_graph() -> bytes:
    """attention: even over the rows that are there; return_1: the newest log return less the market's."""

    def taken(source: str, into: str) -> list[onnx.NodeProto]:
        return [
            helper.make_node("Gather", [source, "last"], [f"{into}_row"], axis=1),
            helper.make_node("Gather", [f"{into}_row", "first"], [into], axis=1),
        ]

    nodes = [
        *taken("bars", "own"),
        *taken("market", "beside"),
        helper.make_node("Sub", ["own", "beside"], ["return_1"]),
        helper.make_node("Gather", ["bars", "first"], ["column"], axis=2),
        helper.make_node("IsNaN", ["column"], ["lacking"]),
        helper.make_node("Where", ["lacking", "none", "one"], ["there"]),
        helper.make_node("ReduceSum", ["there", "time"], ["count"], keepdims=1),
        helper.make_node("Div", ["there", "count"], ["attention"]),
    ]
    constants = {"last": np.array(3), "first": np.array(0), "time": np.array([1]),
                 "none": np.float32(0), "one": np.float32(1)}  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "several",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4, 3]) for name in ("bars", "market")],
        [
            helper.make_tensor_value_info("return_1", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("attention", TensorProto.FLOAT, ["N", 4]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def a_bundle(folder: Path, market: str = "MARKET") -> Bundle:
    chance = np.random.default_rng(7)
    bars = chance.uniform(95, 105, (6, 28, 5))
    bars[0, :2] = bars[1, :1] = np.nan
    sample = {
        "bars": bars,
        "opened_at_ms": np.arange(6) * HOUR.ms,
        "symbol": np.array(["A"] * 6),
        "market.market": chance.uniform(95, 105, (6, 28, 5)),
    }
    inputs = Inputs(MANIFEST.inputs, HOUR).make(bars, sample["opened_at_ms"], {"market": sample["market.market"]})
    there = np.isfinite(inputs["bars"][..., 0]).astype(np.float32)
    told = {
        "input.bars": inputs["bars"],
        "input.market": inputs["market"],
        "output.return_1": inputs["bars"][:, -1, 0] - inputs["market"][:, -1, 0],
        "output.attention": there / there.sum(axis=1, keepdims=True),
    }
    files = {GOLDEN: npz(sample | told), REFERENCE: a_reference(4), "model.onnx": a_graph()}
    artefact = msgspec.convert(
        {"kind": "onnx", "file": "model.onnx", "files": ["model.onnx"], "tolerance": 1e-6, "measured": {}}, Artefact
    )
    reads = (BARS, msgspec.structs.replace(MARKET, symbol=market))
    return bundles.write(folder, msgspec.structs.replace(MANIFEST, inputs=reads, artefacts=(artefact,)), files)


def bar(number: int, symbol: str) -> Bar:
    close = float(np.random.default_rng([number, *symbol.encode()]).uniform(95, 105))
    return Bar(symbol, number * HOUR.ms, 100.0, 110.0, 90.0, close, 1.0)


def test_a_young_symbol_beside_a_market_is_proven_and_served(tmp_path: Path):
    bundle = a_bundle(tmp_path / "several")
    engine = open_engine("onnxruntime", bundle)
    assert prove(engine, bundle).same_feature_bits
    pipeline = Pipeline(bundle.manifest, bundle.digest, publish_late=True, top=2)
    windows = Windows(HOUR, ("A", "MARKET"), pipeline.bars_needed + 64)
    market = [bar(number, "MARKET") for number in range(60)]
    own = [bar(number, "A") for number in range(31, 60)]
    arrivals = [an_arrival(one) for one in sorted([*market, *own], key=lambda one: one.opened_at_ms)]
    since_ms = {"MARKET": 1 << 62}
    batch = pipeline.prepare(windows, arrivals, since_ms).batch
    messages = [decode(words) for words in pipeline.finish(batch, engine.run(batch.inputs), 0)[1].words]
    assert [one.prediction.opened_at_ms // HOUR.ms for one in messages] == [56, 57, 58, 59]
    for message in messages:
        number = message.prediction.opened_at_ms // HOUR.ms
        expected = np.float32(np.log(bar(number, "A").close / bar(number - 1, "A").close))
        expected -= np.float32(np.log(bar(number - 1, "MARKET").close / bar(number - 2, "MARKET").close))
        assert message.prediction.outputs["return_1"] == pytest.approx(expected, abs=1e-8)
        weights = np.frombuffer(message.prediction.gaze["attention"].weights, "<f4")
        rows = min(number - 54, 4)
        assert weights.tolist() == pytest.approx([0.0] * (4 - rows) + [1 / rows] * rows)


def test_a_market_without_a_symbol_is_refused(tmp_path: Path):
    bundle = a_bundle(tmp_path / "several", market="")
    with pytest.raises(BundleError, match="rolling market of no symbol"):
        Pipeline(bundle.manifest, bundle.digest, publish_late=True, top=2)
