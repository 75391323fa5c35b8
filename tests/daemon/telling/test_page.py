"""The status page in a real browser: nothing in its console, nothing asked of others, fit for a phone, and fresh."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from browser import Tab, a_tab
from builders import a_gaze, a_manifest, a_message

from core.prediction import Message
from daemon.telling import http
from daemon.telling.health import Condition
from daemon.telling.metrics import Metrics

pytestmark = pytest.mark.slow

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


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = await http.serve("127.0.0.1", 0, Status(), Metrics(a_manifest(), "digest", ["SYM00USDT"], ["binance"]))
    yield server.url
    await server.close()


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with a_tab(tmp_path) as tab:
        yield tab


async def shown(tab: Tab, url: str, width: int, scheme: str) -> None:
    """Open the page on a screen of this width, in this colour scheme."""
    await tab.do("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    await tab.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    await tab.open(url)


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
