"""Every metric of the daemon but the process's own: what Prometheus sees, in one table.

`model` is the manifest's name. `output` is the kind of output ("return"), with its level where it has several
("quantiles_0.05"); `horizon` is counted in bars, and gaze_bar_interval_seconds says how long a bar is.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from core.outputs import Kind

STAGES: Final = ("decode", "prepare", "infer", "finish", "commit")
BUCKETS: Final = ("historical", "mid", "recent")

_LATENESS: Final = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3_600)
_LATENCY: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_RATIO: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
_DECLINES: Final = (-0.2, -0.1, -0.05, -0.02, -0.01, -0.005, -0.002, -0.001)
_RETURN: Final = (*_DECLINES, 0, *(-bound for bound in reversed(_DECLINES)))
_PROBABILITY: Final = (0.1, 0.2, 0.3, 0.4, 0.45, 0.475, 0.5, 0.525, 0.55, 0.6, 0.7, 0.8, 0.9, 1)
_TREND: Final = (-0.8, -0.6, -0.4, -0.2, -0.1, 0, 0.1, 0.2, 0.4, 0.6, 0.8, 1)
_DEVIATION: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
BOUNDS: Final[Mapping[Kind, tuple[float, ...]]] = {
    Kind.RETURN: _RETURN,
    Kind.QUANTILES: _RETURN,
    Kind.PROBABILITY: _PROBABILITY,
    Kind.DIRECTION: _PROBABILITY,
    Kind.ORDINAL: _PROBABILITY,
    Kind.TREND: _TREND,
    Kind.DEVIATION: _DEVIATION,
}


class Told(msgspec.Struct, frozen=True):
    """One metric: what it is called, what it is, its labels, and what it tells."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    bounds: tuple[float, ...] = ()


MODEL: Final = ("model",)
_LOOK: Final = ("model", "attention")
_VALUE: Final = ("model", "horizon", "output")
_CHALLENGER: Final = ("model", "version", "horizon", "output")

# fmt: off
TABLE: Final = (
    Told("gaze_build_info", "gauge", ("version", "python"), "This program: always 1."),
    Told("gaze_model_info", "gauge", ("model", "version", "digest", "family", "engine", "device"),
         "The model that serves and what runs it: always 1."),
    Told("gaze_reloads_total", "counter", ("model", "outcome"),
         "Times another version was to serve: switched to, refused while another ran on, or rolled back later."),
    Told("gaze_bar_interval_seconds", "gauge", MODEL, "Length of the model's bars: a horizon times this is its time."),

    Told("gaze_feed_up", "gauge", ("venue",), "1 while every subscription is carried by a socket."),
    Told("gaze_feed_frames_total", "counter", ("venue",), "Frames received."),
    Told("gaze_feed_frames_refused_total", "counter", ("venue",), "Frames dropped: not in the venue's dialect."),
    Told("gaze_feed_reconnects_total", "counter", ("venue",), "Times a socket was opened again."),
    Told("gaze_feed_disagreements_total", "counter", ("venue",), "Bars that two sockets told differently."),
    Told("gaze_feed_last_frame_timestamp_seconds", "gauge", ("venue",), "When the last frame came; 0 before any."),

    Told("gaze_bars_total", "counter", ("fate",), "Closed bars by what became of them."),
    Told("gaze_bars_unclosed_total", "counter", (), "Bars of history that look unclosed, asked for twice."),
    Told("gaze_bars_backfilled_total", "counter", (), "Bars fetched from the venue's history."),
    Told("gaze_bar_lateness_seconds", "histogram", (), "From a live bar's close to having received it.", _LATENESS),
    Told("gaze_inbox_bars", "gauge", (), "Bars that wait for the predictor."),
    Told("gaze_inbox_held_back_total", "counter", (),
         "Closed bars that found the inbox full and waited outside, and their socket with them."),
    Told("gaze_open_bars_dropped_total", "counter", (),
         "Bars that still formed when they came, and were dropped: nothing is predicted of them."),
    Told("gaze_held_bars", "gauge", (), "Bars that wait for a missing one before them."),
    Told("gaze_batch_bars", "histogram", (), "Bars predicted together.", tuple(2**power for power in range(15))),
    Told("gaze_stage_seconds", "histogram", ("stage",), "Time of one batch in each stage.", _LATENCY),
    Told("gaze_bar_to_prediction_seconds", "histogram", MODEL,
         "From having received a live bar to its prediction being out.", _LATENCY),

    Told("gaze_predictions_total", "counter", MODEL, "Predictions published."),
    Told("gaze_predictions_late_total", "counter", MODEL, "Those of them for bars that came by backfill."),
    Told("gaze_predictions_filled_total", "counter", MODEL, "Those of them whose window lacks bars, held flat."),
    Told("gaze_windows_run_total", "counter", ("model", "graph"),
         "Windows run to be predicted: whole (full), or at their close the newest row alone (step)."),
    Told("gaze_predictions_republished_total", "counter", MODEL,
         "Predictions that Redis lost in a failover and that went out again, with the same id."),
    Told("gaze_predictions_lost_total", "counter", MODEL,
         "Predictions that Redis lost and that memory no longer had: the stream lacks them for good."),
    Told("gaze_prediction", "gauge", ("model", "symbol", "horizon", "output"),
         "The newest prediction of each listed symbol; absent before its first."),
    Told("gaze_prediction_bar_close_timestamp_seconds", "gauge", ("model", "symbol"),
         "When the bar of that prediction closed."),
    Told("gaze_prediction_value", "histogram", _VALUE, "Predicted values over all symbols."),

    Told("gaze_attention_entropy_ratio", "histogram", _LOOK,
         "Entropy of attention over that of even weights: 1 looks evenly, 0 at one step.", _RATIO),
    Told("gaze_attention_concentration_ratio", "histogram", _LOOK,
         "Normalised Herfindahl index of attention: 0 looks evenly, 1 at one step.", _RATIO),
    Told("gaze_attention_share_ratio", "histogram", (*_LOOK, "bucket"),
         "Attention on the historical half, the mid quarter and the recent quarter of the window.", _RATIO),
    Told("gaze_attention_weight_ratio", "gauge", (*_LOOK, "bars_ago"),
         "Running mean weight on each part of the window, at most 16; bars_ago is its newest step."),
    Told("gaze_attention_reference_weight_ratio", "gauge", (*_LOOK, "bars_ago"), "The same in the bundle's reference."),
    Told("gaze_attention_reference_share_ratio", "gauge", (*_LOOK, "bucket"),
         "Mean attention on each bucket of the window in the bundle's reference."),
    Told("gaze_attention_reference_entropy_ratio", "gauge", _LOOK, "Mean entropy in the bundle's reference."),
    Told("gaze_attention_drift_distance", "gauge", _LOOK,
         "Jensen-Shannon distance of the running mean profile from the bundle's reference: 0 the same, 1 disjoint."),

    Told("gaze_external_known_timestamp_seconds", "gauge", ("name",),
         "When the newest external record of each name became known."),
    Told("gaze_external_late_total", "counter", (),
         "External records that came after a bar was predicted for which they should have counted: must stay 0."),
    Told("gaze_external_refused_total", "counter", (),
         "Times the file of external records had changed and could not be read; the old ones count."),

    Told("gaze_drift_ratio", "gauge", ("model", "group"),
         "The worst distance from the reference over its limit, of attention, input or prediction: from 1 on, drift."),
    Told("gaze_drift_alarms_total", "counter", MODEL, "Times that drift began, over all statistics together."),
    Told("gaze_drift_false_alarms_per_quarter", "gauge", MODEL,
         "How many of them are promised to come by chance in 90 days; absent where drift cannot be watched."),
    Told("gaze_drift_observations", "gauge", MODEL, "Observations held against the reference so far."),
    Told("gaze_drift_rows", "gauge", MODEL, "Predictions in the newest observation."),
    Told("gaze_drift_reference_rows", "gauge", MODEL,
         "Predictions in an observation of the reference: limits are for means of about so many."),
    Told("gaze_drift_shift_ratio", "gauge", ("model", "symbols", "group"),
         "How far the symbols of a [watch] group lie from the reference, in spreads of a prediction, where furthest."),
    Told("gaze_features_missing", "gauge", MODEL, "Features that no symbol had in the newest observation."),
    Told("gaze_features_stuck", "gauge", MODEL, "Features that have stood still for a day of observations."),
    Told("gaze_shadow_predictions_total", "counter", MODEL,
         "Predictions of challengers, written beside those that serve."),
    Told("gaze_shadow_predictions_passed_over_total", "counter", MODEL,
         "Predictions that challengers had no time for: the bundle that serves goes first."),
    Told("gaze_challenger_closes", "gauge", _CHALLENGER,
         "Closes on which a challenger and the model that serves were both scored."),
    Told("gaze_challenger_less_loss_ratio", "gauge", _CHALLENGER,
         "How much less a challenger's loss is on them, as a share of both: above 0 it is better."),
    Told("gaze_challenger_evidence", "gauge", _CHALLENGER,
         "Capital of one who bet that it is better: 20 is beyond chance, whenever one looks."),
    Told("gaze_challenger_better_than_nothing", "gauge", _CHALLENGER,
         "Of a challenger by itself: 1 better than its baseline, -1 lately worse, 0 nobody can tell."),
    Told("gaze_challenger_drift_ratio", "gauge", ("model", "version", "group"),
         "A challenger's worst distance from its own reference over its limit."),
    Told("gaze_closes_watched_total", "counter", MODEL, "Closes whose predictions were taken into drift and score."),
    Told("gaze_watched_bar_close_timestamp_seconds", "gauge", MODEL, "When the newest bar of those closes closed."),

    Told("gaze_score_ratio", "gauge", (*_VALUE, "measure"),
         "Mean of a measure of matured predictions beside their baselines, over all closes so far."),
    Told("gaze_score_low_ratio", "gauge", (*_VALUE, "measure"),
         "Lower end of its 95 % interval, which holds at every moment together."),
    Told("gaze_score_high_ratio", "gauge", (*_VALUE, "measure"), "Upper end of it."),
    Told("gaze_score_error", "gauge", (*_VALUE, "measure"),
         "Mean error of the model and of its plainest baseline, in the unit of what it foretells."),
    Told("gaze_interval_margin", "gauge", (*_VALUE, "coverage"),
         "How far `context.bands` reach to either side of an output now: they follow the outcomes."),
    Told("gaze_score_closes", "gauge", _VALUE, "Closes whose predictions have matured."),
    Told("gaze_score_better_than_nothing", "gauge", _VALUE,
         "1: predictions are better than their baseline; -1: lately they are worse; 0: nobody can tell."),

    Told("gaze_parity_compared_total", "counter", (),
         "Feature rows computed again, as offline, from the bars in the store."),
    Told("gaze_parity_mismatched_total", "counter", (), "Those of them that came out in other bits: must stay 0."),

    Told("gaze_symbols", "gauge", (), "Symbols subscribed."),
    Told("gaze_symbols_ready", "gauge", (), "Those of them whose window is full."),
    Told("gaze_symbols_ahead", "gauge", (), "Those of them whose next window was run but for its newest row."),
    Told("gaze_ready", "gauge", (), "1 while /readyz answers 200."),
    Told("gaze_store_up", "gauge", (), "1 while the store answers."),
    Told("gaze_standby", "gauge", (), "1 while another daemon leads and this one waits to take over."),
    Told("gaze_store_errors_total", "counter", (), "Times the store could not be reached or refused to write."),
)
# fmt: on


def reference() -> str:
    """TABLE as the page docs/reference/metrics.md."""
    head = (__doc__ or "").strip()
    rows = [
        f"| `{told.name}` | {told.kind} | {', '.join(f'`{label}`' for label in told.labels)} | {told.help} |"
        for told in TABLE
    ]
    top = ["# Metrics", "", head, "", "| metric | type | labels | what it tells |", "|---|---|---|---|"]
    return "\n".join([*top, *rows, ""])


if __name__ == "__main__":
    print(reference(), end="")
