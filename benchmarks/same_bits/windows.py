"""The windows of a recipe live against training's own, bit by bit: as rows.py, of any recipe's inputs.

    gaze bench same-windows winner_daily --bars stocks.parquet --learn-until 2016-01-01 --closed 2017-01-02

The model says the oldest and the newest row of every window it is given: the symbol's, longer bars', a market's. Each
is held against the rows that training cut its windows from. When the venue is open, the model knows from bars before
`--learn-until`; later holidays are told to the daemon.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from benchmarks.same_bits.served import Bar, Rows, read, serve, settings, table
from core import golden as golden_of_bundle
from core.barfile import BarFile, SymbolBars
from core.bars import Interval
from core.bundle import GOLDEN, REFERENCE, Artefact, Manifest, Training, write
from core.inputs import Inputs
from core.outputs import Kind, Output
from core.sessions import Sessions, Stretch
from export.bundle import npz
from training import recipe as recipes
from training.data.dataset import Panel, Samples
from training.data.panel import panel
from training.data.sessions import sessions
from training.recipe import Recipe

_NEVER_MS: Final = 1 << 62
_SAMPLE: Final = 6


class RecipeMirror:
    """One file of bars, the windows that a recipe makes of it, and a model that says what it is given of them.

    `start_ms`: when the venue begins. `learn_ms`: bars before tell when the venue is open. `closed`: days after it.
    """

    def __init__(
        self, folder: Path, bars: BarFile, told: Recipe, *, start_ms: int, learn_ms: int, closed: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.bars = bars
        self.late_ms = _NEVER_MS
        self._closed = tuple(closed)
        self._made = panel(bars, told)
        self.interval = self._made.interval
        known = list(_before(bars, learn_ms).symbols.values())
        grid = sessions(Interval.parse(told.data.interval), known, told=told.data.sessions)
        self._manifest = _manifest(self._made, bars, told, grid.stretches if isinstance(grid, Sessions) else ())
        self.start_ms = start_ms
        self.names = tuple(f"{one.name} {name}" for one in self._made.inputs for name in one.features * 2)
        self.expected = self._offline()
        self._write_bundle()

    def records(self, *, late: bool) -> None:
        """There are none."""

    def settings(self, listens: dict[str, str]) -> str:
        """The daemon's."""
        return settings(listens, self._made.symbols, f"closed = {json.dumps(self._closed)}\ninbox = 400\n")

    def _offline(self) -> dict[Bar, Rows]:
        """Of every bar from the one that closes as the venue begins: the rows of its windows, as training has them."""
        made = self._made
        usable_R = made.before_R >= Inputs(made.inputs, made.interval).fewest_bars
        usable_R &= made.opened_at_ms_R >= made.interval.after(made.interval.floor(self.start_ms), -1)
        # A venue whose clock stands at its end never shows the last bar as settled: whoever missed it live has lost it.
        usable_R &= made.opened_at_ms_R < made.opened_at_ms_R.max()
        for beside in (*made.scales, *([made.market] if made.market else [])):
            usable_R &= beside.row_R >= 0
        return {
            (made.symbols[made.symbol_R[row]], int(made.opened_at_ms_R[row])): _ends_of(made, row)
            for row in np.flatnonzero(usable_R).tolist()
        }

    def _write_bundle(self) -> None:
        manifest, made = self._manifest, self._made
        samples, which = Samples(made, made.ends_N[:_SAMPLE]), np.arange(_SAMPLE)
        ends_N = samples.ends_N
        arrays = {
            "bars": samples.bars(which),
            "opened_at_ms": made.opened_at_ms_R[ends_N],
            "symbol": np.array([made.symbols[number] for number in made.symbol_R[ends_N]]),
        }
        if made.market is not None:
            arrays[golden_of_bundle.MARKET + "market"] = samples.market_bars(which)
        given = golden_of_bundle.features(manifest, arrays)
        said = np.stack([_ends_of(made, row) for row in ends_N.tolist()])
        golden = arrays | {f"input.{name}": rows for name, rows in given.items()} | {"output.quantiles_1": said}
        files = {GOLDEN: npz(golden), REFERENCE: npz({"none": np.zeros(1)}), "model.onnx": _graph(made)}
        write(self.folder / "bundle", manifest, files)


def _ends_of(made: Panel, row: int) -> Rows:
    """(W,): the oldest and the newest row of each input's window that ends with this row of the panel."""
    # The oldest row of an expanding window may be none: there the newest is said twice.
    oldest = row if made.window.kind == "expanding" else row - made.length + 1
    blocks = [made.features_RF[[oldest, row]]]
    for scale in made.scales:
        last = int(scale.row_R[row])
        blocks.append(scale.features_MF[[last - scale.length + 1, last]])
    if made.market is not None:
        last = int(made.market.row_R[row])
        blocks.append(made.market.features_MF[[last - made.length + 1, last]])
    return np.concatenate([block.ravel() for block in blocks])


def _manifest(made: Panel, bars: BarFile, told: Recipe, stretches: tuple[Stretch, ...]) -> Manifest:
    width = sum(2 * len(one.features) for one in made.inputs)
    return Manifest(
        name="mirror",
        version="1",
        family="mirror",
        interval=made.interval.name,
        inputs=made.inputs,
        outputs=(Output(Kind.QUANTILES, 1, levels=tuple(float(column) for column in range(width))),),
        attentions=(),
        artefacts=(Artefact(kind="onnx", files=("model.onnx",), tolerance=0.0, measured={}),),
        training=Training(bars.fingerprint, made.symbols, {}, {}, sessions=stretches),
        scores=(),
        recipe=msgspec.to_builtins(told),
        commit="unknown",
        created_at="2026-01-01T00:00:00Z",
    )


def _graph(made: Panel) -> bytes:
    """The oldest and the newest row of every input, one after the other."""
    nodes: list[NodeProto] = []
    constants = [numpy_helper.from_array(np.array([0, -1]), "flat")]
    for one in made.inputs:
        last = one.window.length - 1
        ends = [last if one.window.kind == "expanding" else 0, last]
        constants.append(numpy_helper.from_array(np.array(ends), f"{one.name} ends"))
        nodes.append(helper.make_node("Gather", [one.name, f"{one.name} ends"], [f"{one.name} rows"], axis=1))
        nodes.append(helper.make_node("Reshape", [f"{one.name} rows", "flat"], [f"{one.name} flat"]))
    nodes.append(helper.make_node("Concat", [f"{one.name} flat" for one in made.inputs], ["quantiles_1"], axis=1))
    width = sum(2 * len(one.features) for one in made.inputs)
    graph = helper.make_graph(
        nodes,
        "mirror",
        [helper.make_tensor_value_info(one.name, TensorProto.FLOAT, ["N", *one.row]) for one in made.inputs],
        [helper.make_tensor_value_info("quantiles_1", TensorProto.FLOAT, ["N", width])],
        constants,
    )
    opsets = [helper.make_opsetid("", 20)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


def _before(bars: BarFile, until_ms: int) -> BarFile:
    parts = {
        name: SymbolBars(name, part.opened_at_ms[:end], part.rows[:end])
        for name, part in bars.symbols.items()
        if (end := int(np.searchsorted(part.opened_at_ms, until_ms)))
    }
    return BarFile(bars.interval, parts, bars.fingerprint)


def _ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a built-in recipe, or a file")
    parser.add_argument("--set", dest="changes", action="append", default=[], help="KEY=VALUE, as gaze train takes it")
    parser.add_argument("--bars", type=Path, required=True, help="Parquet file")
    parser.add_argument("--start", required=True, help="the day on which the venue begins; what lies before is history")
    parser.add_argument("--learn-until", default="", help="bars before this day tell the sessions; else --start")
    parser.add_argument("--closed", action="append", default=[], help="a holiday after that")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    told = recipes.read(asked.recipe, None, asked.changes)
    with tempfile.TemporaryDirectory(prefix="gaze-windows-") as temporary:
        bars = read(Path(temporary), asked.bars, told.data.interval)
        start_ms, learn_ms = _ms(asked.start), _ms(asked.learn_until or asked.start)
        mirror = RecipeMirror(Path(temporary), bars, told, start_ms=start_ms, learn_ms=learn_ms, closed=asked.closed)
        counts = asyncio.run(serve(mirror, asked.bars.name))
    print(json.dumps(msgspec.to_builtins(counts), indent=2) if asked.json else table([counts]))
    if not counts.clean:
        sys.exit(1)


if __name__ == "__main__":
    main()
