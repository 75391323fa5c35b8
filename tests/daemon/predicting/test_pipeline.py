import itertools

import msgspec
import numpy as np
import pytest
from builders import HOUR, a_bar, a_manifest, an_arrival

from core import prediction
from core.bands import Band, Margin
from core.bars import Arrival, Bar, Interval, Origin
from core.bundle import Training
from core.features import FeatureSet
from core.outputs import Attention
from core.sessions import Sessions
from core.windows import Fate, Windows
from daemon.ports import Standing
from daemon.predicting.batch import Batch
from daemon.predicting.pipeline import Pipeline

NEEDED = 28  # a window of 4 and 25 bars of lookback: the first row ends at bar 25
VENUES = dict.fromkeys(("A", "B", "C", "BTCUSDT"), "binance")


def a_pipeline(**changes: object) -> Pipeline:
    usual = {"publish_late": True, "top": 2}
    return Pipeline(a_manifest(), "digest", **(usual | changes))  # type: ignore[arg-type]


def bars(first: int, last: int, symbol: str = "BTCUSDT") -> list[Bar]:
    drawn = np.random.default_rng(3).uniform(95, 105, 200)
    return [
        a_bar(number, symbol, close=float(drawn[number]), volume=float(number)) for number in range(first, last + 1)
    ]


def arrivals(first: int, last: int, symbol: str = "BTCUSDT", origin: Origin = Origin.LIVE) -> list[Arrival]:
    return [an_arrival(bar, origin) for bar in bars(first, last, symbol)]


def windows(*symbols: str) -> Windows:
    return Windows(HOUR, symbols or ("BTCUSDT",), NEEDED + 16)


def numbers(batch: Batch) -> list[int]:
    return [one.arrival.bar.opened_at_ms // HOUR.ms for one in batch.predicted]


def test_the_first_prediction_comes_with_the_first_full_window():
    assert a_pipeline().bars_needed == NEEDED
    admission = a_pipeline().prepare(windows(), arrivals(1, NEEDED + 2), {})
    assert numbers(admission.batch) == [NEEDED, NEEDED + 1, NEEDED + 2]
    assert len(admission.batch.stored) == NEEDED + 2
    assert admission.fates == {Fate.FIRST: 1, Fate.FRESH: NEEDED + 1}


def test_inputs_are_the_features_that_training_computes_bit_for_bit():
    admission = a_pipeline().prepare(windows(), arrivals(1, NEEDED + 2), {})
    history = FeatureSet.named("btc_3").history(np.array([bar.row for bar in bars(1, NEEDED + 2)]))
    expected = [history[end - 4 : end].astype(np.float32) for end in (NEEDED, NEEDED + 1, NEEDED + 2)]
    assert admission.batch.inputs["bars"].tobytes() == np.array(expected).tobytes()


def test_a_batch_with_a_bar_and_its_revision_predicts_each_from_what_was_known_then():
    mirror, pipeline = windows(), a_pipeline()
    revised = an_arrival(a_bar(NEEDED, close=99.0))
    together = pipeline.prepare(mirror, [*arrivals(1, NEEDED), revised], {}).batch
    apart = windows()
    first = pipeline.prepare(apart, arrivals(1, NEEDED), {}).batch
    second = pipeline.prepare(apart, [revised], {}).batch
    assert [one.revision for one in together.predicted] == [0, 1]
    separately = np.concatenate([first.inputs["bars"], second.inputs["bars"]])
    assert together.inputs["bars"].tobytes() == separately.tobytes()


def test_a_repeated_bar_is_neither_stored_nor_predicted_again():
    mirror = windows()
    a_pipeline().prepare(mirror, arrivals(1, NEEDED), {})
    again = a_pipeline().prepare(mirror, arrivals(NEEDED - 3, NEEDED), {})
    assert not again.batch.stored
    assert again.fates == {Fate.REPEATED: 4}


def test_history_before_the_symbol_was_followed_fills_windows_only():
    since = {"BTCUSDT": (NEEDED + 2) * HOUR.ms}
    admission = a_pipeline().prepare(windows(), arrivals(1, NEEDED + 3), since)
    assert numbers(admission.batch) == [NEEDED + 2, NEEDED + 3]


def test_bars_missed_while_away_are_skipped_where_the_policy_says_so():
    mirror, pipeline = windows(), a_pipeline(publish_late=False)
    pipeline.prepare(mirror, arrivals(1, NEEDED), {})
    missed = arrivals(NEEDED + 1, NEEDED + 3, origin=Origin.BACKFILLED)
    assert numbers(pipeline.prepare(mirror, [*missed, *arrivals(NEEDED + 4, NEEDED + 4)], {}).batch) == [NEEDED + 4]
    built = arrivals(NEEDED + 5, NEEDED + 5, origin=Origin.AGGREGATED)
    assert numbers(pipeline.prepare(mirror, built, {}).batch) == [NEEDED + 5]


@pytest.mark.parametrize(
    ("origin", "late"), [("live", False), ("aggregated", False), ("backfilled", True), ("filled", True)]
)
def test_a_message_tells_where_its_bar_came_from_how_and_how_late(origin: str, *, late: bool):
    mirror, pipeline = windows(), a_pipeline()
    pipeline.prepare(mirror, arrivals(1, NEEDED - 1), {})
    (last,) = arrivals(NEEDED, NEEDED, origin=Origin(origin))
    received_at_ms = last.bar.opened_at_ms + HOUR.ms + 1_234
    batch = pipeline.prepare(mirror, [msgspec.structs.replace(last, received_at_ms=received_at_ms)], {}).batch
    _, spoken = pipeline.finish(
        batch,
        {"return_1": np.zeros(1, np.float32), "attention": np.full((1, 4), 0.25, np.float32)},
        now_ms=received_at_ms + 5,
    )
    (context,) = (prediction.decode(words).context for words in spoken.words)
    assert (context.venue, context.origin, context.late) == (last.venue, origin, late)
    assert (context.lateness_ms, context.received_at_ms) == (1_234, received_at_ms)


def test_a_bar_whose_predecessor_is_missing_is_handed_back_and_changes_nothing():
    mirror = windows()
    a_pipeline().prepare(mirror, arrivals(1, NEEDED), {})
    admission = a_pipeline().prepare(mirror, arrivals(NEEDED + 2, NEEDED + 2), {})
    assert [one.bar.opened_at_ms for one in admission.early] == [(NEEDED + 2) * HOUR.ms]
    assert mirror.newest_ms_S[0] == NEEDED * HOUR.ms


def test_a_symbol_that_waits_no_longer_goes_on_without_and_is_healed_when_the_bar_comes():
    """While a bar is missing nothing is predicted; when it comes, those that went unpredicted are, and once."""
    mirror, pipeline = windows(), a_pipeline()
    pipeline.prepare(mirror, arrivals(1, NEEDED), {})
    mirror.publish("BTCUSDT", NEEDED * HOUR.ms, 0)
    gone_on = pipeline.prepare(mirror, arrivals(NEEDED + 2, NEEDED + 3), {}, broken=["BTCUSDT"])
    assert len(gone_on.batch.stored) == 2
    assert not gone_on.batch.predicted
    healed = pipeline.prepare(mirror, arrivals(NEEDED + 1, NEEDED + 1, origin=Origin.BACKFILLED), {})
    assert numbers(healed.batch) == [NEEDED + 1, NEEDED + 2, NEEDED + 3]
    assert [one.revision for one in healed.batch.predicted] == [0, 0, 0]
    whole = pipeline.prepare(windows(), arrivals(1, NEEDED + 3), {}).batch
    assert healed.batch.inputs["bars"].tobytes() == whole.inputs["bars"][1:].tobytes()


def test_messages_say_what_the_model_said_and_where_it_looked():
    pipeline = a_pipeline()
    batch = pipeline.prepare(windows(), arrivals(1, NEEDED + 1), {}).batch
    looked = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], np.float32)
    outputs = {"return_1": np.array([0.5, -0.25], np.float32), "attention": looked}
    entries, spoken = pipeline.finish(batch, outputs, now_ms=7, standing=Standing(drift={"attention": 0.01}))
    assert [entry.message for entry in entries] == [None] * (NEEDED - 1) + spoken.words
    sent = prediction.decode(spoken.words[-1])
    assert sent.prediction.outputs == {"return_1": -0.25}
    assert sent.prediction.closed_at_ms == (NEEDED + 2) * HOUR.ms
    assert sent.prediction.gaze["attention"].top == (
        prediction.Step(3, pytest.approx(0.7), (NEEDED - 2) * HOUR.ms),
        prediction.Step(0, pytest.approx(0.1), (NEEDED + 1) * HOUR.ms),
    )
    assert np.frombuffer(sent.prediction.newest, "<f4").tolist() == batch.inputs["bars"][1, -1].tolist()
    assert np.frombuffer(sent.prediction.gaze["attention"].weights, "<f4").tolist() == looked[1].tolist()
    assert sent.context.drift == {"attention": 0.01}
    assert sent.context.published_at_ms == 7


def test_messages_carry_the_bands_that_the_bundle_has_margins_for():
    margins = (Margin("return_1", 0.8, 0.25, 99), Margin("return_1", 0.9, 0.5, 99))
    pipeline = Pipeline(a_manifest(margins=margins), "digest", publish_late=True, top=2)
    batch = pipeline.prepare(windows(), arrivals(1, NEEDED + 1), {}).batch
    outputs = {"return_1": np.array([0.5, -0.25], np.float32), "attention": np.full((2, 4), 0.25, np.float32)}
    _, spoken = pipeline.finish(batch, outputs, now_ms=7)
    sent = prediction.decode(spoken.words[-1])
    assert sent.prediction.bands == {"return_1": (Band(0.8, -0.5, 0.0), Band(0.9, -0.75, 0.25))}


@pytest.mark.parametrize("name", ["return_1", "attention"])
@pytest.mark.parametrize("said", [np.nan, np.inf])
def test_a_number_that_is_not_finite_goes_out_in_no_message(name: str, said: float):
    mirror, pipeline = windows(), a_pipeline()
    batch = pipeline.prepare(mirror, arrivals(1, NEEDED + 1), {}).batch
    outputs = {"return_1": np.zeros(2, np.float32), "attention": np.full((2, 4), 0.25, np.float32)}
    outputs[name][0] = said
    entries, spoken = pipeline.finish(batch, outputs, now_ms=0)
    assert [entry.message for entry in entries] == [*[None] * NEEDED, *spoken.words]
    assert [prediction.decode(words).prediction.opened_at_ms // HOUR.ms for words in spoken.words] == [NEEDED + 1]


def test_several_heads_are_sent_whole_and_summed_up_by_their_mean():
    manifest = a_manifest(attentions=(Attention("attention", ("head", "time")),))
    pipeline = Pipeline(manifest, "digest", publish_late=True, top=1)
    batch = pipeline.prepare(windows(), arrivals(1, NEEDED), {}).batch
    heads = np.array([[[1, 0, 0, 0], [0, 0, 0, 1]]], np.float32)
    _, spoken = pipeline.finish(batch, {"return_1": np.zeros(1, np.float32), "attention": heads}, now_ms=0)
    gaze = prediction.decode(spoken.words[-1]).prediction.gaze["attention"]
    assert gaze.shape == (2, 4)
    assert gaze.entropy == pytest.approx(0.5)
    assert [(step.bars_ago, step.weight) for step in gaze.top] == [(0, 0.5)]


def test_gates_which_look_nowhere_are_not_told_as_a_look():
    manifest = a_manifest(attentions=(Attention("attention", ("time",)), Attention("gate", ("layer", "time", "gate"))))
    pipeline = Pipeline(manifest, "digest", publish_late=True, top=1)
    batch = pipeline.prepare(windows(), arrivals(1, NEEDED), {}).batch
    said = {"return_1": np.zeros(1), "attention": np.full((1, 4), 0.25), "gate": np.full((1, 2, 4, 1), 0.5)}
    _, spoken = pipeline.finish(batch, {name: one.astype(np.float32) for name, one in said.items()}, now_ms=0)
    assert list(prediction.decode(spoken.words[-1]).prediction.gaze) == ["attention"]


def test_the_same_bars_give_the_same_prediction_bytes_whatever_batch_they_came_in():
    """Ids and values depend on model and bars only; clocks live in the context."""
    pipeline = a_pipeline()

    def sent(cuts: list[list[Arrival]], now_ms: int) -> list[prediction.Prediction]:
        mirror, messages = windows(), []
        for cut in cuts:
            batch = pipeline.prepare(mirror, cut, {}).batch
            if batch.predicted:
                rows = batch.inputs["bars"]
                outputs = {"return_1": rows[:, -1, 0], "attention": np.full(rows.shape[:2], 0.25, np.float32)}
                messages += pipeline.finish(batch, outputs, now_ms)[1].words
        return [prediction.decode(words).prediction for words in messages]

    whole = arrivals(1, NEEDED + 5)
    assert sent([whole], 1) == sent([[one] for one in whole], 2)


def test_what_a_killed_daemon_stored_and_did_not_publish_is_finished():
    whole, mirror = a_pipeline(), windows("A", "B", "C")
    for symbol, last in (("A", NEEDED + 3), ("B", NEEDED - 1), ("C", NEEDED + 1)):
        for bar in bars(1, last, symbol):
            mirror.put(bar)
    mirror.publish("A", a_bar(NEEDED + 1).opened_at_ms, 0)
    since = {symbol: a_bar(NEEDED + 1).opened_at_ms for symbol in "ABC"}
    batch = whole.unfinished(mirror, ["A", "B", "C"], since, VENUES, now_ms=0)
    assert [(one.arrival.bar.symbol, n) for one, n in zip(batch.predicted, numbers(batch), strict=True)] == [
        ("A", NEEDED + 2),
        ("A", NEEDED + 3),
        ("C", NEEDED + 1),
    ]
    assert batch.stored == batch.predicted
    assert {one.arrival.origin for one in batch.stored} == {Origin.BACKFILLED}
    undisturbed = whole.prepare(windows(), arrivals(1, NEEDED + 3), {}).batch
    np.testing.assert_array_equal(batch.inputs["bars"][:2], undisturbed.inputs["bars"][-2:])


def test_what_is_late_is_not_finished_where_late_ones_are_skipped():
    mirror = windows()
    for bar in bars(1, NEEDED):
        mirror.put(bar)
    assert not a_pipeline(publish_late=False).unfinished(mirror, ["BTCUSDT"], {}, VENUES, now_ms=0).stored


def test_parts_keep_each_symbols_bars_in_the_order_of_time_also_those_that_go_unpredicted():
    """A ring in the store has but one place for bars that are its capacity apart: the earlier must come there first."""
    came = [*arrivals(1, NEEDED + 5), *arrivals(NEEDED + 7, NEEDED + 20)]
    batch = a_pipeline().prepare(windows(), came, {}, broken={"BTCUSDT"}).batch
    assert numbers(batch) == list(range(NEEDED, NEEDED + 6))
    kept = [[one.arrival.bar.opened_at_ms // HOUR.ms for one in part.stored] for part in batch.parts(2)]
    assert len(kept) == 3
    assert list(itertools.chain(*kept)) == [arrival.bar.opened_at_ms // HOUR.ms for arrival in came]


def test_a_holiday_that_nobody_named_breaks_windows_until_it_is_named_then_what_waited_is_predicted():
    days = Interval.parse("1d")
    weeks = tuple((first * days.ms, 5) for first in range(4, 104, 7))
    training = Training("0" * 64, ("BTCUSDT",), {}, {}, sessions=weeks)
    manifest = a_manifest(interval="1d", training=training)
    holiday, opened = 60 * days.ms, manifest.grid.between(0, 90 * days.ms)
    drawn = np.random.default_rng(3).uniform(95, 105, len(opened))
    came = [
        an_arrival(Bar("BTCUSDT", at, 100.0, 110.0, 90.0, float(close), 5.0))
        for at, close in zip(opened, drawn, strict=True)
        if at != holiday
    ]
    mirror = Windows(manifest.grid, ("BTCUSDT",), 128)
    unnamed = Pipeline(manifest, "digest", publish_late=True, top=2)
    batch = unnamed.prepare(mirror, came, {}, broken=mirror.index).batch
    said = [one.arrival.bar.opened_at_ms for one in batch.predicted]
    assert said
    assert max(said) < holiday
    for at in said:
        mirror.publish("BTCUSDT", at, 0)
    less = Sessions.of(days, weeks).without(["1970-03-02"])
    named = msgspec.structs.replace(manifest, training=msgspec.structs.replace(training, sessions=less.stretches))
    # As a daemon finds them in its store when it starts again.
    mirror.interval = named.grid
    again = Pipeline(named, "digest", publish_late=True, top=2)
    waited = again.unfinished(mirror, ("BTCUSDT",), {"BTCUSDT": min(said)}, VENUES, 0)
    assert [one.arrival.bar.opened_at_ms for one in waited.predicted] == [at for at in opened if at > holiday]


def test_a_burst_is_cut_into_slices_and_what_depends_on_each_other_is_not():
    pipeline = a_pipeline()
    burst = [an_arrival(a_bar(NEEDED, symbol)) for symbol in "ABCDE"]
    assert [len(some) for some in pipeline.slices(burst, iter([1, 2, 2]))] == [1, 2, 2]
    assert [one for some in pipeline.slices(burst, itertools.repeat(2)) for one in some] == burst
    assert [*pipeline.slices(burst[:2], itertools.repeat(2))] == [burst[:2]]
    again = [*burst, an_arrival(a_bar(NEEDED + 1, "A"))]
    assert [*pipeline.slices(again, itertools.repeat(2))] == [again], (
        "the later bar of a symbol is judged beside the one before"
    )
    pipeline.markets = ("BTCUSDT",)
    assert [*pipeline.slices(burst, itertools.repeat(2))] == [burst], "a market's bar may be the last of them"
