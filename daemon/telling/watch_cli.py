"""The command `gaze watch`."""

from pathlib import Path
from typing import Annotated

import typer

_STATE = Path("state")


def watch(
    *,
    redis: Annotated[str, typer.Option(metavar="URL", help="The daemon's Redis: its [store] url.")] = "",
    config: Annotated[Path | None, typer.Option(metavar="TOML", help="The daemon's settings say where it is.")] = None,
    embedded: Annotated[Path, typer.Option(metavar="DIR", help="The daemon's own store: [store] directory.")] = _STATE,
    model: Annotated[str | None, typer.Option(help="Whose predictions; needed where several publish.")] = None,
    shard: Annotated[str, typer.Option(help="[store] shard of the daemon.")] = "0",
    once: Annotated[bool, typer.Option("--once", help="Show the newest prediction of each symbol, then end.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many predictions came while watching.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after so many seconds.")] = None,
    wait: Annotated[float, typer.Option(min=0, metavar="S", help="How long a store that starts may be away.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help="One message of JSON a line.")] = False,
) -> None:
    """Show predictions as they come, and where the model looked.

    In a terminal a table, strongest prediction first; in a pipe one line each.

    Example: gaze watch --redis redis://127.0.0.1:6379 --count 100
    """
    import asyncio  # noqa: PLC0415 - help is shown without it
    import contextlib  # noqa: PLC0415
    import os  # noqa: PLC0415
    import sys  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from daemon.config import of_settings  # noqa: PLC0415
    from daemon.telling.watch import Until, address, watch  # noqa: PLC0415
    from daemon.telling.watch_view import LineView, TableView  # noqa: PLC0415

    if config:
        redis, embedded, shard = of_settings(config, os.environ)
    url = redis or address(embedded)
    until = Until(once, count, seconds, wait)
    console = Console()
    with contextlib.suppress(KeyboardInterrupt):
        if console.is_terminal and not as_json:
            with TableView(console) as table:
                asyncio.run(watch(url, model, shard, until, table))
            return
        try:
            asyncio.run(watch(url, model, shard, until, LineView(sys.stdout, as_json=as_json)))
        except BrokenPipeError:
            # The reader, such as head, has seen enough; nothing more may be flushed to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
