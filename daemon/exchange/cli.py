"""The command `gaze exchange`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import UsageError

if TYPE_CHECKING:
    import ssl

    from daemon.exchange.faults import Faults
    from daemon.exchange.market import Market
    from daemon.exchange.server import Exchange


def exchange(
    bars: Annotated[Path, typer.Option(help="Parquet file of bars to replay.")],
    dialect: Annotated[
        str, typer.Option(help="Whose words: the name of a feed, such as binance, okx or kraken.")
    ] = "binance",
    interval: Annotated[str | None, typer.Option(help="Which bars, where the file holds several intervals.")] = None,
    symbols: Annotated[str, typer.Option(help="Only these, with commas between; else all.", metavar="A,B")] = "",
    start: Annotated[
        str, typer.Option(help="Where the clock starts: 2025-03-01T00:00, or a share of the file such as 0.5.")
    ] = "",
    history: Annotated[int | None, typer.Option(min=0, help="Start after so many bars instead.", metavar="N")] = None,
    speed: Annotated[
        str, typer.Option(help="Venue seconds a second, or max: on as soon as all have taken the last.")
    ] = "1",
    subscribers: Annotated[int, typer.Option(min=0, help="Start the clock once so many clients have subscribed.")] = 1,
    updates: Annotated[int, typer.Option(min=0, help="How often a bar is told before it closes.")] = 2,
    close_delay_ms: Annotated[
        str, typer.Option(help="Venue time between a bar's end and the word that it closed, drawn for each bar.")
    ] = "200..2000",
    fault: Annotated[
        list[str] | None,
        typer.Option(help="drop:0.01, repeat:0.1, life:24, ...: docs/how-to/exchange.md; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(help="For delays and faults.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 finds a free one.")] = 0,
    tls: Annotated[Path | None, typer.Option(help="Serve wss and https with this certificate and key (PEM).")] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Stay when the file has ended, until SIGTERM.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print addresses and summary as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Stand in for an exchange: replay a file of bars over websocket and REST, on one port.

    What lies before the start is history, to be had over REST; the rest is told live.

    Example: gaze exchange --bars bars.parquet --dialect binance --history 200 --speed 3600
    """
    import asyncio  # noqa: PLC0415 - a help text needs none of these
    from datetime import UTC, datetime  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from core import barfile  # noqa: PLC0415
    from daemon.exchange import dialects  # noqa: PLC0415
    from daemon.exchange.clock import VenueClock  # noqa: PLC0415
    from daemon.exchange.faults import Faults  # noqa: PLC0415
    from daemon.exchange.market import Market  # noqa: PLC0415
    from daemon.exchange.server import Exchange  # noqa: PLC0415

    wrong = Faults.parse(fault or (), seed)
    pace = _speed(speed)
    names = [name for name in symbols.split(",") if name]
    market = Market(
        barfile.read(bars, interval),
        names,
        updates=updates,
        close_delay_ms=_span(close_delay_ms),
        seed=seed,
        unclosed=wrong.unclosed,
    )
    venue = Exchange(
        market,
        dialects.dialect(dialect, market),
        VenueClock(_start_ms(market, start, history), pace),
        wrong,
        host=host,
        port=port,
        subscribers=subscribers,
        tls=_tls(tls, wrong),
    )

    def announce() -> None:
        where = {"websocket": venue.websocket_url, "rest": venue.rest_url}
        told = f"websocket {venue.websocket_url} rest {venue.rest_url}"
        print(msgspec.json.encode(where).decode() if as_json else told, flush=True)

    asyncio.run(_serve(venue, announce, hold=hold))
    summary = venue.summary
    if as_json:
        print(msgspec.json.encode(summary).decode(), flush=True)
        return
    begun, ended = (datetime.fromtimestamp(at / 1_000, UTC) for at in (summary.from_ms, summary.to_ms))
    print(
        f"told {summary.closed_bars} closed bars in {summary.frames} frames to {summary.clients} clients, "
        f"{begun:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC; {summary.dropped} sockets dropped",
        flush=True,
    )


async def _serve(venue: "Exchange", announce: Callable[[], None], *, hold: bool) -> None:
    """Replay to the end of the file, or to SIGTERM."""
    import asyncio  # noqa: PLC0415 - as above
    import signal  # noqa: PLC0415

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with venue, asyncio.TaskGroup() as tasks:
        announce()
        replay = tasks.create_task(venue.replay(), name="replay")
        if not hold:
            replay.add_done_callback(lambda _: ended.set())
        await ended.wait()
        replay.cancel()


def _tls(certificate: Path | None, wrong: "Faults") -> "ssl.SSLContext | None":
    import ssl  # noqa: PLC0415 - as above

    if certificate is None:
        if wrong.wrong_certificate:
            raise UsageError("a wrong certificate needs a right one beside it; try: --tls CERT.pem")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--tls {certificate}: expected a certificate and its key, found {error}; try: PEM") from error
    return context


def _start_ms(market: "Market", start: str, history: int | None) -> int:
    """The instant at which the clock starts."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    if start and history is not None:
        raise UsageError("--start and --history both say where to start; try: one of them")
    end_ms = market.last_ms + market.interval.ms
    if not start:
        at_ms = market.first_ms + (history or 0) * market.interval.ms
    elif start.replace(".", "", 1).isdecimal() and float(start) <= 1:
        at_ms = market.interval.floor(market.first_ms + int((end_ms - market.first_ms) * float(start)))
    else:
        try:
            told = datetime.fromisoformat(start)
        except ValueError as error:
            raise UsageError(
                f"--start {start!r} is neither a time nor a share; try: 2025-03-01T00:00 or 0.5"
            ) from error
        at_ms = int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1_000)
    if not market.first_ms <= at_ms < end_ms:
        begun, ended = (datetime.fromtimestamp(edge / 1_000, UTC) for edge in (market.first_ms, end_ms))
        raise UsageError(
            f"nothing is left to tell there; the bars go from {begun:%Y-%m-%dT%H:%M} to {ended:%Y-%m-%dT%H:%M}. "
            "try: --start 0.5, half of them"
        )
    return at_ms


def _speed(told: str) -> float | None:
    if told == "max":
        return None
    try:
        speed = float(told)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f"--speed {told!r} is no number above zero; try: 3600 (an hour a second) or max")
    return speed


def _span(told: str) -> tuple[int, int]:
    least, _, most = told.partition("..")
    if not (least.isdecimal() and (most or least).isdecimal()):
        raise UsageError(f"--close-delay-ms {told!r} is no span of milliseconds; try: 200..2000")
    return int(least), int(most or least)
