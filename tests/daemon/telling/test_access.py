"""Who may read over HTTP: a token and TLS, over real sockets."""

import os
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import pytest
from builders import a_manifest

from core.errors import ConfigError
from core.prediction import Message
from daemon.telling import http
from daemon.telling.access import Certificate, Token
from daemon.telling.health import Condition
from daemon.telling.metrics import Metrics

TOKEN = "0123456789abcdef0123"


class Status:
    """A daemon that is ready, for a reason that is nobody's business."""

    def conditions(self) -> Sequence[Condition]:
        return [Condition("store", met=True, reason="answers at 10.0.0.7")]

    def about(self) -> Mapping[str, str]:
        return {"model": "demo 1"}

    def latest(self, _limit: int) -> Sequence[Message]:
        return []


def metrics() -> Metrics:
    return Metrics(a_manifest(), "digest", ["BTCUSDT"], ["binance"])


@pytest.fixture
def token(tmp_path: Path) -> Token:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return Token(str(tmp_path / "token"))


async def asked(url: str, told: str = "", authority: ssl.SSLContext | None = None) -> tuple[int, str]:
    headers = {"Authorization": told} if told else {}
    async with (
        aiohttp.ClientSession() as client,
        client.get(url, headers=headers, ssl=authority or True) as answer,
    ):
        return answer.status, await answer.text()


async def test_without_the_token_only_probes_are_answered_and_give_no_reason(token: Token):
    server = await http.serve("127.0.0.1", 0, Status(), metrics(), token=token)
    try:
        assert await asked(f"{server.url}/livez") == (200, "alive\n")
        assert await asked(f"{server.url}/readyz") == (200, '{"ready":true}')
        for path in ("/", "/metrics", "/predictions.json", "/nothing"):
            status, text = await asked(f"{server.url}{path}")
            assert status == 401
            assert "demo" not in text
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (aiohttp.encode_basic_auth("anybody", TOKEN), 200),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        (aiohttp.encode_basic_auth(TOKEN, ""), 401),
        ("Basic !!!", 401),
        ("Basic " + "/w==", 401),
        (TOKEN, 401),
        ("Bearer ünicode", 401),
    ],
)
async def test_only_the_token_opens(told: str, status: int, token: Token):
    server = await http.serve("127.0.0.1", 0, Status(), metrics(), token=token)
    try:
        assert (await asked(f"{server.url}/metrics", told))[0] == status
        _, ready = await asked(f"{server.url}/readyz", told)
        assert ("10.0.0.7" in ready) == (status == 200)
    finally:
        await server.close()


def pair(folder: Path, name: str) -> Path:
    """A new certificate for 127.0.0.1 in tls.crt, its key in tls.key; a copy of it to trust."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subject = ["-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, *subject, *files], check=True, capture_output=True, timeout=100)
    trusted = folder / f"{name}.crt"
    trusted.write_bytes((folder / "tls.crt").read_bytes())
    return trusted


async def test_a_renewed_certificate_is_taken_without_a_restart(tmp_path: Path):
    first = ssl.create_default_context(cafile=pair(tmp_path, "first"))
    certificate = Certificate(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    server = await http.serve("127.0.0.1", 0, Status(), metrics(), certificate=certificate)
    try:
        assert server.url.startswith("https://")
        assert (await asked(f"{server.url}/livez", authority=first))[0] == 200
        second = ssl.create_default_context(cafile=pair(tmp_path, "second"))
        assert (await asked(f"{server.url}/livez", authority=second))[0] == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await asked(f"{server.url}/livez", authority=first)
        (tmp_path / "tls.key").write_text("half of a pair")
        assert (await asked(f"{server.url}/livez", authority=second))[0] == 200
    finally:
        await server.close()


def test_what_is_no_certificate_or_no_token_is_said(tmp_path: Path):
    (tmp_path / "tls.crt").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"tls\.key: No such file"):
        Certificate(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    (tmp_path / "tls.key").write_text("no key")
    with pytest.raises(ConfigError, match="no certificate and its key"):
        Certificate(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(ConfigError, match="holds 5 characters"):
        Token(str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="cannot be read"):
        Token(str(tmp_path / "none"))


async def test_another_token_is_taken_without_a_restart_and_half_of_one_is_not(token: Token, tmp_path: Path):
    server = await http.serve("127.0.0.1", 0, Status(), metrics(), token=token)
    url, other = f"{server.url}/metrics", TOKEN[::-1]
    changed_ns = (tmp_path / "token").stat().st_mtime_ns
    try:
        (tmp_path / "token").write_text(TOKEN[:5])
        assert (await asked(url, f"Bearer {TOKEN}"))[0] == 200
        (tmp_path / "token").write_text(other)
        # All within one tick of the clock.
        os.utime(tmp_path / "token", ns=(changed_ns, changed_ns))
        assert (await asked(url, f"Bearer {other}"))[0] == 200
        assert (await asked(url, f"Bearer {TOKEN}"))[0] == 401
        (tmp_path / "token").unlink()
        assert (await asked(url, f"Bearer {other}"))[0] == 200
    finally:
        await server.close()
