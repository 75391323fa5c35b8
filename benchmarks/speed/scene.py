"""What a burst needs: a model of the asked size, bars that are made up, and windows that are full in the store.

N symbols, L bars. The model is not trained: its time does not depend on its weights. Bars last a minute, so that bursts
follow each other; what is done for one is what is done for an hourly one.
"""

import asyncio
import hashlib
import json
import shutil
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import redis

from benchmarks.features.bars import random_bars
from benchmarks.house import HOUSE
from core import bundle as bundles
from core.bars import COLUMNS, BarArray, Interval, TimeArray
from core.bundle import Bundle, Input, Manifest, Training, Window
from core.errors import BundleError
from core.features import FeatureSet
from core.outputs import Kind, Output
from daemon.building import SPARE_BARS
from daemon.sharding import owner
from daemon.stores import ring
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys

MINUTE: Final = Interval.parse("1m")
STEPS: Final = 48
HIDDEN: Final = 128
BEGINS_AT_MS: Final = 1_750_000_020_000
_SAMPLE: Final = 16
_RINGS_A_CALL: Final = 100


class Scene(msgspec.Struct, frozen=True):
    """Bars of every symbol: (N, L, 5) and (L,); the last `live` of them are told by the exchange."""

    symbols: tuple[str, ...]
    bars_NL5: BarArray
    opened_at_ms_L: TimeArray
    live: int


def make_scene(bundle: Bundle, symbols: int, live: int) -> Scene:
    """Full windows for so many symbols, and so many bars to come."""
    length = bundle.manifest.inputs[0].bars_needed + live
    opened_at_ms_L = BEGINS_AT_MS + np.arange(length, dtype=np.int64) * MINUTE.ms
    names = tuple(f"S{number:05}USDT" for number in range(symbols))
    # As venues tell them: prices with four decimals, volumes with three.
    bars_NL5 = random_bars(symbols, length).round(4)
    bars_NL5[..., 4] = bars_NL5[..., 4].round(3)
    return Scene(names, bars_NL5, opened_at_ms_L, live)


def make_bundle(folder: Path, family: str, features: str, hidden: int = HIDDEN) -> Bundle:
    """The bundle of a model of this family that reads this set of features; one that this code made is used again."""
    chosen = FeatureSet.named(features)
    folder = folder / f"{family}-{features}-{hidden}-{chosen.digest}-{_code_of_graphs()}"
    try:
        return bundles.read(folder)
    except BundleError:
        # Nothing, or what another version of Gaze left.
        shutil.rmtree(folder, ignore_errors=True)
    import torch  # noqa: PLC0415 - only to make what is not there

    from export import bundle as export  # noqa: PLC0415
    from training import families  # noqa: PLC0415

    inputs = (Input("bars", "symbol", chosen.names, chosen.digest, chosen.lookback, Window("rolling", STEPS, STEPS)),)
    outputs = (Output(Kind.RETURN, 1, "log return"),)
    torch.manual_seed(1)
    model = families.build(family, {"hidden": hidden}, inputs, outputs)
    bars_NL5 = random_bars(_SAMPLE, inputs[0].bars_needed)
    opened_at_ms_N = BEGINS_AT_MS + np.arange(_SAMPLE, dtype=np.int64) * MINUTE.ms
    opened_at_ms_NL = opened_at_ms_N[:, None] - np.arange(bars_NL5.shape[1])[::-1] * MINUTE.ms
    model.normalise.fit(chosen.rows(bars_NL5, STEPS, opened_at_ms_NL).reshape(-1, len(chosen.names)))
    manifest = Manifest(
        name="burst",
        version="1",
        family=family,
        interval=MINUTE.name,
        inputs=inputs,
        outputs=outputs,
        attentions=model.attentions,
        artefacts=(),
        training=Training("0" * 64, ("NONE",), {}, {}),
        scores=(),
        recipe={},
        commit="unknown",
        created_at="2026-01-01T00:00:00Z",
    )
    even = {f"{one.name}.profile": np.full(STEPS, 1 / STEPS) for one in manifest.attentions}
    even |= {f"{one.name}.entropy": np.ones(1) for one in manifest.attentions}
    sample = {
        "bars": bars_NL5,
        "opened_at_ms": opened_at_ms_N,
        "symbol": np.array(["NONE"] * _SAMPLE),
    }
    return export.make_bundle(folder, model, manifest, sample, export.npz(even))


def _code_of_graphs() -> str:
    """The digest of all code that says what a graph is made of."""
    code = hashlib.sha256()
    for room in ("export", "training/network", "training/families"):
        for path in sorted((HOUSE / room).rglob("*.py")):
            code.update(path.read_bytes())
    return code.hexdigest()[:16]


def write_bars(scene: Scene, path: Path) -> None:
    """What the exchange tells: the last bars of every symbol."""
    import polars as pl  # noqa: PLC0415 - only here

    opened_at_ms_L, live_NL5 = scene.opened_at_ms_L[-scene.live :], scene.bars_NL5[:, -scene.live :]
    columns = {name: live_NL5[..., column].ravel() for column, name in enumerate(COLUMNS)}
    table = pl.DataFrame(
        {"symbol": np.repeat(np.array(scene.symbols), scene.live), "ts": np.tile(opened_at_ms_L, len(scene.symbols))}
    )
    in_utc = pl.col("ts").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    table.with_columns(in_utc, *(pl.Series(name, values) for name, values in columns.items())).write_parquet(path)


def fill_store(scene: Scene, bundle: Bundle, folder: Path) -> None:
    """Put the bars before those into the daemon's own store, as a daemon that ran before would have left them."""
    asyncio.run(_fill_store(scene, bundle, folder))


async def _fill_store(scene: Scene, bundle: Bundle, folder: Path) -> None:
    async with EmbeddedServer(folder) as server:
        with redis.Redis.from_url(server.url) as client:
            fill_rings(scene, bundle, client, shards=1)


def fill_rings(scene: Scene, bundle: Bundle, client: "redis.Redis", shards: int) -> None:
    """Put the bars before those into a server, where so many daemons share the symbols out."""
    capacity = bundle.manifest.inputs[0].bars_needed + SPARE_BARS
    known = scene.opened_at_ms_L[: -scene.live]
    slots_L = (known // MINUTE.ms) % capacity
    tail = bytes(ring.size_bytes(capacity) - capacity * ring.ROW.itemsize)
    for first in range(0, len(scene.symbols), _RINGS_A_CALL):
        some = scene.symbols[first : first + _RINGS_A_CALL]
        rows_NC = np.zeros((len(some), capacity), ring.ROW)
        rows_NC["opened_at_ms"][:, slots_L] = known
        rows_NC["written"][:, slots_L] = 1
        rows_NC["bar"][:, slots_L] = scene.bars_NL5[first : first + len(some), : -scene.live]
        client.mset(
            {
                Keys(bundle.manifest.name, str(owner(symbol, shards))).ring(MINUTE.name, capacity, symbol): (
                    row_C.tobytes() + tail
                )
                for symbol, row_C in zip(some, rows_NC, strict=True)
            }
        )


def settings(
    bundle: Bundle, scene: Scene, listens: dict[str, str], engine: str, graph: str, sockets: str = "websockets"
) -> str:
    """A daemon as users run it: nothing is switched off."""
    return f"""
[bundle]
path = {json.dumps(str(bundle.folder))}
engine = {json.dumps(engine)}
graph = {json.dumps(graph)}
[feed]
websocket_url = {json.dumps(listens["websocket"])}
rest_url = {json.dumps(listens["rest"])}
symbols = {json.dumps(scene.symbols)}
sockets = {json.dumps(sockets)}
[store]
directory = "state"
[http]
port = 0
"""
