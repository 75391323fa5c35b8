import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from builders import HOUR, a_bar, a_gaze, a_message
from redis.asyncio import Redis
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from core.errors import StoreError, UsageError
from core.prediction import Message, decode, encode
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore
from daemon.telling.watch import Until, address, watch
from daemon.telling.watch_cli import watch as command
from daemon.telling.watch_view import LineView, TableView, line, table


class Heard:
    """A view that keeps what it is shown, and says when."""

    def __init__(self) -> None:
        self.new: list[Message] = []
        self.newest: Sequence[Message] = ()
        self.footer = ""
        self.shown = asyncio.Event()

    def show(self, new: Sequence[Message], all_newest: Sequence[Message], now_ms: int, footer: str) -> None:  # noqa: ARG002 - a view's signature
        self.new += new
        self.newest, self.footer = all_newest, footer
        self.shown.set()

    def symbols(self) -> list[str]:
        return [message.prediction.symbol for message in self.new]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "state") as running:
        yield running


@pytest.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[RedisStore]:
    opened = RedisStore(server.url, Keys("demo"), HOUR, 8, stream_maxlen=100_000, answer_s=60)
    await opened.open()
    yield opened
    await opened.close()


async def publish(store: RedisStore, *messages: Message) -> None:
    bars = [a_bar(one.prediction.opened_at_ms // HOUR.ms, one.prediction.symbol) for one in messages]
    entries = [
        Entry(bar.symbol, bar.opened_at_ms, 0, bar.row, encode(message))
        for bar, message in zip(bars, messages, strict=True)
    ]
    assert all(await store.commit(entries))


async def watching(server: EmbeddedServer, until: Until, model: str | None = "demo") -> Heard:
    heard = Heard()
    async with asyncio.timeout(100):
        await watch(server.url, model, "0", until, heard)
    return heard


async def test_once_shows_the_newest_of_every_symbol_and_ends(server: EmbeddedServer, store: RedisStore):
    await publish(store, a_message(1), a_message(1, "ETHUSDT"))
    await publish(store, a_message(2, value=0.5))
    heard = await watching(server, Until(once=True))
    assert {(one.prediction.symbol, one.prediction.outputs["return_1"]) for one in heard.new} == {
        ("BTCUSDT", 0.5),
        ("ETHUSDT", 0.0012),
    }
    assert "model demo, 2 symbols" in heard.footer


async def test_what_comes_while_watching_is_shown_once_and_counted(server: EmbeddedServer, store: RedisStore):
    await publish(store, a_message(1))
    heard = Heard()
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(server.url, "demo", "0", Until(count=3), heard))
        await heard.shown.wait()
        await publish(store, a_message(2))
        await publish(store, a_message(2, "ETHUSDT"), a_message(2, "SOLUSDT"))
    assert heard.symbols() == ["BTCUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert {(one.prediction.symbol, one.prediction.opened_at_ms // HOUR.ms) for one in heard.newest} == {
        ("BTCUSDT", 2),
        ("ETHUSDT", 2),
        ("SOLUSDT", 2),
    }


async def test_a_filled_gap_is_shown_but_does_not_replace_the_newest(server: EmbeddedServer, store: RedisStore):
    heard = Heard()
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(server.url, "demo", "0", Until(count=2), heard))
        await heard.shown.wait()
        await publish(store, a_message(5))
        await publish(store, a_message(3, late=True))
    assert [one.prediction.opened_at_ms // HOUR.ms for one in heard.new] == [5, 3]
    assert [one.prediction.opened_at_ms // HOUR.ms for one in heard.newest] == [5]


async def test_a_reader_that_falls_behind_skips_to_the_newest_and_repeats_nothing(
    server: EmbeddedServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("daemon.telling.watch._BEHIND", 3)
    await publish(store, a_message(1, "BTCUSDT"), a_message(1, "ETHUSDT"))
    heard = Heard()
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(server.url, "demo", "0", Until(count=2), heard))
        await heard.shown.wait()
        await publish(store, *(a_message(number, "BTCUSDT") for number in (2, 3, 4)), a_message(1, "SOLUSDT"))
    shown = [(one.prediction.symbol, one.prediction.opened_at_ms // HOUR.ms) for one in heard.new]
    assert shown == [("BTCUSDT", 1), ("ETHUSDT", 1), ("BTCUSDT", 4), ("SOLUSDT", 1)]


async def test_the_only_model_need_not_be_named_and_may_be_still_to_come(server: EmbeddedServer, store: RedisStore):
    heard = Heard()
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(server.url, None, "0", Until(count=1), heard))
        await asyncio.sleep(0)
        await publish(store, a_message(1))
        await heard.shown.wait()
        await publish(store, a_message(2))
    assert "model demo" in heard.footer


async def test_once_does_not_wait_for_a_model_that_has_not_published(server: EmbeddedServer):
    with pytest.raises(StoreError, match="no model has published in shard 0 yet; try: without --once"):
        await watching(server, Until(once=True), model=None)


async def test_of_several_models_one_must_be_named(server: EmbeddedServer, store: RedisStore):
    other = RedisStore(server.url, Keys("weekly"), HOUR, 8, stream_maxlen=100, answer_s=60)
    await other.open()
    await publish(store, a_message(1))
    await publish(other, a_message(1))
    with pytest.raises(UsageError, match=r"several models publish here: demo, weekly; try: --model demo"):
        await watching(server, Until(once=True), model=None)
    await other.close()


async def test_a_watch_without_a_model_takes_no_trial_of_a_write_for_one(server: EmbeddedServer, store: RedisStore):
    """A daemon says nothing on a channel beside the model's to see that it may, before its first message and after."""
    heard = Heard()
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks, Redis(unix_socket_path=str(server.socket)) as client:
        async with client.monitor() as commands:
            tasks.create_task(watch(server.url, None, "0", Until(count=1), heard))
            asked = {"PSUBSCRIBE", "SCAN"}
            while asked:
                asked.discard((await commands.next_command())["command"].partition(" ")[0])
        await store.beat()
        await publish(store, a_message(1))
        await heard.shown.wait()
        await publish(store, a_message(2))
    assert {one.prediction.symbol for one in heard.new} == {"BTCUSDT"}


async def test_time_ends_a_watch_to_which_nothing_comes(server: EmbeddedServer):
    heard = await watching(server, Until(seconds=0.05))
    assert heard.new == []


async def test_a_redis_that_is_not_there_is_named_without_its_password(tmp_path: Path):
    with pytest.raises(StoreError, match="is the daemon running") as caught:
        await watch(f"unix://gaze:hunter2@{tmp_path}/none.sock", "demo", "0", Until(once=True), Heard())
    assert "hunter2" not in str(caught.value)
    assert "none.sock" in str(caught.value)


async def test_a_store_that_is_just_starting_is_waited_for(tmp_path: Path):
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        url = EmbeddedServer(tmp_path / "state").url
        watched = tasks.create_task(watch(url, "demo", "0", Until(once=True, store_s=100), Heard()))
        await asyncio.sleep(0)
        async with EmbeddedServer(tmp_path / "state"):
            await watched


async def test_an_address_that_is_none_is_said_to_be_none():
    with pytest.raises(UsageError, match=r"'host:6379' is not a Redis address; try:"):
        await watch("host:6379", "demo", "0", Until(once=True), Heard())


def test_the_embedded_store_is_found_where_the_daemon_puts_it(tmp_path: Path):
    assert address(tmp_path / "state") == EmbeddedServer(tmp_path / "state").url


async def test_the_embedded_store_is_found_where_a_long_path_puts_it(tmp_path: Path):
    async with EmbeddedServer(tmp_path / ("long" * 25)) as server:
        assert address(server.folder) == server.url


SOON_MS = 2 * HOUR.ms + 12_000


def printed(messages: Sequence[Message], now_ms: int = SOON_MS, *, colour: bool = False, rows: int = 40) -> str:
    stream = io.StringIO()
    environment = {"TERM": "xterm"} if colour else {"TERM": "xterm", "NO_COLOR": "1"}
    console = Console(file=stream, width=140, force_terminal=True, color_system="standard", _environ=environment)
    console.print(table(messages, now_ms, "model demo", rows))
    return stream.getvalue()


def test_the_table_shows_the_strongest_first_with_sign_unit_look_drift_and_age():
    weights = [0.01] * 47 + [0.53]
    shown = printed([a_message(symbol="BTCUSDT"), a_message(symbol="ETHUSDT", value=-0.0031, gaze=a_gaze(weights))])
    head, first, second, *_ = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert head.split()[:5] == ["symbol", "bar", "closed", "return_1", "entropy"]
    assert re.search(r"ETHUSDT\s+1970-01-01T02:00Z\s+-31.0 bp\s+0\.\d{3}\s+▂{23}█\s+0.020\s+11 s", first)
    assert re.search(r"BTCUSDT\s+1970-01-01T02:00Z\s+\+12.0 bp", second)
    assert "model demo" in shown


def test_colour_tells_the_sign_and_where_it_looked_more_than_evenly():
    shown = printed([a_message(value=0.001), a_message(symbol="ETHUSDT", value=-0.001)], colour=True)
    assert "\x1b[32m+10.0 bp" in shown
    assert "\x1b[31m-10.0 bp" in shown
    assert "\x1b[33m▅" in shown


def test_without_colour_there_is_none_but_all_is_said():
    shown = printed([a_message(value=-0.001)])
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown)
    assert "-10.0 bp" in shown


def test_rows_that_do_not_fit_are_counted():
    shown = printed([a_message(symbol=f"S{number}") for number in range(30)], rows=10)
    assert "20 more not shown" in shown
    assert shown.count("+12.0 bp") == 10


def test_a_late_or_old_prediction_says_so():
    shown = printed([a_message(late=True)], now_ms=50 * HOUR.ms, colour=True)
    assert "02:00Z late" in shown
    assert "\x1b[31m47 h" in shown


def test_an_empty_table_says_what_is_waited_for():
    assert "no prediction yet" in printed([])


def test_a_symbol_that_looks_like_markup_is_shown_as_it_is():
    assert "[red]X[/red]" in printed([a_message(symbol="[red]X[/red]")])


def test_in_a_pipe_each_prediction_is_one_line():
    stream = io.StringIO()
    message = a_message(value=-0.0031, gaze=a_gaze([0.25] * 4))
    LineView(stream, as_json=False).show([message, message], [], 0, "")
    assert stream.getvalue() == f"{line(message)}\n" * 2
    assert line(message) == ("BTCUSDT 1970-01-01T02:00Z return_1=-31.0bp entropy=1.000 attention=▄▄▄▄ drift=0.020")


def test_as_json_each_line_is_the_message_itself():
    stream = io.StringIO()
    LineView(stream, as_json=True).show([a_message()], [], 0, "")
    assert decode(stream.getvalue()) == a_message()


def test_the_live_table_draws_itself_on_a_terminal():
    stream = io.StringIO()
    with TableView(Console(file=stream, force_terminal=True, width=140, height=30)) as view:
        view.show([], [a_message()], 2 * HOUR.ms, "model demo")
    assert "BTCUSDT" in stream.getvalue()


async def test_the_command_prints_what_is_newest_and_ends(server: EmbeddedServer, store: RedisStore):
    await publish(store, a_message(1))
    app = Typer()
    app.command()(command)
    asked = ["--embedded", str(server.folder), "--once", "--json"]
    result = await asyncio.to_thread(CliRunner().invoke, app, asked)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["prediction"]["symbol"] == "BTCUSDT"
