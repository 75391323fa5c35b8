"""Probes, metrics and the status page over HTTP.

/livez               200 while the event loop turns
/readyz              200 or 503, with every condition and its reason
/metrics             Prometheus or OpenMetrics text
/predictions.json    the newest prediction of each symbol, ?limit=100 (at most 1,000)
/                    the same for people, with /icon.svg
"""

import errno
import secrets
import socket
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from core.errors import ConfigError
from daemon.telling import page
from daemon.telling.access import Certificate, Token, bears, guard
from daemon.telling.health import Condition, StatusSource
from daemon.telling.metrics import Metrics
from daemon.telling.page_style import ICON

_USUAL_LIMIT: Final = 100
_MOST: Final = 1_000
_PAGE_LIMIT: Final = 500
"""Of the newest messages, the page picks its strongest from so many."""


class Server:
    """A running server; `url` has its real port."""

    def __init__(self, runner: web.AppRunner, url: str, port: int) -> None:
        self._runner = runner
        self.url = url
        self.port = port

    async def close(self) -> None:
        """Stop listening and end what is open."""
        await self._runner.cleanup()


async def serve(
    host: str,
    port: int,
    status: StatusSource,
    metrics: Metrics,
    *,
    token: Token | None = None,
    certificate: Certificate | None = None,
) -> Server:
    """Listen until closed. Port 0 takes a free one. With a token only probes are answered without it.

    Raises: ConfigError: nobody can listen there.
    """
    application = _application(status, metrics, token)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=certificate.context if certificate else None).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(_cannot_listen(host, port, error)) from error
    bound = runner.addresses[0]
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return Server(runner, f"{'https' if certificate else 'http'}://{shown}:{bound[1]}", bound[1])


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program; try: --metrics-port 0 for a free one, "
            f"or see who has it: ss -ltnp 'sport = :{port}'"
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f'{host!r} is no address of this machine ({error}); try: [http] host = "127.0.0.1"'
    return f"cannot listen on {host} port {port} ({error}); try: a port from 1024 up"


def _application(status: StatusSource, metrics: Metrics, token: Token | None) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(request: web.Request) -> web.Response:
        conditions = status.conditions()
        ready = _ready(conditions)
        reasons = {"conditions": conditions} if token is None or bears(request, token.now()) else {}
        return _json({"ready": ready} | reasons, 200 if ready else 503)

    async def exposition(request: web.Request) -> web.Response:
        metrics.ready(now=_ready(status.conditions()))
        body, content_type = await metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def predictions(request: web.Request) -> web.Response:
        limit = request.query.get("limit", str(_USUAL_LIMIT))
        if not limit.isdecimal() or len(limit) > len(str(_MOST)) or not 1 <= int(limit) <= _MOST:
            return _json({"error": f"limit is {limit!r}, expected a number from 1 to {_MOST}; try: ?limit=100"}, 400)
        return _json({"predictions": status.latest(int(limit))}, 200)

    async def home(_: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        now_ms = time.time_ns() // 1_000_000
        text = page.page(status.about(), status.conditions(), status.latest(_PAGE_LIMIT), now_ms, nonce)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    async def icon(_: web.Request) -> web.Response:
        return web.Response(text=ICON, content_type="image/svg+xml")

    application = web.Application(middlewares=[guard(token)] if token else [])
    application.on_response_prepare.append(_guard)
    application.router.add_get("/livez", livez)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", exposition)
    application.router.add_get("/predictions.json", predictions)
    application.router.add_get("/", home)
    application.router.add_get("/icon.svg", icon)
    return application


async def _guard(_: web.Request, response: web.StreamResponse) -> None:
    """No answer is kept, guessed at, or told to other sites."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"


def _ready(conditions: Sequence[Condition]) -> bool:
    return all(condition.met for condition in conditions)


def _json(value: object, status: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
