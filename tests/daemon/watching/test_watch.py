"""One bundle's stream, folded: what drifts is named in the next messages, and nothing hangs on how it was read."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from builders import a_manifest
from watched import reference_of, said

from core.errors import ConfigError
from core.outputs import Attention
from core.prediction import Message, Prediction
from core.reference import Reference, arrays, read
from daemon.watching.watch import Watch

MANIFEST = a_manifest(attentions=(Attention("attention", ("head", "time")),))
DAYS = 40


@pytest.fixture(scope="module")
def reference() -> Reference:
    return reference_of(MANIFEST, said(24 * DAYS, heads=3))


def predictions(closes: Sequence[Sequence[Message]]) -> list[Prediction]:
    return [message.prediction for close in closes for message in close]


def changed(closes: list[list[Message]], from_close: int, change: object) -> list[Prediction]:
    before, after = predictions(closes[:from_close]), predictions(closes[from_close:])
    return before + [change(one) for one in after]  # type: ignore[operator]


def a_watch(reference: Reference) -> Watch:
    return Watch(MANIFEST, reference)


def another_look(one: Prediction) -> Prediction:
    """The second of three heads has its steps shuffled: it looks at the oldest bar."""
    look = one.gaze["attention"]
    heads = np.frombuffer(look.weights, "<f4").reshape(3, 4).copy()
    heads[1] = np.sort(heads[1])[::-1]
    return msgspec.structs.replace(one, gaze={"attention": msgspec.structs.replace(look, weights=heads.tobytes())})


def a_frozen_feature(one: Prediction) -> Prediction:
    row = np.frombuffer(one.newest, "<f4").copy()
    row[1] = 0.25
    return msgspec.structs.replace(one, newest=row.tobytes())


def a_scaled_feature(one: Prediction) -> Prediction:
    row = np.frombuffer(one.newest, "<f4").copy()
    row[0] *= 8
    return msgspec.structs.replace(one, newest=row.tobytes())


def a_feature_gone(one: Prediction) -> Prediction:
    row = np.frombuffer(one.newest, "<f4").copy()
    row[2] = np.nan
    return msgspec.structs.replace(one, newest=row.tobytes())


def bolder(one: Prediction) -> Prediction:
    return msgspec.structs.replace(one, outputs={name: 4 * value for name, value in one.outputs.items()})


FIRST, SECOND, THIRD = MANIFEST.inputs[0].features


@pytest.mark.parametrize(
    ("change", "group", "names"),
    [
        (another_look, "attention", "attention head 1: "),
        (a_scaled_feature, "input", FIRST),
        (a_frozen_feature, "input", SECOND),
        (bolder, "prediction", "return_1: size"),
    ],
)
def test_what_changes_is_named_and_nothing_else(reference: Reference, change: object, group: str, names: str):
    watch = a_watch(reference)
    watch.take(changed(said(24 * 10, seed=5, heads=3), 24 * 6, change))
    assert watch.drift is not None
    assert watch.drift.monitor.alarms == 1
    assert watch.standing().drifting[0].startswith(names)
    assert {one.group for one in watch.drift.moved()} == {group}


def test_a_feature_that_stands_still_or_is_gone_is_said(reference: Reference):
    watch = a_watch(reference)
    watch.take(changed(changed_messages(24 * 10, a_frozen_feature), 0, a_feature_gone))
    assert f"{SECOND}: stuck" in watch.standing().drifting
    assert f"{THIRD}: missing" in watch.standing().drifting


def changed_messages(closes: int, change: object) -> list[list[Message]]:
    return [
        [msgspec.structs.replace(one, prediction=change(one.prediction)) for one in close]  # type: ignore[operator]
        for close in said(closes, seed=5, heads=3)
    ]


def test_however_the_stream_is_read_the_same_comes_of_it(reference: Reference):
    stream = changed(said(24 * 8, seed=5, heads=3), 24 * 6, another_look)
    whole, cut = a_watch(reference), a_watch(reference)
    whole.take(stream)
    for first in range(0, len(stream), 7):
        cut.take(stream[first : first + 7])
    assert cut.standing() == whole.standing()
    assert cut.score.records == whole.score.records
    assert cut.losses == whole.losses


def test_a_reference_comes_back_from_its_arrays(reference: Reference):
    again = read(arrays(reference))
    assert again is not None
    assert again.limits is not None
    assert reference.limits is not None
    assert again.names == reference.names
    assert again.limits.usual_J.tolist() == reference.limits.usual_J.tolist()
    assert again.profiles.shape == reference.profiles.shape


def test_a_bundle_of_before_has_its_limits_made_anew_and_lacks_only_the_statistics_it_does_not_know(
    reference: Reference,
):
    stored = arrays(reference)
    known = np.array(["roughness" not in name for name in reference.names.names])
    for name in ("names", "groups", "mean", "spread", "values"):
        stored[f"watch.{name}"] = stored[f"watch.{name}"][..., known]
    stored["watch.usual"] = stored["watch.usual"] * 0 + 1e-9
    del stored["watch.version"]
    before = read(stored)
    assert before is not None
    assert before.limits is not None
    assert before.limits.usual_J.min() > 1e-9 * 1.5
    stream = changed(said(24 * 8, seed=5, heads=3), 24 * 6, a_scaled_feature)
    watch = a_watch(before)
    watch.take(stream)
    assert watch.drift
    assert [one.name for one in watch.drift.moved()][:1] == ["log_return_1"]


def test_a_reference_too_short_is_refused_where_a_rate_was_asked_for_and_else_said():
    short = reference_of(MANIFEST, said(50, heads=3))
    assert "too short to watch drift by" in Watch(MANIFEST, short).why_not
    with pytest.raises(ConfigError, match="too short to watch drift by"):
        Watch(MANIFEST, short, 1.0)
    assert Watch(MANIFEST, None).why_not
