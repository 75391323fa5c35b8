import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator

import pytest

from daemon.telling.log import configure, redact

Start = Callable[..., io.StringIO]

log = logging.getLogger("gaze.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logging_to() -> Iterator[Start]:
    """Configure logging to a stream; undone afterwards."""
    level = logging.getLogger("gaze").level
    handlers: list[logging.Handler] = []

    def start(stream: io.StringIO, threshold: str = "info", shape: str = "auto") -> io.StringIO:
        handlers.append(configure(threshold, shape, stream))  # type: ignore[arg-type]
        return stream

    yield start
    for handler in handlers:
        logging.getLogger().removeHandler(handler)
    logging.getLogger("gaze").setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_pipe_gets_one_json_object_a_line_with_the_extra_fields(logging_to: Start):
    stream = logging_to(io.StringIO())
    log.info("connected to %s", "binance", extra={"sockets": 2, "symbols": ("BTCUSDT",), "note": "a\nb"})
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert said.pop("at").endswith("Z")
    assert said == {
        "level": "info",
        "logger": "gaze.test",
        "message": "connected to binance",
        "sockets": 2,
        "symbols": ["BTCUSDT"],
        "note": "a\nb",
    }


def test_a_terminal_gets_words_and_quotes_only_where_needed(logging_to: Start):
    stream = logging_to(Terminal())
    log.warning("gap", extra={"symbol": "BTCUSDT", "why": "two bars missing", "bars": 2})
    assert stream.getvalue().endswith('warning gaze.test: gap symbol=BTCUSDT why="two bars missing" bars=2\n')


def test_what_a_library_adds_to_every_record_under_a_private_name_is_left_out(logging_to: Start):
    stream = logging_to(Terminal())
    log.info("here", extra={"_added_ns": 1, "bars": 2})
    assert stream.getvalue().endswith("here bars=2\n")


def test_the_shape_can_be_chosen_whatever_the_stream(logging_to: Start):
    stream = logging_to(Terminal(), shape="json")
    log.info("here")
    assert json.loads(stream.getvalue())["message"] == "here"


def test_less_than_the_level_is_not_said_and_libraries_speak_from_warnings_up(logging_to: Start):
    stream = logging_to(Terminal(), "warning")
    log.info("quiet")
    logging.getLogger("some.library").info("quiet")
    logging.getLogger("some.library").warning("loud")
    assert stream.getvalue().count("\n") == 1
    assert "loud" in stream.getvalue()


def test_configuring_again_replaces_instead_of_doubling(logging_to: Start):
    first, second = logging_to(io.StringIO()), logging_to(io.StringIO())
    log.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_an_exception_is_one_json_line_with_its_trace(logging_to: Start):
    stream = logging_to(io.StringIO())
    try:
        raise OSError("redis://user:hunter2@host refused")  # noqa: TRY301 - a trace needs a raise
    except OSError:
        log.exception("store away")
    (line,) = stream.getvalue().splitlines()
    assert "Traceback" in json.loads(line)["exception"]
    assert "hunter2" not in line


def test_a_python_warning_reaches_the_log(logging_to: Start):
    stream = logging_to(io.StringIO())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old option", stacklevel=1)
    assert "old option" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("redis://:hunter2@host:6379/0", "redis://:***@host:6379/0"),
        ("rediss://gaze:hun/ter@2@host", "rediss://gaze:***@host"),
        ("unix://gaze:hunter2@/run/redis.sock?db=1", "unix://gaze:***@/run/redis.sock?db=1"),
        ("unix:///run/redis.sock?password=hunter2&db=1", "unix:///run/redis.sock?password=***&db=1"),
        ("https://user:hunter2@example.org/a@b", "https://user:***@example.org/a@b"),
        ("Authorization: Bearer hunter2", "Authorization: ***"),
        ("{'password': 'hunter2'}", "{'password': ***"),
        ("no secret at redis://host:6379 by a@b", "no secret at redis://host:6379 by a@b"),
        ("wss://host:9443/ws/btcusdt@kline_1h", "wss://host:9443/ws/btcusdt@kline_1h"),
    ],
)
def test_passwords_never_pass_and_the_rest_stays(text: str, safe: str):
    assert redact(text) == safe


@pytest.mark.parametrize("shape", ["json", "text"])
def test_secrets_do_not_pass_in_message_extra_or_below(logging_to: Start, shape: str):
    stream = logging_to(io.StringIO(), shape=shape)
    log.info(
        "using %s",
        "redis://:hunter2@host",
        extra={
            "password": "hunter2",
            "api_key": "hunter2",
            "store": {"url": "redis://:hunter2@host", "tokens": ["hunter2"]},
            "tried": ["redis://:hunter2@other"],
        },
    )
    assert "hunter2" not in stream.getvalue()
    assert "host" in stream.getvalue()
