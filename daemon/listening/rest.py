"""One question and its answer over a venue's REST."""

from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Final, Protocol

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from daemon.ports import Request

_LONGEST_BAN_S: Final = 3 * 86_400.0


class UnansweredError(Exception):
    """Why there is no answer; the question may be asked again."""


class Answer(msgspec.Struct, frozen=True):
    """What came back; `retry_after_s`: so long the venue wants no more questions."""

    status: int
    body: bytes
    retry_after_s: float = 0.0


class Asking(Protocol):
    """What answers questions about history."""

    async def ask(self, request: Request) -> Answer:
        """Raises: UnansweredError: there is no answer."""


class Rest:
    """A venue's REST over HTTP. An answer takes at most `timeout_s`, and has a body of at most `body_limit` bytes."""

    def __init__(self, session: ClientSession, *, timeout_s: float = 15.0, body_limit: int = 16 * 1024 * 1024) -> None:
        self._session = session
        self._timeout = ClientTimeout(total=timeout_s)
        self._body_limit = body_limit

    async def ask(self, request: Request) -> Answer:
        """Redirections are not followed. Raises: UnansweredError: no answer, or one that is too large."""
        try:
            async with self._session.request(
                "GET" if request.body is None else "POST",
                request.url,
                data=request.body,
                headers=None if request.body is None else {"Content-Type": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, await self._body(response), retry_after_s(response.headers))
        except TimeoutError as error:
            raise UnansweredError(f"no answer in {self._timeout.total} s") from error
        except ClientError as error:
            raise UnansweredError(str(error) or type(error).__name__) from error

    async def _body(self, response: ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            body += chunk
            if len(body) > self._body_limit:
                raise UnansweredError(f"a body of more than {self._body_limit} bytes")
        return bytes(body)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds, or an HTTP date measured against the answer's own date; 0 where the venue does not say."""
    told = headers.get("Retry-After", "")
    if told.strip().isdecimal():
        return min(float(told), _LONGEST_BAN_S)
    until, now = parsedate_tz(told), parsedate_tz(headers.get("Date", ""))
    if until is None or now is None:
        return 0.0
    return min(max(0.0, float(mktime_tz(until) - mktime_tz(now))), _LONGEST_BAN_S)
