"""The kinds of panels on the dashboards, what they ask, and where they are placed."""
# ruff: noqa: INP001 - beside the script that uses it, no package

from typing import Any, Final

Panel = dict[str, Any]
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
COLUMNS: Final = 24

GREEN, AMBER, RED = "#1a7f4b", "#b4690e", "#b3261e"
YES = [("0", "no", RED), ("1", "yes", GREEN)]
AT = 'instance=~"$instance"'
MODEL = f'{AT},model=~"$model"'


def panel(title: str, about: str, kind: str, queries: dict[str, str], **more: Any) -> Panel:
    """One panel. `queries`: PromQL by its legend.

    `more`: unit, width, height, options, steps, mappings, min, max, stack.
    """
    defaults: dict[str, Any] = {"unit": more.get("unit", "short")}
    if "steps" in more:
        steps = [{"color": color, "value": value} for value, color in more["steps"]]
        defaults |= {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
    if "mappings" in more:
        told = {value: {"text": text, "color": color} for value, text, color in more["mappings"]}
        defaults["mappings"] = [{"type": "value", "options": told}]
    for bound in ("min", "max"):
        if bound in more:
            defaults[bound] = more[bound]
    if kind == "timeseries":
        stacked = {"stacking": {"mode": "normal"}, "fillOpacity": 60, "lineWidth": 0} if more.get("stack") else {}
        defaults["custom"] = {"lineWidth": 2, "fillOpacity": 8, "showPoints": "never", "spanNulls": True} | stacked
    now_only = kind in {"stat", "bargauge", "table"}
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend,
            "instant": now_only,
            "range": not now_only,
            "format": {"table": "table", "{{le}}": "heatmap"}.get(kind if kind == "table" else legend, "time_series"),
        }
        for number, (legend, query) in enumerate(queries.items())
    ]
    return {
        "title": title,
        "description": about,
        "type": kind,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": more.get("options", {}),
        "gridPos": {"w": more.get("width", 8), "h": more.get("height", 8)},
    }


def number(title: str, about: str, query: str, **more: Any) -> Panel:
    """A single number."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}
    return panel(title, about, "stat", {"{{instance}}": query}, width=4, height=4, options=options, **more)


def lines(title: str, about: str, queries: dict[str, str], **more: Any) -> Panel:
    """Lines over time."""
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel(title, about, "timeseries", queries, options=options, **more)


def heat(title: str, about: str, queries: dict[str, str], scheme: str = "Oranges", **more: Any) -> Panel:
    """Colour over time."""
    options = {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": scheme, "steps": 64},
        "yAxis": {"axisPlacement": "left"},
        "rowsFrame": {"layout": "auto"},
        "legend": {"show": True},
    }
    return panel(title, about, "heatmap", queries, options=options, **more)


def quantiles(histogram: str, labels: str) -> dict[str, str]:
    """Half, 99 % and all but one in a thousand of a histogram, over all series that the labels name."""
    rate = f"sum by (le) (rate({histogram}_bucket{{{labels}}}[$over]))"
    return {f"p{share:g}": f"histogram_quantile({share / 100:g}, {rate})" for share in (50, 99, 99.9)}


def mean(histogram: str, labels: str, by: str) -> str:
    """The mean of what a histogram saw."""
    total, count = (f"sum by ({by}) (rate({histogram}_{part}{{{labels}}}[$over]))" for part in ("sum", "count"))
    return f"{total} / ({count} > 0)"


def placed(panels: list[Panel]) -> list[Panel]:
    """The panels from left to right, then down."""
    x = y = lowest = 0
    out: list[Panel] = []
    for number_, one in enumerate(panels, start=1):
        width, height = one["gridPos"]["w"], one["gridPos"]["h"]
        if x + width > COLUMNS:
            x, y = 0, lowest
        out.append(one | {"id": number_, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
        x, lowest = x + width, max(lowest, y + height)
    return out
