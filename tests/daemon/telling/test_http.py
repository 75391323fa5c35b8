import json
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from html.parser import HTMLParser

import aiohttp
import pytest
from builders import a_manifest, a_message, spoken
from prometheus_client.parser import text_string_to_metric_families

from core.errors import ConfigError
from core.prediction import Message
from daemon.telling import http
from daemon.telling.health import Condition
from daemon.telling.metrics import Metrics

Client = aiohttp.ClientSession


class Status:
    """A daemon that is what the test sets it to."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.told = {"model": "demo 1", "engine": "onnxruntime on cpu"}
        self.met = [
            Condition("store", met=True, reason="answers"),
            Condition("windows", met=True, reason="20 of 20 symbols are full"),
        ]

    def conditions(self) -> Sequence[Condition]:
        return self.met

    def about(self) -> Mapping[str, str]:
        return self.told

    def latest(self, limit: int) -> Sequence[Message]:
        return self.messages[:limit]


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(a_manifest(), "digest", ["BTCUSDT"], ["binance"])


@pytest.fixture
async def server(status: Status, metrics: Metrics) -> AsyncIterator[http.Server]:
    running = await http.serve("127.0.0.1", 0, status, metrics)
    yield running
    await running.close()


@pytest.fixture
async def client(server: http.Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def fetched(client: Client, path: str, status: int = 200, **headers: str) -> str:
    async with client.get(path, headers=headers) as response:
        assert response.status == status
        return await response.text()


async def test_the_real_port_is_told_where_any_was_asked_for(server: http.Server, client: Client):
    assert server.port > 0
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert await fetched(client, "/livez") == "alive\n"


async def test_readiness_names_every_condition_and_its_reason(client: Client, status: Status):
    said = json.loads(await fetched(client, "/readyz"))
    assert said["ready"] is True
    assert said["conditions"][1] == {"name": "windows", "met": True, "reason": "20 of 20 symbols are full"}
    status.met[0] = Condition("store", met=False, reason="does not answer since 12:00")
    said = json.loads(await fetched(client, "/readyz", 503))
    assert said["ready"] is False
    assert said["conditions"][0]["reason"] == "does not answer since 12:00"
    assert await fetched(client, "/livez") == "alive\n"


async def test_metrics_are_served_in_the_format_that_was_asked_for(client: Client, metrics: Metrics):
    metrics.predicted(spoken(a_message(value=0.0012)))
    families = {family.name: family for family in text_string_to_metric_families(await fetched(client, "/metrics"))}
    (sample,) = families["gaze_prediction"].samples
    assert sample.value == 0.0012
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with client.get("/metrics", headers=asked) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await response.text()).endswith("# EOF\n")


async def test_predictions_come_as_their_messages_and_no_more_than_asked_for(client: Client, status: Status):
    status.messages = [a_message(symbol=f"S{number}") for number in range(1_500)]
    said = json.loads(await fetched(client, "/predictions.json"))
    assert len(said["predictions"]) == 100
    assert said["predictions"][0]["prediction"]["symbol"] == "S0"
    assert len(json.loads(await fetched(client, "/predictions.json?limit=1000"))["predictions"]) == 1_000


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", "", "9" * 5_000])
async def test_a_limit_out_of_range_is_refused_with_what_would_do(client: Client, limit: str):
    said = json.loads(await fetched(client, f"/predictions.json?limit={limit}", 400))
    assert "expected a number from 1 to 1000" in said["error"]


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def test_the_page_shows_what_runs_how_it_is_and_where_the_model_looked(client: Client, status: Status):
    status.messages = [a_message(symbol="BTCUSDT", value=0.001), a_message(symbol="ETHUSDT", value=-0.004)]
    page = Page(await fetched(client, "/"))
    words = " ".join(page.words)
    assert "Gaze: ready" in words
    assert "onnxruntime on cpu" in words
    assert "20 of 20 symbols are full" in words
    assert words.index("ETHUSDT") < words.index("BTCUSDT"), "the strongest comes first"
    assert "-40.0 bp" in words
    assert sum(tag == "rect" for tag, _ in page.tags) == (1 + 2) * 4, "the mean of both, then each"
    assert "most weight: 40% 0 bars ago, 30% 1 bars ago" in words


@pytest.mark.parametrize(("distance", "said"), [(0.1, "as its reference"), (0.3, "looks elsewhere")])
async def test_the_page_says_whether_attention_has_drifted(client: Client, status: Status, distance: float, said: str):
    status.messages = [a_message(drift={"attention": distance})]
    words = " ".join(Page(await fetched(client, "/")).words)
    assert f"{distance:.3f}" in words
    assert said in words


async def test_the_icon_is_a_picture_of_our_own(client: Client):
    async with client.get("/icon.svg") as response:
        assert response.content_type == "image/svg+xml"
        assert (await response.text()).startswith("<svg")


async def test_the_page_says_what_is_missing_and_what_is_still_to_come(client: Client, status: Status):
    status.met[0] = Condition("store", met=False, reason="does not answer")
    words = " ".join(Page(await fetched(client, "/")).words)
    assert "Gaze: not ready" in words
    assert "does not answer" in words
    assert "None yet" in words


async def test_the_page_asks_nothing_of_anywhere_else_nor_may_it(client: Client, status: Status):
    status.messages = [a_message()]
    async with client.get("/") as response:
        text, policy = await response.text(), response.headers["Content-Security-Policy"]
    assert not re.search(r"https?://|//[a-z]|url\(|@import|javascript:", text)
    page = Page(text)
    for tag, attributes in page.tags:
        assert "src" not in attributes
        assert "style" not in attributes, "an inline style would be refused by the policy"
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "/").startswith("/")
        if tag in ("style", "script"):
            assert f"'nonce-{attributes['nonce']}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_every_page_has_a_nonce_of_its_own(client: Client):
    nonces = {re.findall(r'nonce="([^"]+)"', await fetched(client, "/"))[0] for _ in range(3)}
    assert len(nonces) == 3


async def test_whatever_the_daemon_tells_is_escaped(client: Client, status: Status):
    attack = "<script>alert(1)</script>\"'&"
    status.messages = [a_message(symbol=attack)]
    status.told = {attack: attack}
    status.met = [Condition(attack, met=False, reason=attack)]
    text = await fetched(client, "/")
    assert "<script>alert" not in text
    page = Page(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert page.words.count(attack) >= 3


@pytest.mark.parametrize("path", ["/", "/livez", "/metrics", "/predictions.json", "/nothing"])
async def test_answers_are_neither_kept_nor_guessed_at(client: Client, path: str):
    async with client.get(path) as response:
        assert response.status == (404 if path == "/nothing" else 200)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_taken_port_is_named_with_what_to_try(server: http.Server, status: Status, metrics: Metrics):
    with pytest.raises(ConfigError, match=rf"port {server.port} on 127.0.0.1 is taken.*try: --metrics-port 0"):
        await http.serve("127.0.0.1", server.port, status, metrics)


async def test_an_address_that_is_not_ours_is_named_with_what_to_try(status: Status, metrics: Metrics):
    with pytest.raises(ConfigError, match=r"'192\.0\.2\.1' is no address of this machine.*try:"):
        await http.serve("192.0.2.1", 0, status, metrics)


async def test_after_closing_nobody_listens(status: Status, metrics: Metrics):
    running = await http.serve("127.0.0.1", 0, status, metrics)
    await running.close()
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", running.port))


async def test_a_scrape_tells_whether_the_daemon_is_ready_at_that_moment(client: Client, status: Status):
    assert "gaze_ready 1.0" in await fetched(client, "/metrics")
    status.met[0] = Condition("store", met=False, reason="does not answer")
    assert "gaze_ready 0.0" in await fetched(client, "/metrics")
