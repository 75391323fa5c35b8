"""A replay is held against a recorded stream bar by bar, and every kind of difference is counted."""

from pathlib import Path

import msgspec
import pytest
from builders import HOUR, a_gaze, a_message
from redis.asyncio import Redis

from core.errors import DataError, StoreError, UsageError
from core.prediction import Prediction, encode
from daemon.replaying.recorded import Comparison, Differences, Recorded, read
from daemon.replaying.replay import Span
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys

SPAN = Span(("BTCUSDT",), 0, 100 * HOUR.ms)


def said(*numbers: int, **changes: object) -> list[Prediction]:
    return [a_message(number, **changes).prediction for number in numbers]  # type: ignore[arg-type]


def compared(
    recorded: list[Prediction], replayed: list[Prediction], span: Span = SPAN, *, every: bool = True
) -> Differences:
    stream = Recorded("digest")
    for one in recorded:
        stream.take(one)
    comparison = Comparison(stream, span, every_bar=every)
    comparison.take(replayed)
    return comparison.differences()


def test_the_same_predictions_have_no_differences():
    found = compared(said(1, 2, 3), said(1, 2, 3))
    assert (found.compared, found.total, found.examples) == (3, 0, {})


@pytest.mark.parametrize("changes", [{"value": 0.0012000000001}, {"gaze": a_gaze((0.1, 0.2, 0.4, 0.3))}])
def test_one_number_that_differs_is_a_difference(changes: dict[str, object]):
    found = compared(said(1, 2, 3), said(1) + said(2, **changes) + said(3))
    assert (found.compared, found.different, found.total) == (3, 1, 1)
    assert found.examples == {"different": [("BTCUSDT", 2 * HOUR.ms)]}


def test_a_prediction_that_was_lost_or_made_up_is_a_difference():
    assert compared(said(1, 3), said(1, 2, 3)).only_replayed == 1
    assert compared(said(1, 2, 3), said(1, 3)).only_recorded == 1


def test_where_late_bars_are_not_published_their_absence_is_none():
    assert compared(said(1, 3), said(1, 2, 3), every=False).total == 0


def test_before_the_first_and_after_the_last_recorded_bar_nothing_is_missed():
    assert compared(said(4, 5), said(2, 3, 4, 5, 6)).total == 0


def test_what_lies_outside_the_span_is_not_compared():
    found = compared(said(1, 2, 3), said(2), Span(("BTCUSDT",), 2 * HOUR.ms, 3 * HOUR.ms))
    assert (found.compared, found.total) == (1, 0)


def test_of_several_revisions_the_latest_counts_and_its_number_does_not():
    first, revised = said(1, value=0.5)[0], said(1, value=0.7)[0]
    revised = msgspec.structs.replace(revised, revision=1, id="other")
    assert compared([revised, first], said(1, value=0.7)).total == 0
    assert compared([revised, first], said(1, value=0.5)).different == 1


def test_a_stream_of_another_bundle_only_is_refused_and_its_digest_named():
    stream = Recorded("mine")
    stream.take(said(1)[0])
    with pytest.raises(DataError, match="nothing is recorded of bundle mine, only of digest; try: --bundle"):
        stream.span()


async def test_a_folder_is_read_whether_its_server_runs_or_not(tmp_path: Path):
    keys = Keys("demo")
    async with EmbeddedServer(tmp_path / "state") as server:
        client = Redis.from_url(server.url, protocol=2)
        for number in range(1, 1_502):
            await client.xadd(keys.stream, {"message": encode(a_message(number))})
        running = await read(str(tmp_path / "state"), keys, "digest")
        by_url = await read(server.url, keys, "digest")
        await client.aclose()
    stopped = await read(str(tmp_path / "state"), keys, "digest")
    assert len(running.said) == 1_501
    assert running.said == by_url.said == stopped.said
    assert running.span() == (HOUR.ms, 1_501 * HOUR.ms + 1)


async def test_a_folder_without_a_store_and_an_address_that_does_not_answer_are_told(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no store; try"):
        await read(str(tmp_path), Keys("demo"), "digest")
    with pytest.raises(UsageError, match="is not a Redis address"):
        await read("http://127.0.0.1", Keys("demo"), "digest")
    with pytest.raises(StoreError, match="no predictions from"):
        await read(f"unix://{tmp_path}/none.sock", Keys("demo"), "digest")
