"""What the daemon tells systemd (sd_notify): ready, how it is, still alive, stopping. Says nothing elsewhere."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger("gaze.notify")


class Notifier:
    """Sends to the socket that `environment` names in NOTIFY_SOCKET; without it every call does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(0)
        self.watchdog_s = _watchdog_s(environment)
        """Silent for so long, systemd restarts us; None: it does not watch."""
        self._serving: str | None = None

    def ready(self, status: str) -> None:
        """Warm and connected."""
        self._serving = status
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(text))

    def reloading(self) -> None:
        """Settings are read again; who is not ready yet says nothing of it."""
        if self._serving is not None:
            self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def reloaded(self, outcome: str) -> None:
        """They were, and this came of it: ready as before."""
        if self._serving is not None:
            self._send("READY=1", _status(f"{self._serving}; {outcome}"))

    def extend(self, seconds: float) -> None:
        """Starting or stopping goes on: do not lose patience for so long."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def stopping(self, status: str) -> None:
        """Draining."""
        self._send("STOPPING=1", _status(status))

    async def watchdog_forever(self) -> None:
        """Say at half the watchdog's time that the event loop turns, until cancelled; returns at once if unwatched."""
        if self._socket is None or self.watchdog_s is None:
            return
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 2)

    def close(self) -> None:
        """Let go of the socket; later calls do nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            # Serving does not depend on being heard; a watchdog that heard nothing acts by itself.
            log.warning("systemd could not be told", extra={"told": lines[0], "error": str(error)})


def _address(told: str) -> str | None:
    if told.startswith("@"):
        return "\0" + told[1:]
    if told and not told.startswith("/"):
        log.warning("NOTIFY_SOCKET is of a kind that is not spoken here", extra={"socket": told})
        return None
    return told or None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    told, whom = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isdecimal() or int(told) == 0 or whom not in ("", str(os.getpid())):
        return None
    return int(told) / 1e6


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.splitlines())
