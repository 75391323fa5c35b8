"""How predictions look in a terminal: a live table for people, one line each for pipes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from core.bars import Interval
from core.prediction import Gaze, Message, encode
from daemon.telling import look

_AROUND: Final = 7
"""Lines of the table that are no rows."""
_ABOVE_EVEN: Final = "▅▆▇█"


class View(Protocol):
    """Where predictions are shown."""

    def show(self, new: Sequence[Message], all_newest: Sequence[Message], now_ms: int, footer: str) -> None:
        """These are new, none when only time has passed; and what is newest of every symbol."""


class TableView:
    """A table that stays in place; used inside `with`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def show(self, new: Sequence[Message], all_newest: Sequence[Message], now_ms: int, footer: str) -> None:  # noqa: ARG002 - a table shows all
        """Draw it anew."""
        rows = max(1, self._console.size.height - _AROUND)
        self._live.update(table(all_newest, now_ms, footer, rows), refresh=True)


class LineView:
    """One line for each new prediction, in words or, `as_json`, as the message itself."""

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self._stream = stream
        self._as_json = as_json

    def show(self, new: Sequence[Message], all_newest: Sequence[Message], now_ms: int, footer: str) -> None:  # noqa: ARG002 - lines show what is new
        """Write them out at once."""
        for message in new:
            print(encode(message).decode() if self._as_json else line(message), file=self._stream)
        self._stream.flush()


def table(messages: Sequence[Message], now_ms: int, footer: str = "", rows: int = 40) -> RenderableType:
    """The strongest `rows` predictions, strongest first, and a line below."""
    if not messages:
        return Text(f"no prediction yet: the first comes when a bar closes and its window is full\n{footer}", "dim")
    strongest = sorted(messages, key=lambda message: (-look.strength(message.prediction), message.prediction.symbol))
    first = strongest[0].prediction
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("symbol", style="bold", no_wrap=True)
    shown.add_column("bar closed", no_wrap=True)
    for name in first.outputs:
        shown.add_column(name, justify="right", no_wrap=True)
    for name in first.gaze:
        shown.add_column("entropy", justify="right", no_wrap=True)
        shown.add_column(f"{name}, oldest to newest", no_wrap=True, min_width=look.CELLS)
        shown.add_column("drift", justify="right", no_wrap=True)
    shown.add_column("age", justify="right", no_wrap=True)
    for message in strongest[:rows]:
        shown.add_row(*_row(message, now_ms))
    hidden = f", {len(strongest) - rows} more not shown" if len(strongest) > rows else ""
    return Group(shown, Text(f"\n▄ is looking evenly, each step a factor of 1.41{hidden}. {footer}", "dim"))


def _row(message: Message, now_ms: int) -> Iterable[Text]:
    prediction, context = message.prediction, message.context
    yield Text(prediction.symbol)
    yield Text(_utc(prediction.closed_at_ms) + (" late" if context.late else ""))
    for name, value in prediction.outputs.items():
        yield Text(look.spoken(name, value), _colour(name, value))
    for name, gaze in prediction.gaze.items():
        yield Text(f"{gaze.entropy:.3f}")
        yield _bar(gaze)
        yield Text(f"{context.drift[name]:.3f}" if name in context.drift else "-")
    age_ms = max(0, now_ms - context.published_at_ms)
    yield Text(_age(age_ms), "red" if age_ms > 2 * Interval.parse(prediction.interval).ms else "")


def _colour(name: str, value: float | tuple[float, ...]) -> str:
    if isinstance(value, tuple) or name.startswith("deviation_"):
        return ""
    against = value - 0.5 if name.startswith(("direction_", "probability_")) else value
    return "green" if against > 0 else "red" if against < 0 else ""


def _bar(gaze: Gaze) -> Text:
    bar = Text()
    for block in look.blocks(gaze):
        bar.append(block, "yellow" if block in _ABOVE_EVEN else "dim")
    return bar


def line(message: Message) -> str:
    """One prediction in one line of words."""
    prediction, context = message.prediction, message.context
    words = [prediction.symbol, _utc(prediction.closed_at_ms)]
    words += [f"{name}={look.spoken(name, value).replace(' ', '')}" for name, value in prediction.outputs.items()]
    for name, gaze in prediction.gaze.items():
        words += [f"entropy={gaze.entropy:.3f}", f"{name}={look.blocks(gaze)}"]
        if name in context.drift:
            words.append(f"drift={context.drift[name]:.3f}")
    return " ".join([*words, "late"] if context.late else words)


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%MZ}"


def _age(age_ms: int) -> str:
    seconds = age_ms // 1_000
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
