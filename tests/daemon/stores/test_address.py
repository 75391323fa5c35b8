import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from builders import HOUR
from kept import KEYS

from benchmarks.running.redises import Node, node
from core.errors import ConfigError, StoreError
from daemon.ports import Entry
from daemon.stores.address import address
from daemon.stores.redis import RedisStore

AnEntry = Callable[..., Entry]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://me:hush@host/2", "host:6379"),
        ("redis://:hush@host:7000/0", "host:7000"),
        ("unix://me:hush@/run/redis.sock", "unix:/run/redis.sock"),
        ("redis+cluster://me:hush@one:7000,two:7001", "one:7000"),
        ("redis+sentinel://me:hush@one,two:26380/gaze/1?sentinel_password=hush", "gaze at ?:0"),
        ("rediss+sentinel://one/gaze?ssl_ca_certs=/ca.pem", "gaze at ?:0"),
    ],
)
def test_an_address_has_a_name_without_secrets(url: str, name: str):
    assert address(url, "{0}").name == name


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hush@example.org",
        "redis+sentinel://me:hush@one:26379",
        "redis+sentinel://",
        "redis+cluster://",
        "redis+other://me:hush@one",
        "unix+cluster://me:hush@one",
        "redis://me:hush@one:port",
        "redis://me:hush@one/prod",
        "redis+sentinel://me:hush@one/gaze/prod",
        "unix://me:hush@",
        "me:hush@one",
        "",
    ],
)
def test_an_address_of_another_kind_is_refused_without_showing_it(url: str):
    with pytest.raises(ConfigError, match="try: redis://") as refused:
        address(url, "{0}")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("redis://me:hush@one/0?max_connections=10", "max_connections"),
        ("redis+cluster://me:hush@one,two?protocol=3", "protocol"),
        ("redis://me:hush@one?decode_responses=true", "decode_responses"),
        ("redis://me:hush@one?ssl_ca_certs=/ca.pem", "ssl_ca_certs"),
        ("rediss://me:hush@one?ssl_cert_reqs=perhaps", "perhaps"),
        ("rediss+sentinel://me:hush@one/gaze?ssl_ca=/ca.pem", "ssl_ca"),
    ],
)
def test_an_option_that_no_connection_takes_is_named_without_secrets(url: str, option: str):
    with pytest.raises(ConfigError, match=f"found .*{option}'?; try: leave it out") as refused:
        address(url, "{0}")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+sentinel://127.0.0.1:1,127.0.0.1:2/gaze", "No master found for 'gaze'.*try: see that the Sentinels"),
        ("redis+cluster://127.0.0.1:1,127.0.0.1:2", "127.0.0.1.*try: see that the server runs"),
    ],
)
async def test_where_nobody_answers_it_says_so(url: str, said: str):
    store = RedisStore(url, KEYS, HOUR, 5)
    with pytest.raises(StoreError, match=said):
        await store.open()


@pytest.mark.slow
async def test_a_sentinel_that_does_not_know_the_service_is_told_of(tmp_path: Path):
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(node(tmp_path))
        config = f"sentinel monitor other 127.0.0.1 {primary.port} 1\n"
        watcher = await stack.enter_async_context(node(tmp_path, config=config))
        store = RedisStore(f"redis+sentinel://127.0.0.1:{watcher.port}/gaze", KEYS, HOUR, 5)
        with pytest.raises(StoreError, match="try: see that the Sentinels know the service"):
            await store.open()


@pytest.mark.slow
async def test_a_server_outside_any_cluster_is_told_of(tmp_path: Path):
    async with node(tmp_path) as alone:
        store = RedisStore(f"redis+cluster://127.0.0.1:{alone.port}", KEYS, HOUR, 5)
        with pytest.raises(StoreError, match=r"cluster support disabled.*try: .*redis://"):
            await store.open()


def signed(folder: Path, name: str, by: str | None = None) -> None:
    """A key and a certificate for this name, signed by an authority, or by itself, which makes it one."""
    openssl = str(shutil.which("openssl"))
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    made += ["-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
    if by:
        made += ["-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-addext", "subjectAltName=IP:127.0.0.1"]
        made += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name, by in (("authority", None), ("server", "authority"), ("gaze", "authority"), ("stranger", None)):
        signed(folder, name, by)
    return folder


@pytest.fixture
async def secure(tmp_path: Path, certificates: Path):
    """A server that speaks TLS alone, and only with those whom the authority knows."""
    files = {"ca-cert": "authority.pem", "cert": "server.pem", "key": "server.key"}
    told = [word for name, file in files.items() for word in (f"--tls-{name}-file", str(certificates / file))]
    async with node(tmp_path, *told, tls=certificates) as one:
        yield one


def secure_url(one: Node, certificates: Path, who: str, authority: str = "authority") -> str:
    files = {"ca_certs": f"{authority}.pem", "certfile": f"{who}.pem", "keyfile": f"{who}.key"}
    query = "&".join(f"ssl_{name}={quote(os.fspath(certificates / file))}" for name, file in files.items())
    return f"rediss://127.0.0.1:{one.port}/0?{query}"


@pytest.mark.slow
async def test_tls_is_spoken_with_a_server_that_asks_who_we_are(secure: Node, certificates: Path, an_entry: AnEntry):
    store = RedisStore(secure_url(secure, certificates, "gaze"), KEYS, HOUR, 5)
    await store.open()
    assert await store.commit([an_entry(0)]) == [True]
    await store.close()


@pytest.mark.slow
@pytest.mark.parametrize(("who", "authority"), [("stranger", "authority"), ("gaze", "stranger")])
async def test_tls_with_a_certificate_that_nobody_trusts_is_refused(
    secure: Node, certificates: Path, who: str, authority: str
):
    store = RedisStore(secure_url(secure, certificates, who, authority), KEYS, HOUR, 5)
    with pytest.raises(StoreError, match="try:"):
        await store.open()


@pytest.mark.slow
async def test_plain_words_to_a_server_that_speaks_tls_are_an_error(secure: Node):
    store = RedisStore(f"redis://127.0.0.1:{secure.port}/0", KEYS, HOUR, 5)
    with pytest.raises(StoreError, match="try:"):
        await store.open()
