"""A real browser without a window, spoken to over its debugging protocol."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 200.0
QUIET = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in CI
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
)


class Tab:
    """A tab of the browser, spoken to over its debugging protocol. `told`: every event so far."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last = 0
        self.told: list[dict[str, Any]] = []

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something and give its answer."""
        self._last += 1
        await self._connection.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = await self._next()
            if message.get("id") == self._last:
                assert "error" not in message, message
                answer: dict[str, Any] = message["result"]
                return answer

    async def value(self, expression: str) -> Any:
        """What a script gives, or what it promised once that is there."""
        answer = await self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        loader = (await self.do("Page.navigate", url=url))["loaderId"]
        while not self._has_loaded(loader):
            await self._next()

    async def becomes(self, expression: str, wanted: Any) -> None:
        """Ask until a script gives this: what a page draws, it draws in its own time."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := await self.value(expression)) != wanted:
                assert type(found) is type(wanted), f"{expression} is {found}"

    def _has_loaded(self, loader: str) -> bool:
        """The page before this one, which was empty, may only now tell that it was loaded."""
        navigated = False
        for one in self.told:
            if one["method"] == "Page.frameNavigated":
                navigated |= one["params"]["frame"]["loaderId"] == loader
            elif navigated and one["method"] == "Page.loadEventFired":
                return True
        return False

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, Any] = json.loads(await self._connection.recv())
        if "method" in message:
            self.told.append(message)
        return message

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of a kind."""
        return [one["params"] for one in self.told if one["method"] == event]


@asynccontextmanager
async def a_tab(folder: Path) -> AsyncIterator[Tab]:
    """A tab of Debian's Chromium, ended by its own id; the test is skipped where it is not installed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    process = await asyncio.create_subprocess_exec(
        chromium, *QUIET, f"--user-data-dir={folder}", "about:blank", stderr=asyncio.subprocess.PIPE
    )
    patiently = {"max_size": None, "open_timeout": PATIENCE_S, "ping_interval": None}
    try:
        async with asyncio.timeout(PATIENCE_S):
            browser = await _address(process)
        async with connect(browser, **patiently) as connection:
            made = await Tab(connection).do("Target.createTarget", url="about:blank")
        page = f"{browser.partition('/devtools')[0]}/devtools/page/{made['targetId']}"
        async with connect(page, **patiently) as connection:
            tab = Tab(connection)
            for part in ("Page", "Network", "Runtime", "Log"):
                await tab.do(f"{part}.enable")
            yield tab
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Where the browser says that it is spoken to."""
    assert process.stderr is not None
    said = []
    while line := (await process.stderr.readline()).decode():
        said.append(line)
        if browser := line.partition("DevTools listening on ")[2].strip():
            return browser
    pytest.fail(f"chromium ended at its start: {''.join(said)}")
