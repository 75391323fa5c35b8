"""The daemon beside a venue of made-up bars, from full windows to its first close."""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from subprocess import Popen

import msgspec
from websockets.sync.client import ClientConnection, connect

from benchmarks.running.processes import running
from benchmarks.speed import scene as scenes
from core.bundle import Bundle
from daemon.feeds.binance import spot, stream


class Play(msgspec.Struct, frozen=True):
    """Both processes, and where they listen."""

    venue: Popen[str]
    listens: dict[str, str]
    daemon: Popen[str]
    serves: dict[str, str]


def venue_speed(symbols: int) -> float:
    """Venue seconds a second: a burst must be over long before bars count as overdue, ten venue seconds after.

    And the next is to come before a socket that says nothing for a minute is taken for lost.
    """
    return 1.5 if symbols > 30_000 else 2 if symbols > 5_000 else 6


@contextmanager
def playing(
    bundle: Bundle,
    scene: scenes.Scene,
    folder: Path,
    daemon: Sequence[str],
    engine: str,
    graph: str,
    sockets: str = "websockets",
) -> Iterator[Play]:
    """Both, in this folder; `daemon`: the command that reads settings, and says in a line of JSON where it serves."""
    scenes.write_bars(scene, folder / "bars.parquet")
    scenes.fill_store(scene, bundle, folder / "state")
    subscribers = len(spot().sockets(scene.symbols, scenes.MINUTE)) + 1
    exchange = [sys.executable, "-m", "benchmarks.speed.venue", "bars.parquet"]
    exchange += [str(venue_speed(len(scene.symbols))), str(subscribers)]
    with running(exchange, folder, "exchange.log") as (venue, listens):
        (folder / "gaze.toml").write_text(scenes.settings(bundle, scene, listens, engine, graph, sockets))
        with running([*daemon, "gaze.toml", "--json"], folder, "daemon.log") as (served, serves):
            yield Play(venue, listens, served, serves)


def begun(play: Play, scene: scenes.Scene) -> AbstractContextManager[ClientConnection]:
    """Let closes come, once the daemon is ready; the venue waits for one more than its sockets, whom nobody misses."""
    until_ready(play.serves["http"])
    one_more = connect(f"{play.listens['websocket']}/stream")
    one_more.send(
        json.dumps({"method": "SUBSCRIBE", "params": [stream(scene.symbols[0], scenes.MINUTE.name)], "id": 1})
    )
    return one_more


def until_ready(url: str) -> None:
    """Wait until the daemon has its history and every socket is open."""
    for _ in range(1_200):
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=30):
                return
        except urllib.error.HTTPError:
            time.sleep(0.1)
    sys.exit("the daemon did not become ready within two minutes")
