import asyncio
import re
from pathlib import Path

import numpy as np
import pytest
from builders import HOUR, a_bar, a_gaze, a_manifest, a_message, an_arrival, spoken
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from watched import reference_of, said

from core.bands import Margin
from core.outputs import Attention, Kind, Output
from core.windows import Fate
from daemon.inbox import Inbox
from daemon.telling.metric_table import TABLE, reference
from daemon.telling.metrics import Metrics
from daemon.watching.watch import Watch

SYMBOLS = ("BTCUSDT", "ETHUSDT")
MODEL = {"model": "demo"}
LOOK = {"model": "demo", "attention": "attention"}
RETURN = {"model": "demo", "horizon": "1", "output": "return"}


def a_metrics(**manifest: object) -> Metrics:
    return Metrics(a_manifest(**manifest), "digest", SYMBOLS, ["binance"])


def a_watch() -> Watch:
    """A day of predictions, watched."""
    manifest = a_manifest(margins=(Margin("return_1", 0.9, 0.002, 50),))
    watch = Watch(
        manifest, reference_of(manifest, said(200)), profiles={"attention": np.full(4, 0.25)}, groups={"majors": ("A",)}
    )
    watch.take(message.prediction for close in said(24, seed=1) for message in close)
    return watch


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def text(metrics: Metrics, accept: str = "") -> str:
    body, _ = await metrics.render(accept)
    return body.decode()


async def test_every_metric_of_the_table_is_exposed_with_its_type_help_and_labels():
    metrics = a_metrics()
    metrics.loaded("onnxruntime", "cpu")
    metrics.predicted(spoken(a_message()))
    metrics.records_known({"mood": 1_000})
    metrics.watch(a_watch(), {"attention": 1.0})
    metrics.challenger("2", a_watch).watched(a_watch())
    families = {family.name: family for family in parse(await text(metrics))}
    for told in TABLE:
        family = families[told.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (told.kind, told.help)
        assert family.samples, told.name
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert labels == {frozenset(told.labels)}, told.name


async def test_nothing_is_exposed_that_is_neither_in_the_table_nor_of_the_process():
    families = {family.name for family in parse(await text(a_metrics()))}
    told = {told.name.removesuffix("_total") for told in TABLE}
    assert all(name.startswith(("process_", "python_")) for name in families - told)
    assert {"process_resident_memory_bytes", "process_open_fds", "python_gc_collections"} <= families


def test_names_follow_the_conventions_of_prometheus():
    for told in TABLE:
        assert re.fullmatch(r"gaze_[a-z]+(_[a-z]+)*", told.name)
        assert told.name.endswith("_total") == (told.kind == "counter"), told.name
        assert not re.search(r"_(ms|millis|milliseconds|minutes|hours|percent|bps|count|sum|bucket)$", told.name)
        assert told.kind != "histogram" or not told.name.endswith(("_info", "_total"))
        assert len(told.labels) <= 4 or told.name.endswith("_info"), told.name
        assert list(told.bounds) == sorted(set(told.bounds))
        assert told.help.endswith(".")


def test_every_series_whose_labels_are_known_starts_at_zero():
    metrics = a_metrics()
    for fate in Fate:
        assert value(metrics, "gaze_bars_total", fate=fate) == 0
    assert value(metrics, "gaze_feed_frames_total", venue="binance") == 0
    assert value(metrics, "gaze_predictions_total", **MODEL) == 0
    assert value(metrics, "gaze_stage_seconds_count", stage="infer") == 0
    assert value(metrics, "gaze_prediction_value_bucket", le="+Inf", **RETURN) == 0
    assert value(metrics, "gaze_attention_share_ratio_sum", bucket="recent", **LOOK) == 0
    assert value(metrics, "gaze_bar_interval_seconds", **MODEL) == 3_600


def test_a_prediction_has_no_gauge_before_it_was_made_since_zero_would_be_one():
    assert value(a_metrics(), "gaze_prediction", symbol="BTCUSDT", **RETURN) is None


def test_listed_symbols_have_a_gauge_with_their_bars_time_and_all_are_in_the_histogram():
    metrics = a_metrics()
    metrics.predicted(
        spoken(a_message(7, "BTCUSDT", 0.0015), a_message(7, "DOGEUSDT", -0.5), a_message(8, "ETHUSDT", 0.0))
    )
    assert value(metrics, "gaze_prediction", symbol="BTCUSDT", **RETURN) == 0.0015
    closed = value(metrics, "gaze_prediction_bar_close_timestamp_seconds", model="demo", symbol="BTCUSDT")
    assert closed == 8 * HOUR.ms / 1_000
    assert value(metrics, "gaze_prediction", symbol="DOGEUSDT", **RETURN) is None
    assert value(metrics, "gaze_predictions_total", **MODEL) == 3
    buckets = {le: value(metrics, "gaze_prediction_value_bucket", le=le, **RETURN) for le in ("-0.2", "0.0", "0.002")}
    assert buckets == {"-0.2": 1, "0.0": 2, "0.002": 3}


def test_a_late_prediction_of_an_older_bar_does_not_replace_the_newest():
    metrics = a_metrics()
    metrics.predicted(spoken(a_message(9, value=0.003), a_message(7, value=-0.001, late=True, origin="backfilled")))
    assert value(metrics, "gaze_prediction", symbol="BTCUSDT", **RETURN) == 0.003
    assert value(metrics, "gaze_predictions_late_total", **MODEL) == 1
    assert value(metrics, "gaze_bar_to_prediction_seconds_count", **MODEL) == 1


def test_probabilities_have_buckets_between_zero_and_one_and_levels_a_series_each():
    outputs = (Output(Kind.DIRECTION, 4), Output(Kind.QUANTILES, 4, levels=(0.05, 0.5, 0.95)))
    metrics = a_metrics(outputs=outputs, attentions=())
    message = a_message()
    message.prediction.outputs.clear()
    message.prediction.outputs.update(direction_4=0.61, quantiles_4=(-0.02, 0.001, 0.03))
    metrics.predicted(spoken(message))
    at = {"model": "demo", "horizon": "4"}
    assert value(metrics, "gaze_prediction_value_bucket", output="direction", le="0.6", **at) == 0
    assert value(metrics, "gaze_prediction_value_bucket", output="direction", le="0.7", **at) == 1
    assert value(metrics, "gaze_prediction_value_sum", output="direction", **at) == 0.61
    assert value(metrics, "gaze_prediction", symbol="BTCUSDT", output="quantiles_0.05", **at) == -0.02
    assert value(metrics, "gaze_prediction_value_bucket", output="quantiles_0.95", le="0.02", **at) == 0


def test_attention_is_counted_by_entropy_concentration_and_share_of_each_bucket():
    metrics = a_metrics()
    metrics.predicted(spoken(a_message(gaze=a_gaze([0.25] * 4)), a_message(2, gaze=a_gaze([0, 0, 0, 1]))))
    assert value(metrics, "gaze_attention_entropy_ratio_sum", **LOOK) == pytest.approx(1.0)
    assert value(metrics, "gaze_attention_entropy_ratio_bucket", le="0.05", **LOOK) == 1
    assert value(metrics, "gaze_attention_concentration_ratio_sum", **LOOK) == pytest.approx(1.0)
    shares = [
        value(metrics, "gaze_attention_share_ratio_sum", bucket=bucket, **LOOK)
        for bucket in ("historical", "mid", "recent")
    ]
    assert shares == pytest.approx([0.5, 0.25, 1.25])


def test_an_attention_with_another_name_has_series_of_its_own():
    metrics = a_metrics(attentions=(Attention("short", ("time",)), Attention("long", ("time",))))
    message = a_message()
    message.prediction.gaze.clear()
    message.prediction.gaze.update(short=a_gaze([1, 0, 0, 0]), long=a_gaze())
    metrics.predicted(spoken(message))
    watch = Watch(a_manifest(), None, profiles={"short": np.array([0.0, 1.0]), "long": np.array([0.5, 0.5])})
    watch.profiles["short"].update(np.repeat(np.array([[1, 0]], np.float32), 100_000, axis=0))
    metrics.watch(watch, {"short": 1.0, "long": 1.0})
    assert value(metrics, "gaze_attention_drift_distance", model="demo", attention="short") == pytest.approx(1.0)
    assert value(metrics, "gaze_attention_drift_distance", model="demo", attention="long") == 0.0
    assert value(metrics, "gaze_attention_concentration_ratio_sum", model="demo", attention="short") == 1.0


async def test_what_feed_bars_and_store_do_is_counted():
    metrics = a_metrics()
    metrics.frames("binance", 1_700_000_000_500, 3)
    metrics.refused("binance")
    metrics.reconnected("binance")
    metrics.disagreed("binance")
    metrics.feed_up("binance", up=True)
    metrics.bars({Fate.FRESH: 3, Fate.REPEATED: 1})
    metrics.backfilled(48)
    metrics.lateness([0.4, 2.0, 4.2])
    metrics.waiting(inbox=12, held=2)
    metrics.batch(250)
    metrics.stage("infer", 0.02)
    metrics.filled(19, 20)
    metrics.ready(now=True)
    metrics.store_up(up=True)
    metrics.store_failed()
    await text(metrics)
    assert value(metrics, "gaze_feed_frames_total", venue="binance") == 3
    assert value(metrics, "gaze_feed_last_frame_timestamp_seconds", venue="binance") == 1_700_000_000.5
    assert value(metrics, "gaze_feed_frames_refused_total", venue="binance") == 1
    assert value(metrics, "gaze_feed_reconnects_total", venue="binance") == 1
    assert value(metrics, "gaze_feed_up", venue="binance") == 1
    assert value(metrics, "gaze_bars_total", fate="fresh") == 3
    assert value(metrics, "gaze_bars_backfilled_total") == 48
    assert value(metrics, "gaze_bar_lateness_seconds_bucket", le="2.0") == 2
    assert value(metrics, "gaze_inbox_bars") == 12
    assert value(metrics, "gaze_held_bars") == 2
    assert value(metrics, "gaze_batch_bars_bucket", le="256.0") == 1
    assert value(metrics, "gaze_stage_seconds_sum", stage="infer") == 0.02
    assert value(metrics, "gaze_symbols_ready") == 19
    assert value(metrics, "gaze_symbols") == 20
    assert value(metrics, "gaze_ready") == 1
    assert value(metrics, "gaze_store_up") == 1
    assert value(metrics, "gaze_store_errors_total") == 1


def test_the_model_info_follows_a_change_of_engine():
    metrics = a_metrics()
    metrics.loaded("onnxruntime", "cpu")
    metrics.loaded("onnxruntime", "cuda:0")
    info = {"version": "1", "digest": "digest", "family": "hourly_lstm", "engine": "onnxruntime", **MODEL}
    assert value(metrics, "gaze_model_info", device="cuda:0", **info) == 1
    assert value(metrics, "gaze_model_info", device="cpu", **info) is None


async def test_both_formats_parse_and_say_the_same():
    metrics = a_metrics()
    metrics.predicted(spoken(a_message()))
    body, content_type = await metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    assert body.count(b"# EOF") == 1
    plain = {sample for family in parse(await text(metrics)) for sample in told(family)}
    openmetrics = {sample for family in parse_openmetrics(body.decode()) for sample in told(family)}
    assert {sample for sample in plain if sample[0].startswith("gaze_")} == {
        sample for sample in openmetrics if sample[0].startswith("gaze_")
    }


def told(family: Metric) -> list[tuple[str, tuple[tuple[str, str], ...], float]]:
    return [(sample.name, tuple(sorted(sample.labels.items())), sample.value) for sample in family.samples]


async def test_the_event_loop_gets_its_turn_between_any_two_metrics_of_a_scrape():
    metrics = a_metrics()
    rendering = asyncio.create_task(metrics.render(""))
    turns = 0
    while not rendering.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= len(TABLE)


async def test_a_symbol_with_quotes_and_newlines_comes_through_unharmed():
    odd = 'A"B\n\\C'
    metrics = Metrics(a_manifest(), "digest", [odd], ["binance"])
    metrics.predicted(spoken(a_message(symbol=odd)))
    symbols = {sample.labels.get("symbol") for family in parse(await text(metrics)) for sample in family.samples}
    assert symbols == {None, odd}


def test_a_burst_of_ten_thousand_predictions_is_one_call_and_all_are_counted():
    metrics = a_metrics()
    metrics.predicted(spoken(*[a_message(symbol=f"S{number}") for number in range(10_000)]))
    assert value(metrics, "gaze_predictions_total", **MODEL) == 10_000
    assert value(metrics, "gaze_prediction_value_bucket", le="+Inf", **RETURN) == 10_000
    assert value(metrics, "gaze_attention_entropy_ratio_count", **LOOK) == 10_000


def test_two_daemons_in_one_process_do_not_share_a_registry():
    first, second = a_metrics(), a_metrics()
    first.backfilled(1)
    assert value(second, "gaze_bars_backfilled_total") == 0


def test_the_reference_page_is_the_table():
    page = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
    assert page.read_text() == reference(), "try: python -m daemon.telling.metric_table > docs/reference/metrics.md"


async def test_a_full_inbox_is_seen_though_nobody_takes_from_it():
    metrics, inbox = a_metrics(), Inbox(1)
    metrics.follow_inbox(inbox)
    await inbox.put_closed([an_arrival(a_bar(1))])
    waiting = asyncio.create_task(inbox.put_closed([an_arrival(a_bar(2))]))
    await asyncio.sleep(0)
    inbox.drop_open(1)
    for _ in range(2):
        told = await text(metrics)
        assert "gaze_inbox_bars 1.0" in told
        assert "gaze_inbox_held_back_total 1.0" in told
        assert "gaze_open_bars_dropped_total 1.0" in told
    await inbox.take(1)
    await waiting


def test_a_standby_and_what_redis_lost_are_told():
    metrics = a_metrics()
    metrics.standby(now=True)
    metrics.lost(2, 5)
    assert value(metrics, "gaze_standby") == 1
    assert value(metrics, "gaze_predictions_lost_total", **MODEL) == 2
    assert value(metrics, "gaze_predictions_republished_total", **MODEL) == 5
