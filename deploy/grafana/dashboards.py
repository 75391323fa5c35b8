"""What is on the Grafana dashboards; `python deploy/grafana/dashboards.py` writes dashboards/*.json."""
# ruff: noqa: INP001 - a script beside what it writes, no package

import json
from pathlib import Path
from typing import Any, Final

from panels import AMBER, AT, GREEN, MODEL, RED, SOURCE, YES, heat, lines, mean, number, panel, placed, quantiles

HOME: Final = Path(__file__).parent / "dashboards"


def variable(name: str, query: str, *, several: bool = True) -> dict[str, Any]:
    """A choice above the dashboard, filled from Prometheus."""
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": several,
        "includeAll": several,
        "allValue": ".*" if several else None,
        "current": {"text": "All", "value": "$__all"} if several else {},
    }


CHOICES: Final = [
    {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}},
    variable("instance", "label_values(gaze_ready, instance)"),
    variable("model", "label_values(gaze_model_info, model)"),
    {
        "name": "over",
        "type": "interval",
        "query": "5m,1h,2h,6h,1d,7d",
        "current": {"text": "2h", "value": "2h"},
        "description": "Rates and means are taken over so long. Choose at least the length of a bar.",
    },
]

OVERVIEW = [
    number("Ready", "What /readyz answers.", f"gaze_ready{{{AT}}}", mappings=YES),
    number("Feed", "Every socket of every venue is open.", f"min by (instance) (gaze_feed_up{{{AT}}})", mappings=YES),
    number("Store", "The store answers.", f"gaze_store_up{{{AT}}}", mappings=YES),
    number("Symbols ready", "Symbols whose window is full, of all.",
           f"gaze_symbols_ready{{{AT}}} / gaze_symbols{{{AT}}}", unit="percentunit",
           steps=[(None, RED), (0.99, AMBER), (1, GREEN)]),
    number("Drift", "The largest distance of any attention from its reference.",
           f"max by (instance) (gaze_attention_drift_distance{{{MODEL}}})",
           steps=[(None, GREEN), (0.1, AMBER), (0.2, RED)]),
    number("Alerts", "Alerts of Gaze that fire now.",
           '(count(ALERTS{alertstate="firing",alertname=~"Gaze.+"}) or vector(0))',
           steps=[(None, GREEN), (1, RED)]),
    lines("Predictions", "Published, and those of them for late bars or on windows that lack some.", {
        "{{model}} on {{instance}}": f"sum by (model, instance) (increase(gaze_predictions_total{{{MODEL}}}[$over]))",
        "{{model}} late": f"sum by (model) (increase(gaze_predictions_late_total{{{MODEL}}}[$over]))",
        "{{model}} held flat": f"sum by (model) (increase(gaze_predictions_filled_total{{{MODEL}}}[$over]))",
    }, width=12),
    lines("From bar to prediction", "From having received a live bar to its prediction being out.",
          quantiles("gaze_bar_to_prediction_seconds", MODEL), unit="s", width=12),
    lines("What was predicted", "The newest prediction of each listed symbol.", {
        "{{symbol}} {{output}} in {{horizon}} bars": f"gaze_prediction{{{MODEL}}}",
    }, width=12),
    heat("Spread of predictions", "Predicted values over all symbols.", {
        "{{le}}": f"sum by (le) (increase(gaze_prediction_value_bucket{{{MODEL}}}[$over]))",
    }, width=12),
    panel("What runs", "Model, digest and engine of each daemon.", "table", {
        "": f"gaze_model_info{{{MODEL}}} * on (instance) group_left (python) gaze_build_info{{{AT}}}",
    }, width=24, height=5),
]  # fmt: skip

ATTENTION = [
    heat("Where it looks", "Running mean weight on each part of the window, by how many bars ago it was.", {
        "{{bars_ago}}": f"avg by (bars_ago) (gaze_attention_weight_ratio{{{MODEL}}})",
    }, unit="percentunit", width=16, height=11),
    panel("Now and in the reference", "The same now, beside how the model looked on its validation bars.", "bargauge", {
        "{{bars_ago}} bars ago, now": f"avg by (bars_ago) (gaze_attention_weight_ratio{{{MODEL}}})",
        "{{bars_ago}} bars ago, reference": f"avg by (bars_ago) (gaze_attention_reference_weight_ratio{{{MODEL}}})",
    }, unit="percentunit", height=11, options={"orientation": "horizontal", "displayMode": "basic"}),
    heat("Against the reference", "Weight now less the reference's: red is looked at more than then, blue less.", {
        "{{bars_ago}}": f"avg by (bars_ago) (gaze_attention_weight_ratio{{{MODEL}}}"
                        f" - gaze_attention_reference_weight_ratio{{{MODEL}}})",
    }, scheme="RdBu", unit="percentunit", width=16, height=9),
    lines("Drift", "Distance of the running profile from the reference: 0 the same, 1 disjoint.", {
        "{{attention}} of {{model}}": f"gaze_attention_drift_distance{{{MODEL}}}",
    }, min=0, height=9),
    lines("Shares of the window", "Mean attention on the historical half, the mid quarter and the recent quarter.", {
        "{{attention}}: {{bucket}}": mean("gaze_attention_share_ratio", MODEL, "attention, bucket"),
    }, unit="percentunit", min=0, max=1, stack=True, width=12),
    lines("Shares against the reference", "Mean share now less the reference's.", {
        "{{attention}}: {{bucket}}": f"({mean('gaze_attention_share_ratio', MODEL, 'attention, bucket')})"
        f" - avg by (attention, bucket) (gaze_attention_reference_share_ratio{{{MODEL}}})",
    }, unit="percentunit", width=12),
    lines("Entropy", "1 looks evenly, 0 at one step; beside it the mean in the reference.", {
        "{{attention}}": mean("gaze_attention_entropy_ratio", MODEL, "attention"),
        "{{attention}}, reference": f"avg by (attention) (gaze_attention_reference_entropy_ratio{{{MODEL}}})",
    }, min=0, max=1),
    heat("Entropy over all predictions", "How many predictions looked how evenly.", {
        "{{le}}": f"sum by (le) (increase(gaze_attention_entropy_ratio_bucket{{{MODEL}}}[$over]))",
    }),
    lines("Concentration", "0 looks evenly, 1 at one step.", {
        "{{attention}}": mean("gaze_attention_concentration_ratio", MODEL, "attention"),
    }, min=0, max=1),
]  # fmt: skip

DRIFT = [
    number("Now", "The largest distance from the reference.",
           f"max by (instance) (gaze_attention_drift_distance{{{MODEL}}})",
           steps=[(None, GREEN), (0.1, AMBER), (0.2, RED)]),
    number("Entropy against the reference", "Mean entropy less the reference's.",
           f"avg by (instance) (gaze:attention_entropy_ratio:mean_2h{{{MODEL}}}"
           " - gaze_attention_reference_entropy_ratio)"),
    number("Rows that differ from training", "Features computed again as offline: must stay 0.",
           f"gaze_parity_mismatched_total{{{AT}}}", steps=[(None, GREEN), (1, RED)]),
    number("Rows compared", "Of them all.", f"gaze_parity_compared_total{{{AT}}}"),
    lines("Drift of attention",
          "Distance of the running profile from the reference. An alert fires after an hour above 0.2.", {
        "{{attention}} of {{model}} on {{instance}}": f"gaze_attention_drift_distance{{{MODEL}}}",
    }, min=0, width=24),
    heat("Drift by part of the window", "Weight now less the reference's, by bars ago.", {
        "{{bars_ago}}": f"avg by (bars_ago) (gaze_attention_weight_ratio{{{MODEL}}}"
                        f" - gaze_attention_reference_weight_ratio{{{MODEL}}})",
    }, scheme="RdBu", width=12),
    heat("Drift of what is predicted", "Predicted values over all symbols.", {
        "{{le}}": f"sum by (le) (increase(gaze_prediction_value_bucket{{{MODEL}}}[$over]))",
    }, width=12),
    lines("How far to the limit", "The limits hold for all statistics together; 1 is drift.", {
        "{{group}}": f"gaze_drift_ratio{{{MODEL}}}",
    }, min=0, width=16),
    lines("Alarms", "Times that drift began, and how many a quarter are promised to come by chance.", {
        "{{model}}": f"gaze_drift_alarms_total{{{MODEL}}}",
        "{{model}}, promised a quarter": f"gaze_drift_false_alarms_per_quarter{{{MODEL}}}",
    }, min=0),
    lines("Observations", "Held against the reference so far.", {
        "{{model}}": f"gaze_drift_observations{{{MODEL}}}",
    }, min=0, width=12),
    lines("Features that say nothing", "Missing of every symbol, or still for a day of observations.", {
        "missing": f"gaze_features_missing{{{MODEL}}}", "stuck": f"gaze_features_stuck{{{MODEL}}}",
    }, min=0, width=12),
    lines("Shift of your groups of symbols", "[watch] groups: how far each lies from the reference, in spreads.", {
        "{{symbols}} {{group}}": f"gaze_drift_shift_ratio{{{MODEL}}}",
    }, min=0, width=12),
    lines("Predictions in an observation", "Far from the reference's, its limits are not those of so many symbols.", {
        "here": f"gaze_drift_rows{{{MODEL}}}", "in the reference": f"gaze_drift_reference_rows{{{MODEL}}}",
    }, min=0, width=12),
    lines("Bars of history that look unclosed", "Each was asked for twice.", {
        "{{instance}}": f"increase(gaze_bars_unclosed_total{{{AT}}}[$over])",
    }, width=12),
    lines("Bars that disagree with what was known",
          "Revised, filled, refused: a changed venue looks like a changed market.", {
        "{{fate}}": f'sum by (fate) (increase(gaze_bars_total{{{AT},fate!~"open|fresh|first"}}[$over]))',
    }, width=24),
]  # fmt: skip

SCORE = [
    lines("Better than nothing?", "What was foretold, once it has come, beside what knows nothing. Its interval holds "
          "at every moment: above 0 with its lower end, it is better.", {
        "{{output}} {{measure}}": f"gaze_score_ratio{{{MODEL}}}",
        "{{output}} {{measure}}, at least": f"gaze_score_low_ratio{{{MODEL}}}",
        "{{output}} {{measure}}, at most": f"gaze_score_high_ratio{{{MODEL}}}",
    }, width=24, height=10),
    lines("Error", "Mean absolute error, and that of forecasting zero.", {
        "{{output}} {{measure}}": f"gaze_score_error{{{MODEL}}}",
    }, width=12),
    lines("Closes", "Taken into drift and score, and matured by output.", {
        "watched": f"gaze_closes_watched_total{{{MODEL}}}", "{{output}} matured": f"gaze_score_closes{{{MODEL}}}",
    }, width=12),
    lines("Margins", "How far the bands of a message reach now, as outcomes have made them.", {
        "{{output}} {{coverage}}": f"gaze_interval_margin{{{MODEL}}}",
    }, width=12),
    lines("Behind", "How long ago the newest bar closed that drift and score have taken in.", {
        "{{model}}": f"time() - gaze_watched_bar_close_timestamp_seconds{{{MODEL}}}",
    }, unit="s", width=12),
    lines("Challenger against what serves", "Evidence of 20 is beyond chance, whenever one looks.", {
        "{{version}} {{output}} evidence": f"gaze_challenger_evidence{{{MODEL}}}",
        "{{version}} {{output}} less loss": f"gaze_challenger_less_loss_ratio{{{MODEL}}}",
        "{{version}} {{output}} better than nothing": f"gaze_challenger_better_than_nothing{{{MODEL}}}",
    }, width=12),
    lines("Challengers watched", "Closes they were compared on, and how far to their own limits.", {
        "{{version}} {{output}} closes": f"gaze_challenger_closes{{{MODEL}}}",
        "{{version}} {{group}} drift": f"gaze_challenger_drift_ratio{{{MODEL}}}",
    }, width=12),
    lines("Challengers", "Predictions beside those that serve, and those there was no time for.", {
        "{{model}}": f"sum by (model) (increase(gaze_shadow_predictions_total{{{AT}}}[$over]))",
        "{{model}}, passed over":
            f"sum by (model) (increase(gaze_shadow_predictions_passed_over_total{{{AT}}}[$over]))",
    }, width=24),
]  # fmt: skip

LATENCY = [
    lines("From bar to prediction", "From having received a live bar to its prediction being out.",
          quantiles("gaze_bar_to_prediction_seconds", MODEL), unit="s", width=12),
    lines("Lateness of bars", "From a live bar's close to having received it: the venue's part.",
          quantiles("gaze_bar_lateness_seconds", AT), unit="s", width=12),
    lines("Where the time goes", "Seconds of work in each second, by stage.", {
        "{{stage}}": f"sum by (stage) (rate(gaze_stage_seconds_sum{{{AT}}}[$__rate_interval]))",
    }, unit="s", stack=True, width=12),
    lines("Time of one batch", "Mean time of a batch in each stage.", {
        "{{stage}}": mean("gaze_stage_seconds", AT, "stage"),
    }, unit="s", width=12),
    heat("Size of batches", "Bars predicted together: an idle hour has ones, a close has thousands.", {
        "{{le}}": f"sum by (le) (increase(gaze_batch_bars_bucket{{{AT}}}[$over]))",
    }, width=12),
    lines("What waits", "Bars that wait for the predictor, and for a missing one before them.", {
        "inbox {{instance}}": f"gaze_inbox_bars{{{AT}}}", "held {{instance}}": f"gaze_held_bars{{{AT}}}",
    }, width=12),
    lines("Run ahead of the close", "Symbols whose next window was run but for its newest row.", {
        "{{instance}}": f"gaze_symbols_ahead{{{AT}}}",
    }, width=12),
    lines("Windows run", "Whole, or at their close the newest row alone.", {
        "{{graph}}": f"sum by (graph) (increase(gaze_windows_run_total{{{MODEL}}}[$over]))",
    }, stack=True, width=12),
    lines("CPU", "Cores in use.", {
        "{{instance}}": f"rate(process_cpu_seconds_total{{{AT}}}[$__rate_interval])",
    }, width=12),
    lines("Memory", "Resident.", {"{{instance}}": f"process_resident_memory_bytes{{{AT}}}"}, unit="bytes", width=12),
]  # fmt: skip

FEEDS = [
    lines("Sockets", "1 while every socket of the venue is open.", {
        "{{venue}}": f"gaze_feed_up{{{AT}}}",
    }, min=0, max=1),
    lines("Silence", "Time since the last frame.", {"{{venue}}": f"gaze:feed_silence_seconds{{{AT}}}"}, unit="s"),
    lines("Reconnects", "Sockets opened again.", {
        "{{venue}}": f"sum by (venue) (increase(gaze_feed_reconnects_total{{{AT}}}[$over]))",
    }),
    lines("Frames", "Received in a second.", {
        "{{venue}}": f"sum by (venue) (rate(gaze_feed_frames_total{{{AT}}}[$__rate_interval]))",
    }, width=12),
    lines("Frames refused", "Not in the venue's dialect, as a share.", {
        "{{venue}}": f"gaze:feed_frames_refused:ratio_rate5m{{{AT}}}",
    }, unit="percentunit", width=12),
    lines("Closed bars by fate", "What became of them; FILLED and EARLY tell of gaps.", {
        "{{fate}}": f"sum by (fate) (increase(gaze_bars_total{{{AT}}}[$over])) > 0",
    }, stack=True, width=12),
    lines("Bars from history", "Fetched over REST.", {
        "{{instance}}": f"increase(gaze_bars_backfilled_total{{{AT}}}[$over])",
    }, width=12),
    lines("Spares that disagree", "Bars that two sockets told differently.", {
        "{{venue}}": f"sum by (venue) (increase(gaze_feed_disagreements_total{{{AT}}}[$over]))",
    }),
    lines("External records", "Age of the newest of each name.", {
        "{{name}}": f"time() - gaze_external_known_timestamp_seconds{{{AT}}}",
    }, unit="s"),
    lines("External records in trouble", "Late for a bar that had to count them, or not to be read.", {
        "late": f"increase(gaze_external_late_total{{{AT}}}[$over])",
        "refused": f"increase(gaze_external_refused_total{{{AT}}}[$over])",
    }),
]  # fmt: skip

STORE = [
    number("Store", "It answers.", f"gaze_store_up{{{AT}}}", mappings=YES),
    number("Refusals", "Times it was away or refused, in the last day.",
           f"increase(gaze_store_errors_total{{{AT}}}[1d])",
           steps=[(None, GREEN), (1, AMBER)]),
    number("Lost for good", "Predictions that Redis lost and memory no longer had, in the last day.",
           f"increase(gaze_predictions_lost_total{{{MODEL}}}[1d])", steps=[(None, GREEN), (1, RED)]),
    number("Published again", "Predictions that Redis lost in a failover, in the last day.",
           f"increase(gaze_predictions_republished_total{{{MODEL}}}[1d])", steps=[(None, GREEN), (1, AMBER)]),
    number("Standby", "It waits behind the daemon that leads.", f"gaze_standby{{{AT}}}"),
    lines("Held back", "Closed bars that found the inbox full, and forming ones that were dropped.", {
        "closed, waited {{instance}}": f"increase(gaze_inbox_held_back_total{{{AT}}}[$over])",
        "forming, dropped {{instance}}": f"increase(gaze_open_bars_dropped_total{{{AT}}}[$over])",
    }, width=24),
    lines("Time of one commit", "Rows, stream entry, latest message and wake-up of one batch.", {
        "mean": mean("gaze_stage_seconds", f'{AT},stage="commit"', "stage"),
        **quantiles("gaze_stage_seconds", f'{AT},stage="commit"'),
    }, unit="s", width=24),
    lines("Refusals", "Times the store was away or refused to write.", {
        "{{instance}}": f"increase(gaze_store_errors_total{{{AT}}}[$over])",
    }, width=12),
    lines("Written", "Predictions a second.", {
        "{{model}}": f"sum by (model) (rate(gaze_predictions_total{{{MODEL}}}[$__rate_interval]))",
    }, width=12),
]  # fmt: skip

DASHBOARDS: Final = {
    "overview": ("Overview", OVERVIEW),
    "attention": ("Attention: where the model looks", ATTENTION),
    "drift": ("Drift", DRIFT),
    "score": ("Score", SCORE),
    "latency": ("Latency and burst", LATENCY),
    "feeds": ("Feeds", FEEDS),
    "store": ("Store", STORE),
}


def dashboard(name: str) -> dict[str, Any]:
    """One dashboard as Grafana reads it."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"gaze-{name}",
        "title": f"Gaze: {title}",
        "tags": ["gaze"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": CHOICES},
        "links": [{"type": "dashboards", "tags": ["gaze"], "title": "Gaze", "asDropdown": True, "keepTime": True}],
        "panels": placed(panels),
    }


def written(name: str) -> str:
    """The content of dashboards/NAME.json."""
    return json.dumps(dashboard(name), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (HOME / f"{each}.json").write_text(written(each))
