"""Live features against offline ones over more than a million values of real bars, killed in the middle: the same bits.

The model of this test says what it reads: its output is the newest feature row. So every number that was computed live,
from bars that came one by one over a socket and through Redis, is on the stream, and is held against training's way,
the whole history of each symbol at once, which begins weeks earlier.
"""

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
import pytest
import redis
from builders import a_manifest
from onnx import TensorProto, helper, numpy_helper
from websockets.sync.client import connect

from core import bundle as bundles
from core.barfile import BarFile, read
from core.bundle import GOLDEN, REFERENCE, Artefact, Input, Window
from core.features import FeatureSet
from core.inputs import Inputs
from core.outputs import Kind, Output
from core.prediction import Message
from export.bundle import npz

if TYPE_CHECKING:
    from conftest import Gaze

HISTORY, START = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 20, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
KNOWN = FeatureSet.named("btc_rich")
WIDTH = len(KNOWN.names)
LENGTH = 2
STREAM = "gaze:{0}:predictions:mirror"
PATIENCE_MS = 60_000
INBOX = 400
"""So few bars wait inside the daemon: then its socket is left unread, and the venue waits."""


def write_mirror(folder: Path, bars: BarFile) -> None:
    """A bundle whose graph gives the newest row it is given."""
    reads = Input("bars", "symbol", KNOWN.names, KNOWN.digest, KNOWN.lookback, Window("rolling", LENGTH, LENGTH))
    says = Output(Kind.QUANTILES, 1, levels=tuple(float(column) for column in range(WIDTH)))
    graph = helper.make_graph(
        [helper.make_node("Gather", ["bars", "last"], ["quantiles_1"], axis=1)],
        "mirror",
        [helper.make_tensor_value_info("bars", TensorProto.FLOAT, ["N", LENGTH, WIDTH])],
        [helper.make_tensor_value_info("quantiles_1", TensorProto.FLOAT, ["N", WIDTH])],
        [numpy_helper.from_array(np.array(LENGTH - 1), "last")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    part = bars.symbols["BTCUSDT"]
    ends = np.arange(reads.bars_needed, reads.bars_needed + 6)
    sample = {
        "bars": np.stack([part.rows[end - reads.bars_needed : end] for end in ends]),
        "opened_at_ms": part.opened_at_ms[ends - 1],
        "symbol": np.array(["BTCUSDT"] * len(ends)),
    }
    rows_NTF = Inputs([reads], bars.interval).make(sample["bars"], sample["opened_at_ms"])["bars"]
    golden = sample | {"input.bars": rows_NTF, "output.quantiles_1": rows_NTF[:, -1]}
    artefact = Artefact(kind="onnx", files=("model.onnx",), tolerance=0.0, measured={})
    manifest = a_manifest(name="mirror", inputs=(reads,), outputs=(says,), attentions=(), artefacts=(artefact,))
    files = {GOLDEN: npz(golden), REFERENCE: npz({"none": np.zeros(1)}), "model.onnx": model.SerializeToString()}
    bundles.write(folder, manifest, files)


class Stream:
    """Follows the stream of predictions, over the end of its server."""

    def __init__(self, server: Path) -> None:
        self.messages: list[Message] = []
        self._server = server
        self._last = b"0"

    def until(self, count: int) -> None:
        """Read until there are so many, or until nothing more comes."""
        with redis.Redis(unix_socket_path=str(self._server), socket_timeout=None) as client:
            while len(self.messages) < count:
                answer = client.xread({STREAM: self._last}, count=1_000, block=PATIENCE_MS)
                if not answer:
                    return
                self._last = answer[0][1][-1][0]
                self.messages += [msgspec.json.decode(fields[b"message"], type=Message) for _, fields in answer[0][1]]


class Readiness:
    """Hears a daemon say, as it tells systemd, that every symbol is past its history."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_MS / 1_000)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))

    def wait(self) -> None:
        """Until the next daemon is ready."""
        while b"READY=1" not in self._socket.recv(4_096).splitlines():
            pass

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@pytest.fixture
def readiness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Readiness]:
    """What the daemons of this test say of themselves."""
    heard = Readiness(tmp_path / "notify", monkeypatch)
    yield heard
    heard.close()


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_million_live_feature_values_are_trainings_own_after_a_kill_in_the_middle(
    tmp_path: Path,
    shared_data: Path,
    config_for: Callable[..., str],
    gaze_in: "Callable[[Path], Gaze]",
    readiness: Readiness,
):
    gaze = gaze_in(tmp_path)
    whole = pl.read_parquet(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    whole.filter(pl.col("ts") >= HISTORY).write_parquet(tmp_path / "bars.parquet")
    bars = read(tmp_path / "bars.parquet")
    write_mirror(tmp_path / "bundle", bars)
    first_ms = int(START.timestamp() * 1_000) - HOUR_MS
    expected = {
        (symbol, int(at)): row
        for symbol, part in bars.symbols.items()
        for at, row in zip(
            part.opened_at_ms, KNOWN.history(part.rows, part.opened_at_ms).astype(np.float32), strict=True
        )
        if at >= first_ms
    }
    assert len(expected) * WIDTH > 1_000_000
    # The clock stands until two have subscribed: the daemon and, once that has its history, the test. At a minute past
    # the hour history has the last bar: none has to be asked for again, at a time that a leaping clock cannot know.
    begin = ("--start", START.strftime("%Y-%m-%dT%H:01"), "--subscribers", "2")
    stream = Stream(tmp_path / "state" / "redis.sock")
    with gaze.serving("exchange", "--bars", "bars.parquet", *begin, "--speed", "max", "--hold", "--json") as exchange:
        settings = config_for(exchange.listens, bars.symbols).replace("[feed]", f"[feed]\ninbox = {INBOX}")
        (tmp_path / "gaze.toml").write_text(settings)
        beside = f"{exchange.listens['websocket']}/ws/btcusdt@kline_1h"
        with gaze.serving("run", "gaze.toml", "--json") as daemon:
            readiness.wait()
            with connect(beside, max_queue=None):
                stream.until(len(expected) // 2)
                daemon.process.kill()
                daemon.ended()
        before_kill = len(stream.messages)
        with gaze.serving("run", "gaze.toml", "--json") as daemon:
            readiness.wait()
            with connect(beside, max_queue=None):
                stream.until(len(expected))
            assert daemon.stop() == 0
    said = {(one.prediction.symbol, one.prediction.opened_at_ms): one.prediction for one in stream.messages}
    assert len(stream.messages) == len(said)
    assert said.keys() == expected.keys()
    live_before, live_after = (
        sum(one.context.origin == "live" for one in half)
        for half in (stream.messages[:before_kill], stream.messages[before_kill:])
    )
    assert live_before > 20_000, "before the kill too much was fetched from history"
    assert live_after > 20_000, "after the kill too much was fetched from history"
    live = np.array([said[bar].outputs["quantiles_1"] for bar in expected], np.float32)
    offline = np.array(list(expected.values()))
    assert live.shape == offline.shape == (len(expected), WIDTH)
    assert int((live.view(np.uint32) != offline.view(np.uint32)).sum()) == 0
