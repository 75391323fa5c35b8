"""What every pipeline of `gaze bench peers` shares: the model, the history, and what it says. They differ in the rest.

    python -m benchmarks.peers.peer NAME SCENE WEBSOCKET REDIS

SCENE is a folder with scene.json, history.npy (N, L, 5) and model.onnx. Each reads the same frames of the stand-in
exchange, keeps the last bars of each symbol, computes the same features, runs the same graph, and publishes.
"""

import json
import pkgutil
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from core.features import FeatureSet

NAMES: Final = ("tutorial", "competent", "bytewax", "faststream")
CHANNEL: Final = "predictions"
STREAMS_A_SOCKET: Final = 1_000
"""Binance takes 1,024."""
_STREAMS_A_MESSAGE: Final = 100
Floats = npt.NDArray[np.float64]


class Peer(msgspec.Struct, frozen=True):
    """What a pipeline is given."""

    symbols: list[str]
    history_NL5: Any
    session: Any
    features: FeatureSet
    steps: int
    websocket: str
    redis: str

    def rows(self, bars_NL5: Floats) -> npt.NDArray[np.float32]:
        """(N, L, 5) -> (N, T, F)."""
        return self.features.rows(bars_NL5, self.steps).astype(np.float32)

    def predict(self, bars_NL5: Floats) -> npt.NDArray[np.float32]:
        """(N, L, 5) -> (N,)."""
        said: npt.NDArray[np.float32] = self.session.run(["return_1"], {"bars": self.rows(bars_NL5)})[0]
        return said

    def sockets(self) -> list[list[str]]:
        """For each socket the messages to the exchange, 100 streams each."""
        streams = [f"{symbol.lower()}@kline_1m" for symbol in self.symbols]
        asked = [
            json.dumps({"method": "SUBSCRIBE", "params": streams[at : at + _STREAMS_A_MESSAGE], "id": at})
            for at in range(0, len(streams), _STREAMS_A_MESSAGE)
        ]
        each = STREAMS_A_SOCKET // _STREAMS_A_MESSAGE
        return [asked[at : at + each] for at in range(0, len(asked), each)]


def bar_of(event: Any) -> tuple[str, int, list[float]] | None:
    """Symbol, opening time and the five numbers of a closed bar in a decoded frame; None of anything else."""
    kline = event.get("data", {}).get("k")
    if not kline or not kline["x"]:
        return None
    return event["data"]["s"], kline["t"], [float(kline[letter]) for letter in "ohlcv"]


def message(symbol: str, opened_at_ms: int, received_at_ms: int, said: float) -> dict[str, Any]:
    """What is published."""
    return {"symbol": symbol, "opened_at_ms": opened_at_ms, "received_at_ms": received_at_ms, "return_1": said}


def main(name: str, scene: str, websocket: str, redis: str) -> None:
    folder = Path(scene)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession((folder / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"])
    told = json.loads((folder / "scene.json").read_text())
    peer = Peer(
        told["symbols"],
        np.load(folder / "history.npy"),
        session,
        FeatureSet.named(told["features"]),
        told["steps"],
        websocket,
        redis,
    )
    peer.predict(peer.history_NL5[:2])
    print("{}", flush=True)
    pkgutil.resolve_name(f"benchmarks.peers.{name}:run")(peer)


if __name__ == "__main__":
    main(*sys.argv[1:])
