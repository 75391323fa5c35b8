"""The daemon's commands: run, watch, bundle, schema, exchange, doctor. Nothing heavy is imported before one runs."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import GazeError, first
from daemon import bundle_cli, config_cli
from daemon.doctor_cli import doctor
from daemon.exchange.cli import exchange
from daemon.replaying.cli import replay
from daemon.replaying.score_cli import score
from daemon.starter.cli import init
from daemon.telling import schema_cli
from daemon.telling.watch_cli import watch

_YOUNG_OBJECTS = 50_000
_TURN_S = 0.000_5
"""A model's thread waits no longer for the interpreter between two of its chunks; Python's own is ten times that."""

app = typer.Typer()
app.add_typer(bundle_cli.app, name="bundle")
app.add_typer(config_cli.app, name="config")
app.command()(init)
app.add_typer(schema_cli.app, name="schema")
app.command()(exchange)
app.command()(replay)
app.command()(score)
app.command()(watch)
app.command()(doctor)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The daemon's settings.")],
    bundle: Annotated[str, typer.Option(metavar="DIR", help="[bundle] path: which model.")] = "",
    engine: Annotated[str, typer.Option(help="[bundle] engine: auto, onnxruntime or onnxruntime-cuda.")] = "",
    feed: Annotated[str, typer.Option(metavar="VENUE", help="[feed] venue: binance, kraken, redis, ...")] = "",
    symbols: Annotated[str, typer.Option(metavar="A,B", help="[feed] symbols, with commas between.")] = "",
    store: Annotated[str, typer.Option(metavar="URL", help="[store] url: redis://, rediss:// or unix://.")] = "",
    metrics_port: Annotated[int | None, typer.Option(help="[http] port; 0 takes a free one.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, by its dotted key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say in one line of JSON where it listens.")] = False,  # noqa: FBT002
) -> None:
    """Serve a bundle on live bars until SIGTERM; what was received is still predicted and published.

    SIGHUP reads the settings again: the log's are taken, those that need a restart are named.

    Example: gaze run gaze.toml --symbols BTCUSDT,ETHUSDT --metrics-port 9464
    """
    import asyncio  # noqa: PLC0415 - help is shown without it
    import json  # noqa: PLC0415

    from daemon import config as configs  # noqa: PLC0415
    from daemon.app import serve  # noqa: PLC0415
    from daemon.telling import log  # noqa: PLC0415

    told = {
        "bundle.path": bundle and str(Path(bundle).absolute()),
        "bundle.engine": engine,
        "feed.venue": feed,
        "store.url": store,
        "http.port": "" if metrics_port is None else metrics_port,
        "feed.symbols": symbols and json.dumps([one.strip() for one in symbols.split(",")]),
    }
    overrides = [f"{key}={value}" for key, value in told.items() if value != ""]

    def read_settings() -> configs.Config:
        return configs.read(config, [*overrides, *(changes or [])], os.environ)

    read = read_settings()
    log.configure(read.log.level, read.log.format)

    def started(where: dict[str, str]) -> None:
        _tame_collector()
        sys.setswitchinterval(_TURN_S)
        print(json.dumps(where) if as_json else f"status page {where['http']}/", flush=True)

    try:
        import uvloop  # noqa: PLC0415 - not on every platform

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ModuleNotFoundError:
        runner = asyncio.Runner()
    with runner:
        try:
            runner.run(serve(read, started, read_settings))
        except* GazeError as group:
            raise first(group) from None


def _tame_collector() -> None:
    """What was built stays for good, so it is not looked at again; a burst makes many objects and hardly any cycle."""
    import gc  # noqa: PLC0415 - help is shown without it

    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
