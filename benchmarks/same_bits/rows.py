"""Live feature rows against offline ones, bit by bit, over files of real bars.

    gaze bench same-bits --bars hours.parquet --bars minutes.parquet

Each file is told bar by bar by the stand-in exchange to a daemon whose model says what it reads: its output is the
newest row, features of the bars and external records alike. So every number that was computed live, from bars that came
over a socket and went through Redis, is on the stream. The daemon is killed (SIGKILL) in the middle, and what becomes
known later is written only then. Each number is held against training's way: the whole history of each symbol at once,
which begins at another bar. Exit status 1 where any bit differs, or a bar is missing or said twice.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.same_bits.served import Bar, Counts, Rows, read, serve, settings, table
from core import recordfile
from core.barfile import BarFile, SymbolBars
from core.bundle import GOLDEN, REFERENCE, Artefact, Input, Manifest, Training, Window, write
from core.external import External
from core.features import FeatureSet
from core.golden import EXTERNAL
from core.inputs import Inputs
from core.outputs import Kind, Output
from export.bundle import npz

KNOWN: Final = FeatureSet.named("btc_rich")
LENGTH: Final = 2
INBOX: Final = 400
"""So few bars wait inside the daemon: then its socket is left unread, and the venue waits."""
LATE_SHARE: Final = 0.6
"""External records that become known after so many of the rows are written after the kill."""


class Mirror:
    """One file of bars, what is told of it, and what must come back."""

    def __init__(self, folder: Path, bars: BarFile, history: int) -> None:
        self.folder = folder
        self.bars = bars
        self.interval = bars.interval
        day_ms = 24 * self.interval.ms
        self.external = (
            External("mood", "series", 3 * day_ms, delay_ms=self.interval.ms // 4),
            External("fair", "event", 10 * day_ms),
        )
        self.names = (*KNOWN.names, *(column for one in self.external for column in one.columns))
        window = Window("rolling", LENGTH, LENGTH)
        self.reads = Input("bars", "symbol", self.names, KNOWN.digest, KNOWN.lookback, window, external=self.external)
        first_ms = min(int(part.opened_at_ms[0]) for part in bars.symbols.values())
        self.start_ms = first_ms + history * self.interval.ms
        self._records = self._write_records(first_ms)
        self.expected = self._offline()
        times = np.sort(np.array([at for _, at in self.expected], np.int64))
        self.late_ms = int(times[int(len(times) * LATE_SHARE)])
        self.records(late=False)
        self.write_bundle()

    def records(self, *, late: bool) -> None:
        """Write the external records that are known by `late_ms`, or append the others."""
        some = [one for one in self._records if (one["known_at"] > self.late_ms) == late]
        with (self.folder / "records.jsonl").open("a" if late else "w") as file:
            file.writelines(json.dumps(one) + "\n" for one in some)

    def _write_records(self, first_ms: int) -> list[dict[str, Any]]:
        """A mood of everyone twice a day, of every third symbol its own, and fairs announced a week before."""
        chance = np.random.default_rng(1)
        last_ms = max(int(part.opened_at_ms[-1]) for part in self.bars.symbols.values())
        step = self.interval.ms
        told: list[dict[str, Any]] = []
        for symbol in ("", *list(self.bars.symbols)[::3]):
            for at_ms in range(first_ms, last_ms, (17 if symbol else 12) * step):
                known_ms = at_ms + int(chance.integers(step))
                told.append({"name": "mood", "symbol": symbol, "known_at": known_ms, "value": chance.normal()})
        told += [
            {"name": "fair", "known_at": at_ms, "at": at_ms + 168 * step + 7}
            for at_ms in range(first_ms, last_ms, 100 * step)
        ]
        (self.folder / "every.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told))
        return told

    def _offline(self) -> dict[Bar, Rows]:
        """Every row that the daemon must say, as training computes it."""
        records = recordfile.read(self.folder / "every.jsonl")
        needed = self.reads.bars_needed
        expected: dict[Bar, Rows] = {}
        for part in self.bars.symbols.values():
            for some in _unbroken(part, self.interval.ms):
                rows_TF = KNOWN.history(some.rows, some.opened_at_ms).astype(np.float32)
                beside_TE = records.columns(self.external, some.symbol, some.opened_at_ms + self.interval.ms)
                whole_TF = np.concatenate([rows_TF, beside_TE.astype(np.float32)], axis=1)
                for place in range(needed - 1, len(whole_TF)):
                    at_ms = int(some.opened_at_ms[place])
                    # The bar that closes as the venue begins is the first that is wanted.
                    if at_ms >= self.start_ms - self.interval.ms:
                        expected[some.symbol, at_ms] = whole_TF[place]
        return expected

    def write_bundle(self) -> None:
        """A bundle whose graph gives the newest row it is given."""
        width, needed = len(self.names), self.reads.bars_needed
        graph = helper.make_graph(
            [helper.make_node("Gather", ["bars", "last"], ["quantiles_1"], axis=1)],
            "mirror",
            [helper.make_tensor_value_info("bars", TensorProto.FLOAT, ["N", LENGTH, width])],
            [helper.make_tensor_value_info("quantiles_1", TensorProto.FLOAT, ["N", width])],
            [numpy_helper.from_array(np.array(LENGTH - 1), "last")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        part = next(max(_unbroken(one, self.interval.ms), key=_length) for one in self.bars.symbols.values())
        ends = np.arange(needed, needed + 6)
        sample = {
            "bars": np.stack([part.rows[end - needed : end] for end in ends]),
            "opened_at_ms": part.opened_at_ms[ends - 1],
            "symbol": np.array([part.symbol] * len(ends)),
            EXTERNAL + "bars": np.zeros((len(ends), LENGTH, 2 * len(self.external)), np.float32),
        }
        rows_NTF = Inputs([self.reads], self.interval).make(
            sample["bars"], sample["opened_at_ms"], external={"bars": sample[EXTERNAL + "bars"]}
        )["bars"]
        says = Output(Kind.QUANTILES, 1, levels=tuple(float(column) for column in range(width)))
        manifest = Manifest(
            name="mirror",
            version="1",
            family="mirror",
            interval=self.interval.name,
            inputs=(self.reads,),
            outputs=(says,),
            attentions=(),
            artefacts=(Artefact(kind="onnx", files=("model.onnx",), tolerance=0.0, measured={}),),
            training=Training(self.bars.fingerprint, tuple(self.bars.symbols), {}, {}),
            scores=(),
            recipe={},
            commit="unknown",
            created_at="2026-01-01T00:00:00Z",
        )
        golden = sample | {"input.bars": rows_NTF, "output.quantiles_1": rows_NTF[:, -1]}
        files = {GOLDEN: npz(golden), REFERENCE: npz({"none": np.zeros(1)}), "model.onnx": model.SerializeToString()}
        write(self.folder / "bundle", manifest, files)

    def settings(self, listens: dict[str, str]) -> str:
        """The daemon's."""
        feed = f"inbox = {INBOX}\nfill_wait_s = 1.0\n"
        return settings(listens, self.bars.symbols, feed) + '[external]\npath = "records.jsonl"\nlook_s = 0.2\n'


async def measure(folder: Path, bars: BarFile, file: str, history: int) -> Counts:
    """Serve a file in an empty folder, and hold what was said against what training computes."""
    return await serve(Mirror(folder, bars, history), file)


def _unbroken(part: SymbolBars, step_ms: int) -> list[SymbolBars]:
    """A symbol's bars as stretches without a gap."""
    edges = [0, *(np.flatnonzero(np.diff(part.opened_at_ms) != step_ms) + 1).tolist(), len(part.rows)]
    return [
        SymbolBars(part.symbol, part.opened_at_ms[first:end], part.rows[first:end])
        for first, end in itertools.pairwise(edges)
    ]


def _length(part: SymbolBars) -> int:
    return len(part.rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=Path, action="append", required=True, help="Parquet file; may be repeated")
    parser.add_argument("--interval", help="where a file has several")
    parser.add_argument("--from", dest="begin", default="", help="leave out bars before this day")
    parser.add_argument("--history", type=int, default=300, help="bars of each file that are past at the start")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    counts = []
    for file in asked.bars:
        with tempfile.TemporaryDirectory(prefix="gaze-bits-") as temporary:
            folder = Path(temporary)
            bars = read(folder, file, asked.interval, asked.begin)
            counts.append(asyncio.run(measure(folder, bars, file.name, asked.history)))
        print(f"{counts[-1].rows:,} rows of {file.name}, {counts[-1].differing} numbers differ", file=sys.stderr)
    print(json.dumps(msgspec.to_builtins(counts), indent=2) if asked.json else table(counts))
    if not all(one.clean for one in counts):
        sys.exit(1)


if __name__ == "__main__":
    main()
