"""Commands as users run them, that serve: what a test holds on to while everything else dies."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.house import GAZE

PATIENCE_S: Final = 300.0
"""A step that takes longer has failed: a start on a busy machine, with features still to be compiled, takes minutes."""
_MOST_LINE: Final = 1 << 20


class Command:
    """A `gaze` command that serves: where it listens, and what it has logged so far."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process
        self.listens: dict[str, str] = {}
        self.log: list[dict[str, Any]] = []
        self._more = asyncio.Condition()
        self._ended = False

    @classmethod
    @asynccontextmanager
    async def serving(cls, folder: Path, *arguments: str) -> AsyncIterator[Self]:
        """Start it in this folder, where its log is kept; it is killed when the context ends and it still runs."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *GAZE, *arguments, cwd=folder, stdout=pipe, stderr=pipe, limit=_MOST_LINE
        )
        assert process.stdout
        command = cls(arguments[0], process)
        listening = asyncio.create_task(command._listen(folder / f"{arguments[0]}.log"))
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await process.stdout.readline()
            if not line:
                await listening
            assert line, f"{command.name} did not start; it said {command.log[-5:]}"
            command.listens = json.loads(line)
            yield command
        finally:
            command.kill()
            await listening
            await process.wait()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it still runs."""
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it and all of its log are there."""
        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: self._ended)
            return await self.process.wait()

    async def said(self, message: str, count: int = 1) -> None:
        """Wait until it has logged this message so often."""
        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: self._ended or self.count(message) >= count)
        assert self.count(message) >= count, f"{self.name} ended without saying {message!r}; it said {self.log[-5:]}"

    def count(self, message: str) -> int:
        """How often it has logged this message."""
        return sum(line["message"] == message for line in self.log)

    async def _listen(self, kept: Path) -> None:
        assert self.process.stderr
        with kept.open("ab") as file:
            async for line in self.process.stderr:
                file.write(line)
                file.flush()
                async with self._more:
                    told = json.loads(line) if line.startswith(b"{") else {"message": line.decode().rstrip()}
                    self.log.append(told)
                    self._more.notify_all()
        async with self._more:
            self._ended = True
            self._more.notify_all()
