"""Logs: key=value lines for people at a terminal, JSON lines for everything else. No secret passes."""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, Literal, TextIO

# A store's password may hold a stray slash; elsewhere what follows a slash is a path, such as /ws/btcusdt@kline_1h.
_URL_PASSWORD: Final = re.compile(
    r"(?P<kept>\b(?:rediss?(?:\+[a-z]+)?|unix)://[^\s:/@]*):\S*@|(?P<other>\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/?#]*@",
    re.IGNORECASE,
)
_NAMED_SECRET: Final = re.compile(
    r"(?P<kept>\b(?:(?:sentinel_)?password|passwd|secret|token|api_?key|authorization)['\"]?\s*[=:]\s*)(?:bearer\s+)?[^\s&,;]+",
    re.IGNORECASE,
)
_SECRET_KEY: Final = re.compile(r"password|passwd|secret|token|api_?key|authorization", re.IGNORECASE)
_HIDDEN: Final = "***"

_USUAL: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """The text without the passwords of its URLs, and without what is named password, secret, token or key."""
    text = _URL_PASSWORD.sub(lambda found: f"{found['kept'] or found['other']}:{_HIDDEN}@", text)
    return _NAMED_SECRET.sub(rf"\g<kept>{_HIDDEN}", text)


def _redacted(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key):
        return _HIDDEN
    if isinstance(value, Mapping):
        return {str(inner): _redacted(str(inner), one) for inner, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(key, one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else redact(str(value))


class _Formatter(logging.Formatter):
    """What both formats share: the time in UTC, the extra fields, and that secrets are left out."""

    def told(self, record: logging.LogRecord) -> dict[str, Any]:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for key, value in record.__dict__.items():
            # Some libraries add fields of their own, under private names, to every record there is.
            if key not in _USUAL and not key.startswith("_"):
                told[key if key not in told else f"{key}_"] = _redacted(key, value)
        if record.exc_info:
            told["exception"] = redact(self.formatException(record.exc_info))
        return told


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        return json.dumps(self.told(record), ensure_ascii=False, separators=(",", ":"))


class TextFormatter(_Formatter):
    """One line: time, level, logger, message, then key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line; an exception follows on lines of its own."""
        told = self.told(record)
        exception = told.pop("exception", None)
        at, level, logger, message = (told.pop(key) for key in ("at", "level", "logger", "message"))
        line = " ".join([at, f"{level:<7}", f"{logger}:", message, *(f"{key}={_word(told[key])}" for key in told)])
        return f"{line}\n{exception}" if exception else line


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[\s\"=]", text) or not text else text


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `configure` replaces the first and touches nobody else's."""


def configure(
    level: Literal["debug", "info", "warning", "error"],
    shape: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
) -> logging.Handler:
    """Log to the stream (standard error) from now on: Gaze from this level up, libraries from warnings up."""
    stream = stream or sys.stderr
    as_text = shape == "text" or (shape == "auto" and stream.isatty())
    handler = _Handler(stream)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    for earlier in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    logging.getLogger("gaze").setLevel(level.upper())
    logging.captureWarnings(capture=True)
    return handler
