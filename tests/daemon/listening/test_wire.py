"""The way to a venue: through proxies, with certificates of one's own."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from proxies import a_proxy

from core.barfile import BarFile
from core.errors import ConfigError, leaves
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.listening.rest import UnansweredError
from daemon.listening.wire import LOST, Library, Wire, wire
from daemon.ports import Request

CERTIFICATES = Path(__file__).resolve().parents[2] / "certificates"


@pytest.fixture
def an_exchange(span: Callable[[str], BarFile]) -> Callable[..., Exchange]:
    """A builder: a stand-in over a week of real bars, with TLS where a certificate is given."""
    market = Market(span("binance"))

    def build(certificate: Path | str = "") -> Exchange:
        tls = None
        if certificate:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(certificate)
        return Exchange(market, dialect("binance", market), VenueClock(market.first_ms), tls=tls)

    return build


async def reached(way: Wire, exchange: Exchange) -> None:
    """Both the websocket and REST answer."""
    async with way.session() as session, session.get(f"{exchange.rest_url}/api/v3/ping") as answer:
        assert answer.status == 200
    async with way.open(f"{exchange.websocket_url}/ws", pings=True) as connection:
        await connection.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert await connection.frames(8) == [b'{"result":[],"id":1}']


@pytest.mark.parametrize("library", get_args(Library))
@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("certificate", ["", "localhost.pem"])
async def test_a_proxy_leads_to_the_websocket_and_to_rest(
    an_exchange: Callable[..., Exchange], scheme: str, certificate: str, library: Library
):
    ca_file = str(CERTIFICATES / "authority.pem") if certificate else ""
    async with a_proxy(scheme) as proxy, an_exchange(certificate and CERTIFICATES / certificate) as exchange:
        await reached(wire(proxy.url, ca_file, library), exchange)
        assert proxy.led == [exchange.rest_url.partition("://")[2]] * 2


@pytest.mark.parametrize("library", get_args(Library))
async def test_a_socks_proxy_is_asked_for_the_venues_address(an_exchange: Callable[..., Exchange], library: Library):
    async with a_proxy("socks5") as proxy, an_exchange() as exchange:
        way = wire(proxy.url, library=library)
        port = exchange.rest_url.rpartition(":")[2]
        async with way.rest() as rest:
            assert (await rest.ask(Request(f"http://localhost:{port}/api/v3/ping"))).status == 200
        async with way.open(f"ws://localhost:{port}/ws", pings=True):
            assert proxy.led == [f"localhost:{port}"] * 2


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((b"\x05\x00", b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"), "Host unreachable"),
        ((b"\x05\xff",), "No acceptable authentication"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "Unexpected SOCKS version"),
        ((), "0 bytes read"),
        (None, "Couldn't connect to proxy"),
    ],
    ids=["refuses", "wants a password", "is none", "hangs up", "is away"],
)
async def test_a_socks_proxy_that_fails_is_a_question_without_an_answer(answers: tuple[bytes, ...] | None, said: str):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers or ():
            await reader.read(64)
            writer.write(answer)
        if not answers:
            await reader.read(64)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    way = wire(f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    if answers is None:
        server.close()
        await server.wait_closed()
    async with server, way.rest() as rest:
        with pytest.raises(UnansweredError, match=f"the proxy fails: .*{said}"):
            await rest.ask(Request("http://venue.example/klines"))


async def test_a_certificate_of_an_authority_that_is_trusted_is_taken(an_exchange: Callable[..., Exchange]):
    async with an_exchange(CERTIFICATES / "localhost.pem") as exchange:
        await reached(wire(ca_file=str(CERTIFICATES / "authority.pem")), exchange)


@pytest.mark.parametrize("library", get_args(Library))
async def test_a_certificate_that_nobody_vouches_for_is_refused(an_exchange: Callable[..., Exchange], library: Library):
    async with an_exchange(CERTIFICATES / "localhost.pem") as exchange:
        with pytest.raises(LOST, match="CERTIFICATE_VERIFY_FAILED"):
            async with wire(library=library).open(f"{exchange.websocket_url}/ws", pings=True):
                pass


@pytest.mark.parametrize(
    ("proxy", "ca_file", "said"),
    [
        ("127.0.0.1:1080", "", "found '127.0.0.1:1080'; try: proxy = 'socks5"),
        ("ftp://me:hidden@there", "", "found 'there'; try"),
        ("", "/nowhere.pem", "expected certificates in the ca_file /nowhere.pem, found .*No such file"),
        ("", __file__, "found .*; try: a file of PEM"),
    ],
)
def test_a_way_that_makes_no_sense_is_refused(proxy: str, ca_file: str, said: str):
    with pytest.raises(ConfigError, match=said):
        wire(proxy, ca_file)


@pytest.mark.parametrize("library", get_args(Library))
async def test_a_socket_that_the_venue_closes_is_told_as_lost(an_exchange: Callable[..., Exchange], library: Library):
    seen: list[BaseException] = []
    try:
        async with (
            an_exchange() as exchange,
            wire(library=library).open(f"{exchange.websocket_url}/ws", pings=True) as one,
        ):
            await exchange.__aexit__(None, None, None)
            while True:
                await one.frames(8)
    except* LOST as group:
        seen += leaves(group)
    assert len(seen) == 1


def test_without_picows_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"needs picows, which is not installed; try: pip install 'gazed\[picows\]'"):
        wire(library="picows")
