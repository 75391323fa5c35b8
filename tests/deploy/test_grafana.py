"""Every query of every dashboard parses, and a Prometheus that scraped a real run answers it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from queries import metrics_of

from daemon.telling.metric_table import TABLE

if TYPE_CHECKING:
    from conftest import Prometheus

HOME = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
CHOSEN = {"$instance": ".*", "$model": ".*", "$over": "2h", "$__rate_interval": "1m"}
ABSENT = {"feeds: External records: {{name}}", "score: Margins: {{output}} {{coverage}}"}
"""What the small model of these tests has not: external records, and bands."""


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((HOME / "dashboards").glob("*.json"))}


def queries() -> Iterator[tuple[str, str]]:
    """Every query, with what to call it."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}: {target['legendFormat']}", target["expr"]


def chosen(query: str) -> str:
    """The query as Grafana sends it when everything is chosen."""
    for name, value in CHOSEN.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def test_the_files_are_those_that_the_program_writes(tmp_path: Path):
    assert "Path(__file__).parent" in (HOME / "dashboards.py").read_text()
    (tmp_path / "dashboards").mkdir()
    for script in ("dashboards.py", "panels.py"):
        (tmp_path / script).write_text((HOME / script).read_text())
    subprocess.run([sys.executable, tmp_path / "dashboards.py"], check=True)
    fresh = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "dashboards").glob("*.json")}
    assert fresh == dashboards()


def test_each_of_the_dashboards_has_an_address_of_its_own_and_no_panel_lies_on_another():
    assert set(dashboards()) == {"overview", "attention", "drift", "score", "latency", "feeds", "store"}
    assert {one["uid"] for one in dashboards().values()} == {f"gaze-{name}" for name in dashboards()}
    for dashboard in dashboards().values():
        taken: set[tuple[int, int]] = set()
        for place in (panel["gridPos"] for panel in dashboard["panels"]):
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not cells & taken
            assert place["x"] + place["w"] <= 24
            taken |= cells


@pytest.mark.parametrize(("panel", "query"), list(queries()), ids=[name for name, _ in queries()])
def test_a_query_parses_and_asks_for_metrics_that_there_are(panel: str, query: str, rules: dict[str, Any]):
    suffixes = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    ours = {told.name + suffix for told in TABLE for suffix in suffixes[told.kind]}
    others = {name for name in metrics_of(chosen(query)) - ours - set(rules) if not name.startswith("process_")}
    assert others <= {"ALERTS"}, panel


def test_every_metric_of_ours_is_on_a_dashboard_or_in_an_alert(rules: dict[str, Any]):
    everything = [*(chosen(query) for _, query in queries()), *(rule["expr"] for rule in rules.values())]
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for query in everything for name in metrics_of(query)}
    assert {told.name for told in TABLE} - shown == set()


def test_grafana_is_told_where_the_dashboards_and_prometheus_are():
    (source,) = yaml.safe_load((HOME / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    assert source["isDefault"]
    (provider,) = yaml.safe_load((HOME / "provisioning/dashboards/gaze.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_every_query_of_every_panel_has_data_from_a_real_run(scraped: "Prometheus", until: Callable[..., None]):
    def empty() -> set[str]:
        return {name for name, query in queries() if not scraped.ask(chosen(query))}

    until(lambda: empty() <= ABSENT, lambda: f"there is data for {sorted(empty() - ABSENT)}")
    assert empty() == ABSENT


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_rules_ran_in_the_real_prometheus_and_no_alert_fires_on_a_healthy_run(scraped: "Prometheus"):
    groups = scraped.get("/api/v1/rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    # Its reference was made up, and it does look elsewhere.
    assert scraped.ask('ALERTS{alertstate="firing",alertname!="GazeDrift"}') == []
