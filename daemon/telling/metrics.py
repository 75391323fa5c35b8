"""The daemon's metrics: one registry of its own, filled by verbs. What they are stands in metric_table.py."""

import platform
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)

from core import __version__
from core.bars import Bar, Interval
from core.bundle import Bundle, Manifest
from core.windows import Fate
from daemon.inbox import Inbox
from daemon.predicting.gazing import Looks
from daemon.predicting.spoken import Spoken
from daemon.telling import exposition
from daemon.telling.challenger_metrics import ChallengerMetrics
from daemon.telling.histogram import BatchHistogram
from daemon.telling.metric_table import BOUNDS, BUCKETS, MODEL, STAGES, TABLE, Told
from daemon.telling.newest_metrics import NewestPredictions, columns
from daemon.telling.profile_metrics import ProfileMetrics
from daemon.telling.watch_metrics import WatchMetrics
from daemon.watching.watch import Watch


class Metrics:
    """All metrics of one daemon and one model. Its methods are verbs; none waits for anything.

    `symbols`: those whose newest prediction is a gauge of its own; the histograms are over all.
    """

    def __init__(self, manifest: Manifest, digest: str, symbols: Sequence[str], venues: Sequence[str] = ()) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        for process in (ProcessCollector, PlatformCollector, GCCollector):
            process(registry=self.registry)
        self._manifest = manifest
        self._digest = digest
        self._model = manifest.name
        self.interval_s = Interval.parse(manifest.interval).ms / 1_000
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, BatchHistogram] = {}
        # By venue, how many came since somebody scraped, and when the last did: a series takes longer than a frame.
        self._frames: dict[str, tuple[int, int]] = {}
        self._newest = NewestPredictions(manifest, symbols)
        self._profiles = ProfileMetrics(manifest.name)
        self._inbox: Inbox | None = None
        self._counted: dict[str, int] = {}
        for told in TABLE:
            self._build(told)
        self.registry.register(self._newest)
        self.registry.register(self._profiles)
        self._watch = WatchMetrics(manifest.name, self._gauges, self._counters)
        self._start(venues)

    def _build(self, told: Told) -> None:
        if told.name in (*NewestPredictions.NAMES, *ProfileMetrics.NAMES):
            return
        if told.kind == "counter":
            self._counters[told.name] = Counter(told.name, told.help, told.labels, registry=self.registry)
        elif told.kind == "gauge":
            self._gauges[told.name] = Gauge(told.name, told.help, told.labels, registry=self.registry)
        else:
            self._histograms[told.name] = BatchHistogram(told.name, told.help, told.labels, told.bounds)
            self.registry.register(self._histograms[told.name])

    def _start(self, venues: Sequence[str]) -> None:
        """Show every series whose labels are known, so that a rate can be taken from the first event on."""
        self._gauges["gaze_build_info"].labels(__version__, platform.python_version()).set(1)
        self._gauges["gaze_bar_interval_seconds"].labels(self._model).set(self.interval_s)
        for told in TABLE:
            if told.name in self._counters and told.labels == MODEL:
                self._counters[told.name].labels(self._model)
        for venue in venues:
            self._gauges["gaze_feed_up"].labels(venue)
            self._gauges["gaze_feed_last_frame_timestamp_seconds"].labels(venue)
            for name in ("frames", "frames_refused", "reconnects", "disagreements"):
                self._counters[f"gaze_feed_{name}_total"].labels(venue)
        for fate in Fate:
            self._counters["gaze_bars_total"].labels(fate)
        for stage in STAGES:
            self._histograms["gaze_stage_seconds"].start([stage])
        for outcome in ("switched", "refused", "rolled back"):
            self._counters["gaze_reloads_total"].labels(self._model, outcome)
        self._start_model()

    def _start_model(self) -> None:
        self._histograms["gaze_bar_to_prediction_seconds"].start([self._model])
        self.windows_run(0, 0)
        for output in self._manifest.outputs:
            for column in columns(output):
                self._histograms["gaze_prediction_value"].start(
                    [self._model, str(output.horizon), column], BOUNDS[output.kind]
                )
        for attention in self._manifest.looks:
            look = (self._model, attention.name)
            self._histograms["gaze_attention_entropy_ratio"].start(look)
            self._histograms["gaze_attention_concentration_ratio"].start(look)
            for bucket in BUCKETS:
                self._histograms["gaze_attention_share_ratio"].start([*look, bucket])
            self._gauges["gaze_attention_drift_distance"].labels(self._model, attention.name).set(0.0)

    def loaded(self, engine: str, device: str, bundle: Bundle | None = None) -> None:
        """The engine that runs the model is known, and where it took over, the bundle."""
        if bundle is not None:
            self._manifest, self._digest = bundle.manifest, bundle.digest
        manifest = self._manifest
        info = self._gauges["gaze_model_info"]
        info.clear()
        info.labels(manifest.name, manifest.version, self._digest, manifest.family, engine, device).set(1)

    def reloaded(self, outcome: str) -> None:
        """Another version was to serve."""
        self._counters["gaze_reloads_total"].labels(self._model, outcome).inc()

    def feed_up(self, venue: str, *, up: bool) -> None:
        """Every socket of the venue is open, or some is not."""
        self._gauges["gaze_feed_up"].labels(venue).set(up)

    def frames(self, venue: str, received_at_ms: int, count: int = 1) -> None:
        """Frames came."""
        before, _ = self._frames.get(venue, (0, 0))
        self._frames[venue] = before + count, received_at_ms

    def refused(self, venue: str) -> None:
        """A frame was dropped."""
        self._counters["gaze_feed_frames_refused_total"].labels(venue).inc()

    def reconnected(self, venue: str) -> None:
        """A socket was opened again."""
        self._counters["gaze_feed_reconnects_total"].labels(venue).inc()

    def disagreed(self, venue: str) -> None:
        """Two sockets told one bar differently."""
        self._counters["gaze_feed_disagreements_total"].labels(venue).inc()

    def bars(self, fates: Mapping[Fate, int]) -> None:
        """So many bars met each fate."""
        for fate, count in fates.items():
            self._counters["gaze_bars_total"].labels(fate).inc(count)

    def backfilled(self, count: int) -> None:
        """So many bars came from history."""
        self._counters["gaze_bars_backfilled_total"].inc(count)

    def doubted(self, bars: Sequence[Bar]) -> None:
        """So many bars of history look unclosed, though they were asked for a second time."""
        self._counters["gaze_bars_unclosed_total"].inc(len(bars))

    def lateness(self, seconds: Sequence[float]) -> None:
        """Live bars were received so long after their close."""
        self._histograms["gaze_bar_lateness_seconds"].observe(seconds)

    def waiting(self, inbox: int, held: int) -> None:
        """So many bars wait for the predictor, so many for a missing one before them."""
        self._gauges["gaze_inbox_bars"].set(inbox)
        self._gauges["gaze_held_bars"].set(held)

    def follow_inbox(self, inbox: Inbox) -> Inbox:
        """Look into this inbox, given back, whenever somebody scrapes: while the store is away, nobody else does."""
        self._inbox = inbox
        return inbox

    def _count_frames(self) -> None:
        for venue, (count, received_at_ms) in self._frames.items():
            self._counters["gaze_feed_frames_total"].labels(venue).inc(count)
            self._gauges["gaze_feed_last_frame_timestamp_seconds"].labels(venue).set(received_at_ms / 1_000)
        self._frames.clear()

    def _look_into_inbox(self) -> None:
        if self._inbox is None:
            return
        self._gauges["gaze_inbox_bars"].set(self._inbox.depth)
        counted = {
            "gaze_inbox_held_back_total": self._inbox.held_back,
            "gaze_open_bars_dropped_total": self._inbox.open_dropped,
        }
        for name, count in counted.items():
            self._counters[name].inc(count - self._counted.get(name, 0))
        self._counted = counted

    def batch(self, bars: int) -> None:
        """So many bars are predicted together."""
        self._histograms["gaze_batch_bars"].observe([bars])

    def windows_run(self, whole: int, steps: int) -> None:
        """So many windows were run whole, and of so many the newest row alone."""
        for graph, count in (("full", whole), ("step", steps)):
            self._counters["gaze_windows_run_total"].labels(self._model, graph).inc(count)

    def ahead(self, symbols: int) -> None:
        """Of so many symbols the next window was run but for its newest row."""
        self._gauges["gaze_symbols_ahead"].set(symbols)

    def stage(self, name: str, seconds: float) -> None:
        """A batch spent so long in one of STAGES."""
        self._histograms["gaze_stage_seconds"].observe([seconds], name)

    def predicted(self, spoken: Spoken) -> None:
        """These messages went out."""
        if not len(spoken):
            return
        counts = (len(spoken), sum(spoken.late), len(spoken) - spoken.filled.count(0))
        for kind, count in zip(("", "_late", "_filled"), counts, strict=True):
            self._counters[f"gaze_predictions{kind}_total"].labels(self._model).inc(count)
        came = zip(spoken.received_at_ms, spoken.late, strict=True)
        waited_s = [(spoken.published_at_ms - received_at_ms) / 1_000 for received_at_ms, late in came if not late]
        self._histograms["gaze_bar_to_prediction_seconds"].observe(waited_s, self._model)
        self._newest.take(spoken)
        for output in self._manifest.outputs:
            values = spoken.outputs[output.name].reshape(len(spoken), -1)
            for column, numbers_N in zip(columns(output), values.T, strict=True):
                self._histograms["gaze_prediction_value"].observe(numbers_N, self._model, str(output.horizon), column)
        for attention in self._manifest.looks:
            self._looked((self._model, attention.name), spoken.looks[attention.name])

    def _looked(self, of: tuple[str, str], looks: Looks) -> None:
        self._histograms["gaze_attention_entropy_ratio"].observe(looks.entropy_N, *of)
        self._histograms["gaze_attention_concentration_ratio"].observe(looks.concentration_N, *of)
        for bucket, share_N in zip(BUCKETS, looks.shares_NB.T, strict=True):
            self._histograms["gaze_attention_share_ratio"].observe(share_N, *of, bucket)

    def records_known(self, newest_ms: Mapping[str, int]) -> None:
        """When the newest external record of each name became known."""
        for name, at_ms in newest_ms.items():
            self._gauges["gaze_external_known_timestamp_seconds"].labels(name).set(at_ms / 1_000)

    def records_late(self, count: int) -> None:
        """So many external records came after a bar was predicted for which they should have counted."""
        self._counters["gaze_external_late_total"].inc(count)

    def records_refused(self) -> None:
        """The file of external records could not be read again."""
        self._counters["gaze_external_refused_total"].inc()

    def watch(self, watch: Watch, entropies: Mapping[str, float]) -> None:
        """From now on the model stands as this watch says. `entropies`: the reference's mean, by attention."""
        self._profiles.start(entropies)
        self._watch.start(watch)
        self._profiles.watched(watch)

    def challenger(self, version: str, champion: Callable[[], Watch]) -> ChallengerMetrics:
        """What is told how this version stands beside what serves."""
        return ChallengerMetrics(self._model, version, self._gauges, champion)

    def shadowed(self, written: int, passed_over: int) -> None:
        """A challenger wrote so many predictions, and passed over so many."""
        self._counters["gaze_shadow_predictions_total"].labels(self._model).inc(written)
        self._counters["gaze_shadow_predictions_passed_over_total"].labels(self._model).inc(passed_over)

    def watched(self, watch: Watch) -> None:
        """Closes were settled."""
        self._watch.watched(watch)
        self._profiles.watched(watch)

    def parity(self, compared: int, mismatched: int) -> None:
        """So many feature rows were computed again, so many of them in other bits."""
        self._counters["gaze_parity_compared_total"].inc(compared)
        self._counters["gaze_parity_mismatched_total"].inc(mismatched)

    def filled(self, ready: int, symbols: int) -> None:
        """So many symbols of all have a full window."""
        self._gauges["gaze_symbols_ready"].set(ready)
        self._gauges["gaze_symbols"].set(symbols)

    def ready(self, *, now: bool) -> None:
        """The daemon is ready, or not."""
        self._gauges["gaze_ready"].set(now)

    def store_up(self, *, up: bool) -> None:
        """The store answers, or not."""
        self._gauges["gaze_store_up"].set(up)

    def store_failed(self) -> None:
        """The store could not be reached or refused."""
        self._counters["gaze_store_errors_total"].inc()

    def lost(self, gone: int, republished: int) -> None:
        """The store had lost predictions: so many for good, so many went out again."""
        self._counters["gaze_predictions_lost_total"].labels(self._model).inc(gone)
        self._counters["gaze_predictions_republished_total"].labels(self._model).inc(republished)

    def standby(self, *, now: bool) -> None:
        """Another daemon leads, or we do."""
        self._gauges["gaze_standby"].set(now)

    async def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format this Accept header asks for, and its content type."""
        self._count_frames()
        self._look_into_inbox()
        return await exposition.render(self.registry, accept)
