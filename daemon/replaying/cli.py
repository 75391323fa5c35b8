"""The command `gaze replay`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from core.errors import UsageError


def replay(
    *,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The daemon's settings.")],
    bars: Annotated[Path, typer.Option(metavar="FILE", help="Parquet file of bars.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the predictions here, as Parquet.")] = None,
    compare: Annotated[
        str, typer.Option(metavar="URL|DIR", help="Compare with what a daemon published: its Redis, or its own store.")
    ] = "",
    symbols: Annotated[str, typer.Option(metavar="A,B", help="Only these; else [feed] symbols.")] = "",
    begin: Annotated[str, typer.Option("--from", metavar="TIME", help="The first bar to predict opens then.")] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Bars from here on are left out.")] = "",
    bundle: Annotated[str, typer.Option(metavar="DIR", help="[bundle] path: which model.")] = "",
    engine: Annotated[str, typer.Option(help="[bundle] engine: auto, onnxruntime or onnxruntime-cuda.")] = "",
    records: Annotated[str, typer.Option(metavar="FILE", help="[external] path: what is read beside the bars.")] = "",
    on: Annotated[str, typer.Option(metavar="RAY", help="Spread the symbols: local, or a Ray cluster's address.")] = "",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, by its dotted key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report in one line of JSON.")] = False,
) -> None:
    """Run the daemon's model over a file of bars, at full speed, and write or compare what it says.

    Ends with status 1 where --compare finds a difference.

    Example: gaze replay gaze.toml --bars bars.parquet --out predictions.parquet --from 2025-06-01
    """
    import json  # noqa: PLC0415 - help is shown without it

    import msgspec  # noqa: PLC0415

    from daemon import config as configs  # noqa: PLC0415
    from daemon.replaying.job import replayed  # noqa: PLC0415

    if out is None and not compare:
        raise UsageError("nothing is asked of the replay; try: --out predictions.parquet, or --compare state")
    told = {
        "bundle.path": bundle and str(Path(bundle).absolute()),
        "bundle.engine": engine,
        "external.path": records and str(Path(records).absolute()),
        "feed.symbols": symbols and json.dumps(symbols.split(",")),
    }
    overrides = [f"{key}={value}" for key, value in told.items() if value]
    read = configs.read(config, [*overrides, *(changes or [])], os.environ)
    span = _ms("--from", begin), _ms("--to", end)
    if on and out and not compare:
        from daemon.replaying.cluster import spread  # noqa: PLC0415 - as above

        report = spread(read, bars, out, on, *span)
    elif on:
        raise UsageError("a comparison is not spread over a cluster; try: --on with --out alone")
    else:
        report = replayed(read, bars, out, compare, *span)
    print(msgspec.json.encode(report).decode() if as_json else report.spoken())
    if report.differences and report.differences.total:
        raise typer.Exit(1)


def _ms(option: str, told: str) -> int | None:
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    if not told:
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError as error:
        raise UsageError(f"{option} {told!r} is no time; try: 2025-06-01 or 2025-06-01T12:00") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)
