"""Who may read over HTTP, and by which certificate: a token and TLS, both only where settings name them."""

import base64
import binascii
import contextlib
import hmac
import ssl
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from core.errors import ConfigError

OPEN: Final = ("/livez", "/readyz")
"""Probes come without a token; /readyz then says yes or no and nothing else."""
_LEAST_CHARACTERS: Final = 16


def _read_token(path: str) -> str:
    try:
        token = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[http] token_file {path} cannot be read ({error}); try: see who may read it") from error
    if len(token) < _LEAST_CHARACTERS:
        raise ConfigError(
            f"[http] token_file {path} holds {len(token)} characters, expected at least {_LEAST_CHARACTERS}; "
            f"try: openssl rand -hex 32 > {path}"
        )
    return token


class Token:
    """What readers must bear, from a file that is read at each request, so that another one needs no restart.

    Raises: ConfigError: unreadable, or too short.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._text = _read_token(path)

    def now(self) -> str:
        """What the file holds; while that is no token, the one before."""
        # Its time of change would not tell of a second one within the same tick of the clock.
        with contextlib.suppress(ConfigError):
            self._text = _read_token(self._path)
        return self._text


def bears(request: web.Request, token: str) -> bool:
    """Whether a request carries the token: as a bearer's, as Prometheus sends it, or as a browser's password."""
    scheme, _, told = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            told = base64.b64decode(told, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(told.strip().encode(), token.encode())


def guard(token: Token) -> Middleware:
    """A middleware that answers 401 to whoever reads more than probes without the token."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN or bears(request, token.now()):
            return await handler(request)
        return web.Response(
            status=401,
            text="a token is needed; try: Authorization: Bearer TOKEN, or any name and the token as password\n",
            headers={"WWW-Authenticate": 'Basic realm="gaze", charset="UTF-8"'},
        )

    return guarded


class Certificate:
    """A certificate chain and its key in files, read again when they change, so that renewing needs no restart."""

    def __init__(self, chain: str, key: str) -> None:
        self._paths = Path(chain), Path(key)
        self._seen = self._stamp()
        self._current = self._read()
        self.context = self._read()
        self.context.sni_callback = self._renewed

    def _renewed(self, socket: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """At each handshake: take what the files hold now; a pair that does not fit yet leaves the one before."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._current, self._seen = self._read(), stamp
        except ConfigError:
            pass  # half of a pair has been written: the next handshake looks again
        socket.context = self._current

    def _stamp(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in self._paths)
        except OSError as error:
            raise ConfigError(
                f"[http] TLS: {error.filename}: {error.strerror}; try: tls_certificate and tls_key"
            ) from error

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        chain, key = self._paths
        try:
            context.load_cert_chain(chain, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"[http] {chain} and {key} are no certificate and its key ({error}); try: PEM files that fit"
            ) from error
        return context
