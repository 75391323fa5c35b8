"""The status keeps what was published in the words that went out."""

from builders import a_manifest, a_message, spoken

from core.prediction import Message
from daemon.telling.metrics import Metrics
from daemon.telling.status import Status


def published(status: Status, *messages: Message) -> None:
    status.published_now(spoken(*messages))


def test_the_newest_message_of_each_symbol_is_told_last_published_first():
    status = Status(Metrics(a_manifest(), "digest", []), {}, 2)
    first, other, second = a_message(1), a_message(1, "ETHUSDT"), a_message(2)
    published(status, first, other)
    published(status, second)
    assert status.latest(10) == [second, other]
    assert status.latest(1) == [second]
    assert status.published == 3


def test_an_older_bar_that_goes_out_later_is_not_the_newest():
    status = Status(Metrics(a_manifest(), "digest", []), {}, 1)
    published(status, a_message(2))
    published(status, a_message(1))
    assert status.latest(10) == [a_message(2)]
