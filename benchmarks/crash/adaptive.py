"""The adaptive state of a daemon as it says it on /metrics, beside a fold of another record in the order of time.

Drift, scores, margins and running profiles must be those of the run that nothing disturbed, to the last bit, whatever
the order in which the disturbed one published.
"""

import asyncio
import urllib.request
from collections.abc import Sequence
from typing import Final

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from core.bars import Interval
from core.bundle import Bundle
from daemon.config import WatchConfig
from daemon.serving import watch_of
from daemon.stores.record import said
from daemon.telling.metrics import Metrics

CLOSED: Final = "gaze_watched_bar_close_timestamp_seconds"
"""Up to which close it is the state."""
_TOLD: Final = (
    "gaze_drift_ratio",
    "gaze_drift_observations",
    "gaze_score_",
    "gaze_interval_margin",
    "gaze_attention_drift_distance",
    "gaze_attention_weight_ratio",
    "gaze_features_",
)
_LOOK_S: Final = 0.5

State = dict[tuple[str, ...], float]
"""By name and labels of a series."""


async def differing(url: str, bundle: Bundle, undisturbed: Sequence[bytes], until_ms: int, within_s: float) -> int:
    """How many series of the daemon at this address differ from the fold of a record up to the same close.

    Waited for is a state of the last close before `until_ms`, or a later one, that differs in none.
    """
    step_ms = Interval.parse(bundle.manifest.interval).ms
    apart: int | None = None
    state: State = {}
    try:
        async with asyncio.timeout(within_s):
            while apart != 0:
                await asyncio.sleep(_LOOK_S)
                before, state = state, await asyncio.to_thread(_scraped, url)
                closed_ms = round(state.get((CLOSED,), 0.0) * 1_000)
                # The last of all is settled by the one behind it.
                if closed_ms >= until_ms - step_ms and state != before:
                    apart = _apart(state, folded(bundle, undisturbed, closed_ms))
    except TimeoutError:
        assert apart is not None, f"the daemon did not watch its record to the end: {state.get((CLOSED,))}"
    return apart or 0


def _apart(one: State, other: State) -> int:
    # As text, what is no number equals itself.
    return sum(str(one.get(series)) != str(other.get(series)) for series in one.keys() | other.keys())


def folded(bundle: Bundle, record: Sequence[bytes], closed_ms: int) -> State:
    """The state of a daemon that heard this record in the order of time, up to the bars that closed then."""
    step_ms = Interval.parse(bundle.manifest.interval).ms
    metrics = Metrics(bundle.manifest, bundle.digest, ())
    watch = watch_of(WatchConfig(), bundle, metrics)
    for one in sorted(said(list(record), bundle.digest), key=lambda one: (one.opened_at_ms, one.revision)):
        watch.take([one])
        if watch.settled_ms + step_ms == closed_ms:
            break
    metrics.watched(watch)
    return _state(generate_latest(metrics.registry).decode())


def _scraped(url: str) -> State:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        return _state(answer.read().decode())


def _state(text: str) -> State:
    return {
        (sample.name, *(f"{name}={label}" for name, label in sorted(sample.labels.items()) if name != "model")): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        if family.name.startswith((*_TOLD, CLOSED))
        for sample in family.samples
    }
