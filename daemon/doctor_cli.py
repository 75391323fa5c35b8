"""The command `gaze doctor`."""

import os
from pathlib import Path
from typing import Annotated

import typer

_STATE = Path("state")


def doctor(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG.toml", help="Look at what these settings need, instead of options.")
    ] = None,
    *,
    redis: Annotated[str, typer.Option(metavar="URL", help="Look at this Redis instead of a store of our own.")] = "",
    state: Annotated[Path, typer.Option(metavar="DIR", help="Where the store of our own would be.")] = _STATE,
    host: Annotated[str, typer.Option(help="Address for probes and metrics.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port for probes and metrics.")] = 9464,
    as_json: Annotated[bool, typer.Option("--json", help="A list of checks as JSON.")] = False,
) -> None:
    """See what this machine has of what Gaze needs; ends with status 1 where the daemon could not run.

    Example: gaze doctor gaze.toml
    """
    import msgspec  # noqa: PLC0415 - help is shown without it
    from rich.console import Console  # noqa: PLC0415

    from daemon import config as configs  # noqa: PLC0415
    from daemon.doctor import Verdict, bundle, examine, report  # noqa: PLC0415

    checks, shard = [], "0"
    if config:
        told = configs.read(config, environment=os.environ)
        checks = [bundle(Path(told.bundle.path))]
        redis, state, host, port = told.store.url, Path(told.store.directory), told.http.host, told.http.port
        shard = told.store.shard
    checks += examine(redis, state, host, port, shard)
    if as_json:
        print(msgspec.json.encode(checks).decode())
    else:
        Console().print(report(checks))
    if any(check.verdict is Verdict.MISSING for check in checks):
        raise typer.Exit(1)
