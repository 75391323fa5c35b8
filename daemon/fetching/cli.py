"""The command `gaze bars fetch`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import DataError, GazeError, UsageError, first

if TYPE_CHECKING:
    from core.bars import Bar, Interval
    from daemon.fetching.book import Book
    from daemon.fetching.fetch import Summary
    from daemon.ports import Feed

_INTERRUPTED = 130


def fetch(
    venue: Annotated[str, typer.Option(help="The name of a feed, such as binance or okx, or ccxt:NAME.")],
    symbols: Annotated[str, typer.Option(help="With commas between.", metavar="A,B")],
    since: Annotated[str, typer.Option(help="A time such as 2025-03-01, or how long ago: 90d, 12h.")],
    out: Annotated[Path, typer.Option(help="The file of bars (Parquet); one that was fetched before is extended.")],
    *,
    interval: Annotated[str, typer.Option(help="Length of a bar.")] = "1h",
    until: Annotated[str, typer.Option(help="Bars from this time on are left out; else up to now.")] = "",
    rest_url: Annotated[str, typer.Option(help="Another address than the venue's own, such as a stand-in's.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Report in one line of JSON.")] = False,
) -> None:
    """Fetch a venue's history over REST, within its limits, into a file of bars.

    Stopped or killed, the same command goes on where it was; later, it fetches only what is new.

    Example: gaze bars fetch --venue binance --symbols BTCUSDT,ETHUSDT --since 90d --out bars.parquet
    """
    import asyncio  # noqa: PLC0415 - a help text needs none of these

    import msgspec  # noqa: PLC0415

    from core.bars import Interval  # noqa: PLC0415
    from daemon.feeds import FEEDS, OTHERS  # noqa: PLC0415
    from daemon.feeds import feed as open_feed  # noqa: PLC0415
    from daemon.fetching.book import Book  # noqa: PLC0415

    if venue in OTHERS:
        raise UsageError(f"{venue} has no history to page through; try: one of {', '.join(FEEDS)}")
    feed = open_feed(venue, None, rest_url or None)
    length = Interval.parse(interval)
    names = [feed.spelling(name.strip()) for name in symbols.split(",") if name.strip()]
    if not names:
        raise UsageError("--symbols names none; try: --symbols BTCUSDT,ETHUSDT")
    if feed.history_request(names[0], length, 0, length.ms) is None:
        raise UsageError(f"{venue} has no address for history; try: --rest-url http://127.0.0.1:8765")
    book = Book(out, venue, length)
    told = _instant(since), _ago_ms(since), _instant(until)
    try:
        summary = asyncio.run(_fetched(feed, length, list(dict.fromkeys(names)), book, told))
    except* GazeError as group:
        raise first(group) from None
    except* KeyboardInterrupt:
        print("stopped; what was fetched is kept. try: the same command, which goes on from there", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None
    bars = book.close()
    if as_json:
        print(msgspec.json.encode({"out": str(out), "bars": bars, "fetched": summary}).decode())
    else:
        _say(summary, out, bars)
    if summary.refused:
        raise DataError("; ".join(f"{symbol}: {why}" for symbol, why in summary.refused.items()))


async def _fetched(
    feed: "Feed", interval: "Interval", symbols: list[str], book: "Book", told: tuple[int | None, int, int | None]
) -> "Summary":
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from daemon.fetching.fetch import Fetch  # noqa: PLC0415
    from daemon.listening.history import History  # noqa: PLC0415
    from daemon.listening.ways import way_to  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with way_to(feed, interval).rest() as rest:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"bars of {feed.name}", total=None)
            doubts: list[Bar] = []
            history = History(feed, rest, doubted=doubts.extend)
            fetch = Fetch(feed, history, interval, book, lambda count: progress.advance(task, count), doubts)
            span = await fetch.span(*told)
            progress.update(task, total=fetch.left(symbols, span))
            return await fetch.run(symbols, span)


def _say(summary: "Summary", out: Path, bars: int) -> None:
    told = f"{out}: {bars:,} bars, {summary.bars:,} of them fetched now in {summary.requests:,} requests"
    notes = (
        (summary.filled, "built where nothing was traded"),
        (summary.absurd, "left out: their numbers cannot be true"),
        (len(summary.unclosed), "look unclosed, though they were asked for twice"),
        (len(summary.refused), "symbols refused"),
    )
    print("".join([told, *(f"; {count:,} {note}" for count, note in notes if count)]))
    if bars:
        print(f"next: gaze bars check {out}")


def _ago_ms(told: str) -> int:
    """How long ago "90d" is; 0 where a time is told instead."""
    from core.bars import Interval  # noqa: PLC0415 - as above

    return Interval.parse(told).ms if told[:-1].isdecimal() and not told[-1:].isdecimal() else 0


def _instant(told: str) -> int | None:
    """A time in Unix milliseconds, UTC where it names no zone; None where none is told."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    if not told or _ago_ms(told):
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError as error:
        raise UsageError(f"{told!r} is no time; try: 2025-03-01, 2025-03-01T12:00, or 90d for --since") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)
