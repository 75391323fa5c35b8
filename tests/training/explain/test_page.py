"""The page in a real browser: nothing in its console, nothing asked of the network, every chart drawn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browser import Tab, a_tab
from looks import silent

from training.explain import write
from training.explain.explaining import Explained

pytestmark = pytest.mark.slow

DRAWN = "[...document.querySelectorAll('.js-plotly-plot')].filter(one => one.querySelector('.main-svg')).length"


@pytest.fixture(scope="module")
def folder(explained: Explained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run's explanation."""
    out = tmp_path_factory.mktemp("page") / "explained"
    write.write(explained, out, silent)
    return out


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with a_tab(tmp_path) as tab:
        await tab.do(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )
        yield tab


def quiet(tab: Tab, folder: Path) -> None:
    asked = {one["request"]["url"].partition("#")[0] for one in tab.of("Network.requestWillBeSent")}
    assert all(url.startswith((folder.as_uri(), "data:", "blob:")) for url in asked), asked
    assert tab.of("Log.entryAdded") == []
    assert tab.of("Runtime.exceptionThrown") == []
    assert tab.of("Runtime.consoleAPICalled") == []


async def test_the_page_draws_every_chart_with_nothing_in_the_console_and_no_network(
    tab: Tab, folder: Path, explained: Explained
):
    await tab.open((folder / "index.html").as_uri())
    assert await tab.value("document.title") == "Where demo looks"
    charts = 3 * len(explained.report.attentions) + sum(len(case.looks) for case in explained.report.cases)
    await tab.becomes(DRAWN, charts)
    widths = await tab.value("[...document.images].map(image => image.naturalWidth).join()")
    assert all(int(width) > 500 for width in widths.split(","))
    assert len(widths.split(",")) == await tab.value("document.images.length")
    quiet(tab, folder)


async def test_a_link_leads_from_the_summary_to_a_single_prediction(tab: Tab, folder: Path, explained: Explained):
    await tab.open((folder / "index.html").as_uri())
    case = explained.report.cases[0]
    await tab.value(f"document.querySelector('a[href=\"#{case.folder}\"]').click()")
    assert await tab.value("location.hash") == f"#{case.folder}"
    top = f"document.getElementById('{case.folder}').getBoundingClientRect().top"
    await tab.becomes(f"Math.abs({top}) < 900", wanted=True)
    quiet(tab, folder)


async def test_the_page_of_one_prediction_stands_by_itself(tab: Tab, folder: Path, explained: Explained):
    case = explained.report.cases[0]
    await tab.open((folder / "cases" / case.folder / "interactive.html").as_uri())
    await tab.becomes(DRAWN, len(case.looks))
    assert case.symbol in await tab.value("document.body.innerText")
    quiet(tab, folder)
