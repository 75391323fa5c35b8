"""The status page in a real browser: nothing in its console, nothing asked of others, fit for a phone, and fresh."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import a_gaze, a_manifest, a_message
from websockets.asyncio.client import ClientConnection, connect

from core.prediction import Message
from daemon.telling import http
from daemon.telling.health import Condition
from daemon.telling.metrics import Metrics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

QUIET = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in CI
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
)
# Changes the page by hand, and waits until it is as the daemon tells it again.
REFRESHED = """new Promise(done => {
  document.querySelector("h1").textContent = "old";
  const look = () => { if (document.querySelector("h1").textContent === "Gaze: ready") done(); };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
})"""


class Status:
    """Thirty symbols with a long window."""

    def conditions(self) -> Sequence[Condition]:
        return [Condition("windows", met=True, reason="30 of 30 symbols have a full window")]

    def about(self) -> Mapping[str, str]:
        return {"model": "demo 1 (hourly_lstm)", "digest": "057f7975885c1354", "feed": "binance, 30 symbols, 1h bars"}

    def latest(self, limit: int) -> Sequence[Message]:
        gaze = a_gaze([step / 1_128 for step in range(48)])
        return [a_message(symbol=f"SYM{number:02d}USDT", value=number / 1e4, gaze=gaze) for number in range(30)][:limit]


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

    async def until(self, event: str, count: int = 1) -> None:
        """Wait for so many events of a kind."""
        while sum(one["method"] == event for one in self.told) < count:
            await self._next()

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            message: dict[str, Any] = json.loads(await self._connection.recv())
        if "method" in message:
            self.told.append(message)
        return message

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of a kind."""
        return [one["params"] for one in self.told if one["method"] == event]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = await http.serve("127.0.0.1", 0, Status(), Metrics(a_manifest(), "digest", ["SYM00USDT"], ["binance"]))
    yield server.url
    await server.close()


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    process = await asyncio.create_subprocess_exec(
        chromium, *QUIET, f"--user-data-dir={tmp_path}", "about:blank", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    browser = ""
    async with asyncio.timeout(60):
        while not browser:
            line = (await process.stderr.readline()).decode()
            browser = line.partition("DevTools listening on ")[2].strip()
    try:
        async with connect(browser, max_size=None) as connection:
            made = await Tab(connection).do("Target.createTarget", url="about:blank")
        page = f"{browser.partition('/devtools')[0]}/devtools/page/{made['targetId']}"
        async with connect(page, max_size=None) as connection:
            tab = Tab(connection)
            for part in ("Page", "Network", "Runtime", "Log"):
                await tab.do(f"{part}.enable")
            yield tab
    finally:
        process.terminate()
        await process.communicate()


async def shown(tab: Tab, url: str, width: int, scheme: str) -> None:
    """Open the page on a screen of this width, in this colour scheme."""
    await tab.do("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    await tab.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    await tab.do("Page.navigate", url=url)
    await tab.until("Page.loadEventFired")


@pytest.mark.parametrize("width", [360, 768, 1_200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_its_screen_in_light_and_in_dark(tab: Tab, url: str, width: int, scheme: str):
    await shown(tab, url, width, scheme)
    assert await tab.value("document.documentElement.scrollWidth") <= width
    assert await tab.value("document.querySelectorAll('tbody tr').length") == 30
    red, green, blue = json.loads(
        await tab.value("'[' + getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3) + ']'")
    )
    assert (red + green + blue > 3 * 200) == (scheme == "light")


async def test_the_page_refreshes_itself_with_nothing_in_the_console_and_nothing_asked_of_others(tab: Tab, url: str):
    await shown(tab, url, 1_200, "light")
    await tab.value(REFRESHED)
    assert await tab.value("document.title") == "Gaze: ready"
    asked = {one["request"]["url"] for one in tab.of("Network.requestWillBeSent")}
    assert asked <= {f"{url}/", f"{url}/icon.svg"}
    assert tab.of("Log.entryAdded") == []
    assert tab.of("Runtime.exceptionThrown") == []
    assert tab.of("Runtime.consoleAPICalled") == []
