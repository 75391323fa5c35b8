"""Each alert fires on what it is for, and stays silent a step short of it; promtool plays both through Prometheus."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from queries import metrics_of

from daemon.telling.metric_table import TABLE

Tool = Callable[..., subprocess.CompletedProcess[str]]
Rules = dict[str, dict[str, Any]]

AT = 'instance="a",job="gaze"'
FEED = f'{AT},venue="binance"'
MODEL = f'{AT},model="demo"'
LOOK = f'{AT},attention="attention",model="demo"'
DAY_S = 86_400


class Case(msgspec.Struct, frozen=True):
    """What Prometheus scraped each minute when the alert must fire after `minutes`, and when it must not."""

    minutes: int
    fires: dict[str, str]
    silent: dict[str, str]
    labels: str
    summary: str


def lateness(under: str, all_of_them: str) -> dict[str, str]:
    """Bars counted up to ten seconds late, and all."""
    name = f"gaze_bar_lateness_seconds_bucket{{{AT},le="
    return {f'{name}"10"}}': under, f'{name}"30"}}': all_of_them, f'{name}"+Inf"}}': all_of_them}


def latency(under: str, all_of_them: str) -> dict[str, str]:
    """Predictions counted up to a second after their bar, and all."""
    name = f"gaze_bar_to_prediction_seconds_bucket{{{MODEL},le="
    return {f'{name}"1"}}': under, f'{name}"10"}}': all_of_them, f'{name}"+Inf"}}': all_of_them}


def age(closed_at_s: int, *more: str) -> dict[str, str]:
    """The newest prediction is for a bar that closed then; bars are of one hour."""
    labels = ",".join([MODEL, *more])
    close = f'gaze_prediction_bar_close_timestamp_seconds{{{labels},symbol="BTCUSDT"}}'
    return {close: f"{closed_at_s}x300", f"gaze_bar_interval_seconds{{{labels}}}": "3600x300"}


def entropy(mean: float) -> dict[str, str]:
    """Ten predictions a minute whose attention has this entropy on average."""
    name = "gaze_attention_entropy_ratio"
    return {f"{name}_sum{{{LOOK}}}": f"0+{10 * mean}x300", f"{name}_count{{{LOOK}}}": "0+10x300"}


CASES = {
    "GazeDown": Case(3, {f"up{{{AT}}}": "0x10"}, {f"up{{{AT}}}": "0x1 1x10"}, AT, "a does not answer a scrape"),
    "GazeRestarting": Case(
        20,
        {f"process_start_time_seconds{{{AT}}}": "1x5 300x4 600x4 900x10"},
        {f"process_start_time_seconds{{{AT}}}": "1x5 300x4 600x20"},
        AT,
        "a was started 3 times in half an hour",
    ),
    "GazeNotReady": Case(
        11, {f"gaze_ready{{{AT}}}": "0x20"}, {f"gaze_ready{{{AT}}}": "0x8 1x20"}, AT,
        "a has not been ready for ten minutes",
    ),
    "GazeMemoryHigh": Case(
        11,
        {f"process_resident_memory_bytes{{{AT}}}": "3221225472x20"},
        {f"process_resident_memory_bytes{{{AT}}}": "2147483648x20"},
        AT,
        "a holds 3GiB of memory",
    ),
    "GazeFilesShort": Case(
        11,
        {f"process_open_fds{{{AT}}}": "900x20", f"process_max_fds{{{AT}}}": "1000x20"},
        {f"process_open_fds{{{AT}}}": "700x20", f"process_max_fds{{{AT}}}": "1000x20"},
        AT,
        "a uses 90% of the files it may open",
    ),
    "GazeFeedDown": Case(
        3,
        {f"gaze_feed_up{{{FEED}}}": "0x10"},
        {f"gaze_feed_up{{{FEED}}}": "0 1 0x1 1x10"},
        FEED,
        "a socket to binance has been closed for two minutes",
    ),
    "GazeFeedStale": Case(
        10,
        {f"gaze_feed_last_frame_timestamp_seconds{{{FEED}}}": "60x20"},
        {f"gaze_feed_last_frame_timestamp_seconds{{{FEED}}}": "0x5 450x20"},
        FEED,
        "nothing came from binance for 9m 0s",
    ),
    "GazeFeedFlapping": Case(
        60,
        {f"gaze_feed_reconnects_total{{{FEED}}}": "0+0.25x100"},
        {f"gaze_feed_reconnects_total{{{FEED}}}": "0+0.1x100"},
        FEED,
        "sockets to binance were opened again 15 times in an hour",
    ),
    "GazeFramesRefused": Case(
        20,
        {f"gaze_feed_frames_refused_total{{{FEED}}}": "0+5x30", f"gaze_feed_frames_total{{{FEED}}}": "0+100x30"},
        {f"gaze_feed_frames_refused_total{{{FEED}}}": "0+5x30", f"gaze_feed_frames_total{{{FEED}}}": "0+1000x30"},
        FEED,
        "5% of the frames from binance are not in its dialect",
    ),
    "GazeBarsHeld": Case(
        8, {f"gaze_held_bars{{{AT}}}": "4x20"}, {f"gaze_held_bars{{{AT}}}": "4 4 0 4 4 0 4 4 0 4 4"}, AT,
        "4 bars wait for a missing one before them",
    ),
    "GazeWindowsBroken": Case(
        31,
        {f"gaze_symbols_ready{{{AT}}}": "11x60", f"gaze_symbols{{{AT}}}": "12x60"},
        {f"gaze_symbols_ready{{{AT}}}": "11x20 12x40", f"gaze_symbols{{{AT}}}": "12x60"},
        AT,
        "symbols without a full window for half an hour: only 11 are ready",
    ),
    "GazeBarsLate": Case(
        30, lateness("0+5x60", "0+10x60"), lateness("0+10x60", "0+10x60"), AT,
        "one bar in a hundred comes later than 29.6s after its close",
    ),
    "GazeBarsImpossible": Case(
        60,
        {f'gaze_bars_total{{{AT},fate="future"}}': "0x30 2x60", f'gaze_bars_total{{{AT},fate="off_grid"}}': "0x90"},
        {f'gaze_bars_total{{{AT},fate="future"}}': "2x90", f'gaze_bars_total{{{AT},fate="fresh"}}': "0+9x90"},
        AT,
        "2 bars in an hour cannot be true and were refused",
    ),
    "GazeFallingBehind": Case(
        3, {f"gaze_inbox_bars{{{AT}}}": "15000x10"}, {f"gaze_inbox_bars{{{AT}}}": "15000 0 15000 0 15000"}, AT,
        "15000 bars have waited for the predictor for a minute",
    ),
    "GazePredictionsMissing": Case(
        200, age(3_600), age(7_200), MODEL, "the newest prediction of demo is for a bar that closed 2h 20m 0s ago"
    ),
    "GazePredictionsSlow": Case(
        30, latency("0+5x60", "0+10x60"), latency("0+10x60", "0+10x60"), MODEL,
        "one prediction of demo in a hundred is out later than 9.82s after its bar",
    ),
    "GazeParityMismatch": Case(
        60,
        {f"gaze_parity_mismatched_total{{{AT}}}": "0x30 3x60"},
        {f"gaze_parity_mismatched_total{{{AT}}}": "3x90"},
        AT,
        "3 feature rows differ from what training computes from the same bars",
    ),
    "GazeAttentionDrift": Case(
        61,
        {f"gaze_attention_drift_distance{{{LOOK}}}": "0.3x90"},
        {f"gaze_attention_drift_distance{{{LOOK}}}": "0.3x50 0.1x60"},
        LOOK,
        "attention of demo looks elsewhere than on its test bars: distance 0.30",
    ),
    "GazeDrift": Case(
        6,
        {f'gaze_drift_ratio{{{MODEL},group="input"}}': "1.25x30"},
        {f'gaze_drift_ratio{{{MODEL},group="input"}}': "0.98x30"},
        f'{MODEL},group="input"',
        "input of demo has drifted: 1.25 of its limit",
    ),
    "GazeWorseThanNothing": Case(
        6,
        {f'gaze_score_better_than_nothing{{{MODEL},horizon="24",output="return"}}': "-1x30"},
        {f'gaze_score_better_than_nothing{{{MODEL},horizon="24",output="return"}}': "0x30"},
        f'{MODEL},horizon="24",output="return"',
        "return over 24 bars of demo is lately worse than its baseline, beyond chance",
    ),
    "GazeReloadRefused": Case(
        12,
        {f'gaze_reloads_total{{{MODEL},outcome="rolled back"}}': "0x10 1x30"},
        {f'gaze_reloads_total{{{MODEL},outcome="refused"}}': "1x40"},
        f'{MODEL},outcome="rolled back"',
        "a version of demo could not take over, the one that ran goes on",
    ),
    "GazeAttentionCollapsed": Case(
        90, entropy(0.01), entropy(0.5), LOOK, "attention of demo looks at a single step (entropy 0.01)"
    ),
    "GazeStoreDown": Case(
        2, {f"gaze_store_up{{{AT}}}": "0x10"}, {f"gaze_store_up{{{AT}}}": "0 1x10"}, AT,
        "a has not reached its store for a minute: nothing is published",
    ),
    "GazeStoreErrors": Case(
        30,
        {f"gaze_store_errors_total{{{AT}}}": "0+1x60"},
        {f"gaze_store_errors_total{{{AT}}}": "0x20 2x40"},
        AT,
        "the store refused or was away 15 times in a quarter of an hour",
    ),
    "GazePredictionsLost": Case(
        10,
        {f"gaze_predictions_lost_total{{{MODEL}}}": "0 0 0+6x60"},
        {f"gaze_predictions_lost_total{{{MODEL}}}": "6x60"},
        MODEL,
        "Redis lost 48 predictions of demo that memory no longer had",
    ),
}  # fmt: skip


def labels(text: str) -> dict[str, str]:
    """Labels as Prometheus writes them, as a dictionary."""
    pairs = (part.split("=") for part in text.split(","))
    return {name: value.strip('"') for name, value in pairs}


def played(tool: Tool, deploy: Path, folder: Path, tests: list[dict[str, Any]]) -> None:
    """Let promtool play these tests against our rules, records before the alerts that read them."""
    files = sorted((deploy / "prometheus" / "rules").glob("*.yml"), reverse=True)
    order = [group["name"] for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    assert order[0] == "gaze_recording"
    told = {"rule_files": list(map(str, files)), "evaluation_interval": "1m", "group_eval_order": order}
    script = folder / "played.yml"
    script.write_text(yaml.safe_dump(told | {"tests": tests}))
    done = tool("promtool", "test", "rules", script)
    assert done.returncode == 0, done.stdout + done.stderr


def series(values: dict[str, str]) -> list[dict[str, str]]:
    """As promtool wants them."""
    return [{"series": name, "values": told} for name, told in values.items()]


@pytest.mark.slow
@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_and_says_what_is_wrong(alert: str, rules: Rules, tool: Tool, deploy: Path, tmp_path: Path):
    case, rule = CASES[alert], rules[alert]
    expected = {
        "exp_labels": labels(case.labels) | rule["labels"],
        "exp_annotations": rule["annotations"] | {"summary": case.summary},
    }
    test = {"eval_time": f"{case.minutes}m", "alertname": alert, "exp_alerts": [expected]}
    played(tool, deploy, tmp_path, [{"interval": "1m", "input_series": series(case.fires), "alert_rule_test": [test]}])


@pytest.mark.slow
@pytest.mark.parametrize("alert", CASES)
def test_an_alert_stays_silent_a_step_short_of_it(alert: str, tool: Tool, deploy: Path, tmp_path: Path):
    case = CASES[alert]
    tests = [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []} for minute in range(case.minutes + 1)]
    played(tool, deploy, tmp_path, [{"interval": "1m", "input_series": series(case.silent), "alert_rule_test": tests}])


@pytest.mark.slow
def test_a_daemon_that_replays_the_past_is_not_held_against_the_clock(tool: Tool, deploy: Path, tmp_path: Path):
    replayed = age(3_600, 'clock="replayed"')
    test = {"eval_time": "200m", "alertname": "GazePredictionsMissing", "exp_alerts": []}
    played(tool, deploy, tmp_path, [{"interval": "1m", "input_series": series(replayed), "alert_rule_test": [test]}])


def test_every_alert_is_played(rules: Rules):
    assert set(CASES) == {name for name, rule in rules.items() if "alert" in rule}


def test_every_alert_has_a_runbook_of_its_own_that_names_it(rules: Rules, deploy: Path):
    pages = {name: rule["annotations"]["runbook"] for name, rule in rules.items() if "alert" in rule}
    assert len(set(pages.values())) == len(pages)
    for alert, page in pages.items():
        assert (deploy.parent / page).read_text().startswith(f"# {alert}\n")
    written = {path.name for path in (deploy.parent / "docs" / "runbooks").glob("*.md")} - {"README.md"}
    assert written == {Path(page).name for page in pages.values()}


def test_every_alert_is_critical_or_a_warning(rules: Rules):
    assert {rule["labels"]["severity"] for rule in rules.values() if "alert" in rule} == {"critical", "warning"}


def test_rules_ask_only_for_metrics_that_there_are(rules: Rules):
    asked = {name for rule in rules.values() for name in metrics_of(rule["expr"])}
    suffixes = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    ours = {told.name + suffix for told in TABLE for suffix in suffixes[told.kind]}
    assert {name for name in asked if name.startswith("gaze_")} <= ours
    assert {name for name in asked if ":" in name} <= set(rules)


@pytest.mark.slow
def test_prometheus_takes_the_configuration(tool: Tool, deploy: Path):
    checked = tool("promtool", "check", "config", deploy / "prometheus" / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "chat")])
def test_what_is_critical_wakes_somebody_and_the_rest_is_written(
    severity: str, receiver: str, tool: Tool, deploy: Path
):
    file = deploy / "prometheus" / "alertmanager.yml"
    routed = tool(
        "amtool", "config", "routes", "test", f"--config.file={file}", f"severity={severity}", "alertname=Any"
    )
    assert routed.returncode == 0, routed.stderr
    assert routed.stdout.strip() == receiver
