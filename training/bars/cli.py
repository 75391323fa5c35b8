"""gaze bars: bring bars in, look what is wrong with them, or make some whose process is known."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import UsageError

if TYPE_CHECKING:
    from core.bars import Interval

app = typer.Typer(
    help="Bars in: import files, check them, simulate bars of a known process.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.command("import")
def import_(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="CSV (.gz, .zip), Parquet or Feather.")],
    out: Annotated[Path, typer.Option(help="The file of bars to write (Parquet).")],
    *,
    symbol: Annotated[str | None, typer.Option(help="Symbol of all rows; else a column or the file's name.")] = None,
    interval: Annotated[str | None, typer.Option(help="Interval to expect, or to choose from a column.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Whose wall clock it is where the times name no zone.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of times counted since the epoch: s, ms, us, ns.")] = None,
    time_format: Annotated[str | None, typer.Option(help="Pattern of times written as text: '%d/%m/%Y %H:%M'.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Settle a column: volume='Volume BTC', ts=Date.")] = None,
    as_json: Json = False,
) -> None:
    """Read CSV, Parquet or Feather files of bars into one file, and say what was taken for what.

    Rows that cannot be true go to OUT's name with `.refused` before `.parquet`, each with its reason.

    Example: `gaze bars import BTCUSDT_1h.csv ETHUSDT_1h.csv --out bars.parquet`
    """
    import msgspec  # noqa: PLC0415 - a help text loads nothing

    from training.bars import importing, show  # noqa: PLC0415

    wishes = importing.Wishes(symbol, interval, timezone, unit, time_format, tuple(column or ()))
    with show.progress(len(sources)) as progress:
        done = importing.import_bars(sources, out, wishes, lambda: progress.advance(progress.task_ids[0]))
    if as_json:
        print(msgspec.json.encode(done).decode())
    else:
        show.imported(done)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A file of bars (Parquet).")],
    *,
    interval: Annotated[str | None, typer.Option(help="Check only this interval of the file.")] = None,
    against: Annotated[Path | None, typer.Option(help="The same bars in another interval, to compare.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where there is an error.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Findings shown of each kind.")] = 5,
    as_json: Json = False,
) -> None:
    """Look for gaps, doubles, disorder, impossible and missing numbers, outliers and bars that had not closed.

    Bars that had not closed pass every other check; `--against` the same bars in another interval finds them.

    Example: `gaze bars check bars_1h.parquet --against bars_30m.parquet --strict`
    """
    import msgspec  # noqa: PLC0415

    from training.bars import checking, show  # noqa: PLC0415

    with show.progress() as progress:
        checked = checking.check_file(
            file, against, interval, lambda doing: progress.update(progress.task_ids[0], description=doing)
        )
    if as_json:
        print(msgspec.json.encode(checked).decode())
    else:
        show.report(checked, limit)
    if strict and checked.errors:
        raise typer.Exit(1)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="The file of bars to write (Parquet).")],
    *,
    symbols: Annotated[int, typer.Option(min=1, help="How many symbols.")] = 20,
    bars: Annotated[int, typer.Option(min=1, help="How many bars of each.")] = 4000,
    interval: Annotated[str, typer.Option(help="Length of a bar.")] = "1h",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bars.")] = 7,
    start: Annotated[str, typer.Option(help="When the first bar opens, UTC.")] = "2024-01-01",
    as_json: Json = False,
) -> None:
    """Make bars in which bursts of volume move the later price, and write beside them which did what.

    OUT's name with `.events` before `.parquet` has the truth: symbol, ts, direction, lag, move_ts, move_bars.

    Example: `gaze bars simulate --out sim.parquet --symbols 20 --bars 4000`
    """
    import msgspec  # noqa: PLC0415

    from core import barfile  # noqa: PLC0415
    from core.bars import Interval  # noqa: PLC0415
    from training.bars import canonical  # noqa: PLC0415
    from training.bars import simulate as process  # noqa: PLC0415

    length = Interval.parse(interval)
    truth = canonical.beside(out, "events")
    if out.exists() and not truth.exists():
        raise UsageError(f"{out} is there and was not simulated; try: another --out")
    made = process.simulate(symbols, bars, length, _start(start, length), seed)
    canonical.write(made.bars, out)
    canonical.write_table(made.events, truth)
    fingerprint = barfile.read(out, interval).fingerprint
    told = {"out": str(out), "events_file": str(truth), "bars": len(made.bars), "symbols": symbols}
    told |= {"interval": interval, "seed": seed, "events": len(made.events), "fingerprint": fingerprint}
    if as_json:
        print(msgspec.json.encode(told).decode())
        return
    print(f"{out}: {len(made.bars):,} bars of {interval}, {symbols:,} symbols, seed {seed}")
    print(
        f"{truth}: {len(made.events):,} events, each moves the price {process.LAGS[0]} to {process.LAGS[-1]} bars later"
    )
    print(f"fingerprint {fingerprint[:16]}")


def _start(text: str, interval: "Interval") -> datetime:
    try:
        start = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--start {text!r} is not a date or time; try: --start 2024-01-01") from error
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    at_ms = int(start.timestamp() * 1000)
    if interval.floor(at_ms) != at_ms:
        on_grid = datetime.fromtimestamp(interval.floor(at_ms) / 1000, UTC)
        raise UsageError(f"--start {text}: no bar of {interval.name} opens then; try: --start {on_grid.isoformat()}")
    return start
