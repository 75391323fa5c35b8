import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.telling.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The end of the socket that systemd holds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(100)
        yield listening


def a_notifier(manager: socket.socket, **environment: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.getsockname(), **environment})


def heard(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def test_systemd_hears_ready_status_extension_and_stopping(manager: socket.socket):
    notifier = a_notifier(manager)
    notifier.extend(30)
    notifier.ready("20 symbols ready")
    notifier.status("1,000 predictions")
    notifier.stopping("draining")
    assert heard(manager) == "EXTEND_TIMEOUT_USEC=30000000"
    assert heard(manager) == "READY=1\nSTATUS=20 symbols ready"
    assert heard(manager) == "STATUS=1,000 predictions"
    assert heard(manager) == "STOPPING=1\nSTATUS=draining"
    notifier.close()


def test_a_status_of_several_lines_cannot_smuggle_in_another_word(manager: socket.socket):
    notifier = a_notifier(manager)
    notifier.status("cannot connect\nWATCHDOG=trigger")
    assert heard(manager) == "STATUS=cannot connect WATCHDOG=trigger"
    notifier.close()


def test_an_abstract_socket_is_spoken_to_as_well():
    name = f"gaze-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(100)
        notifier = Notifier({"NOTIFY_SOCKET": f"@{name}"})
        notifier.ready("here")
        assert heard(manager).startswith("READY=1")
        notifier.close()


async def test_without_systemd_nothing_is_said_and_nobody_waits():
    notifier = Notifier({})
    notifier.ready("here")
    async with asyncio.timeout(100):
        await notifier.watchdog_forever()
    notifier.close()


async def test_the_watchdog_is_fed_again_and_again_until_cancelled(manager: socket.socket):
    notifier = a_notifier(manager, WATCHDOG_USEC="20000", WATCHDOG_PID=str(os.getpid()))
    assert notifier.watchdog_s == 0.02
    feeding = asyncio.create_task(notifier.watchdog_forever())
    manager.settimeout(0)
    async with asyncio.timeout(100):
        for _ in range(3):
            assert await asyncio.get_running_loop().sock_recv(manager, 100) == b"WATCHDOG=1"
    assert not feeding.done()
    feeding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feeding
    notifier.close()


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="no watchdog"),
        pytest.param({"WATCHDOG_USEC": "0"}, id="watchdog off"),
        pytest.param({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, id="another process is watched"),
    ],
)
async def test_an_unwatched_daemon_feeds_no_watchdog(manager: socket.socket, environment: dict[str, str]):
    notifier = a_notifier(manager, **environment)
    async with asyncio.timeout(100):
        await notifier.watchdog_forever()
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    notifier.close()


def test_a_manager_that_is_gone_is_a_warning_and_no_end(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with caplog.at_level(logging.WARNING, "gaze.notify"):
        notifier.ready("here")
    assert "systemd could not be told" in caplog.text
    notifier.close()


def test_a_socket_of_an_unknown_kind_is_named_and_left(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "gaze.notify"):
        Notifier({"NOTIFY_SOCKET": "vsock:2:9999"}).ready("here")
    assert caplog.records[0].socket == "vsock:2:9999"  # type: ignore[attr-defined]
