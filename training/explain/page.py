"""One page that leads from the summary to the single prediction: interactive charts, everything within, no network."""

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from core import attention
from core.reach import over
from training.data.dataset import spread
from training.explain.cases import Case, CaseLook, iso
from training.explain.explaining import Explained
from training.explain.pictures.single import title
from training.explain.pictures.style import BLUE, CYCLE, GREY, PALE, VERMILION
from training.explain.predictions import Look, Predictions
from training.explain.report import AttentionReport, Report
from training.explain.text import UNTRAINED

SCRIPT: Final = "plotly.min.js"
"""The one file that the pages of single predictions share."""
POINTS: Final = 2_000
ROWS: Final = 60
FEATURES: Final = 5
CONFIG: Final = {"displaylogo": False, "responsive": True}
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 0 auto; padding: 1.5rem; }
h1 { margin: 0 0 .2rem; } h2 { margin-top: 2.5rem; border-bottom: 2px solid #0072B2; } h3 { margin-top: 2rem; }
.verdict { background: #EEF5FA; border-left: 5px solid #0072B2; padding: .8rem 1rem; font-size: 1.1rem; }
.facts { color: #555; } img { max-width: 100%; } nav a { margin-right: 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .3rem .6rem; text-align: right; }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
tr:nth-child(even) { background: #F6F6F6; }
pre { background: #F6F6F6; padding: 1rem; overflow-x: auto; font-size: 12px; }
"""


def page(of: Explained, pictures: dict[Path, Path], reports: dict[str, str]) -> str:
    """The page as HTML. `pictures`: where each lies; `reports`: of each case, by its folder, the text."""
    body = "\n".join([*_summary(of.report), *_attentions(of, pictures), *_whole(of, pictures), *_cases(of, reports)])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Where {escape(of.report.subject)} looks'
        f"</title><style>{STYLE}</style><script>{get_plotlyjs()}</script></head>\n<body>\n{body}\n</body></html>\n"
    )


def single(of: Explained, case: Case, report: str) -> str:
    """The page of one prediction, beside the folder's plotly.min.js."""
    charts = "\n".join(_chart(_single(of.predictions, case, look)) for look in case.looks)
    name = f"{escape(', '.join(case.kinds))}: {escape(title(case))}"
    mark = f'<p class="verdict"><b>{escape(UNTRAINED)}</b></p>' if of.report.mark else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
        f'<script src="../../{SCRIPT}"></script></head>\n<body>\n<p><a href="../../index.html">all of it</a></p>\n'
        f"<h1>{name}</h1>\n{mark}{charts}\n<pre>{escape(report)}</pre></body></html>\n"
    )


def _summary(of: Report) -> Iterator[str]:
    yield f"<h1>Where {escape(of.subject)} looks</h1>"
    facts = (
        f"{of.kind} of family {of.family}, {of.reads}. "
        f"{of.predictions:,} predictions of bars it had not seen, {of.span[0]} to {of.span[1]}; symbols: {of.symbols}. "
        f"Direction of {of.output} right: {of.right.told(3)}."
    )
    yield f'<p class="facts">{escape(facts)}</p>'
    if of.mark:
        yield f'<p class="verdict"><b>{escape(UNTRAINED)}</b></p>'
    if of.recorded:
        yield f'<p class="verdict">{escape(of.recorded.sentence)}</p>'
    for one in of.attentions:
        yield f'<p class="verdict"><b>{escape(one.name)}.</b> {escape(one.reliability.sentence)}</p>'
    links = [*((one.name, f"#{one.name}") for one in of.attentions), ("outputs", "#outputs"), ("cases", "#cases")]
    yield "<nav>" + "".join(f'<a href="{escape(to)}">{escape(name)}</a>' for name, to in links) + "</nav>"


def _attentions(of: Explained, pictures: dict[Path, Path]) -> Iterator[str]:
    for told, look in zip(of.report.attentions, of.predictions.looks, strict=True):
        yield f'<h2 id="{escape(told.name)}">{escape(told.name)}</h2>'
        yield "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in told.findings) + "</ul>"
        yield _chart(_mean(told))
        yield _chart(_heatmap(of.predictions, look))
        yield _chart(_scatter(of.predictions, look))
        yield from _embedded(pictures, told.name)


def _whole(of: Explained, pictures: dict[Path, Path]) -> Iterator[str]:
    yield '<h2 id="outputs">What it says, and how it was trained</h2>'
    sentences = [sentence for one in of.report.outputs for sentence in one.sentences]
    sentences += [one.sentence for one in of.report.inside]
    yield "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"
    for folder in ("", "outputs", "hangs_on", "inside"):
        yield from _embedded(pictures, folder)


def _embedded(pictures: dict[Path, Path], folder: str) -> Iterator[str]:
    for name, path in pictures.items():
        if name.parent == Path(folder):
            coded = base64.b64encode(path.read_bytes()).decode()
            yield f'<p><img alt="{escape(name.stem.replace("_", " "))}" src="data:image/png;base64,{coded}"></p>'


def _cases(of: Explained, reports: dict[str, str]) -> Iterator[str]:
    yield '<h2 id="cases">Single predictions</h2>'
    yield "<table><tr><th>why</th><th>symbol, time</th><th>said</th><th>confidence</th><th>came</th>"
    yield "<th>pattern</th><th>max / mean</th></tr>"
    for case in of.report.cases:
        look = case.looks[0]
        came = f"{case.came}, {'right' if case.correct else 'wrong'}" if case.came else "not known yet"
        cells = (
            ", ".join(case.kinds),
            f"{case.symbol} {case.opened_at}",
            f"{case.said}, {case.told}",
            f"{100 * case.confidence:.0f} %",
            came,
            look.pattern.replace("_", " "),
            f"{look.concentration_factor:.1f}",
        )
        linked = f'<a href="#{escape(case.folder)}">{escape(cells[0])}</a>'
        yield f"<tr><td>{linked}</td>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells[1:]) + "</tr>"
    yield "</table>"
    for case in of.report.cases:
        yield f'<h3 id="{escape(case.folder)}">{escape(", ".join(case.kinds))}: {escape(title(case))}</h3>'
        for look in case.looks:
            yield _chart(_single(of.predictions, case, look))
        yield f"<details><summary>report</summary><pre>{escape(reports[case.folder])}</pre></details>"


def _chart(figure: go.Figure) -> str:
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG)
    return html


def _laid_out(figure: go.Figure, name: str, height: int, **axes: Any) -> go.Figure:
    return figure.update_layout(
        title=name, height=height, template="plotly_white", margin={"l": 70, "r": 20, "t": 50, "b": 50}, **axes
    )


def _mean(told: AttentionReport) -> go.Figure:
    steps = len(told.mean_weights)
    ago = np.arange(steps - 1, -1, -1)
    weight, even = np.array(told.mean_weights), np.array(told.even_weights)
    hover = "%{x} bars ago<br>weight %{y:.2f} %<br>%{customdata:.2f} x even<extra></extra>"
    bars = go.Bar(x=ago, y=100 * weight, customdata=weight / even, marker_color=BLUE, hovertemplate=hover)
    figure = go.Figure(bars).update_layout(showlegend=False)
    figure.add_scatter(x=ago, y=100 * even, line={"dash": "dot", "color": "black"}, name="even", hoverinfo="name")
    name = f"Mean attention over {told.statistics['entropy'].predictions:,} predictions"
    return _laid_out(
        figure, name, 360, xaxis={"title": "bars ago", "autorange": "reversed"}, yaxis={"title": "weight (%)"}
    )


def _heatmap(of: Predictions, look: Look) -> go.Figure:
    rows = spread(len(of), ROWS)
    steps = look.profile_NT.shape[1]
    names = [f"{of.symbol(row)} {iso(int(of.samples.opened_at_ms[row]))}" for row in rows.tolist()]
    figure = go.Figure(
        go.Heatmap(
            x=np.arange(steps - 1, -1, -1),
            y=names,
            z=np.round(100 * look.profile_NT[rows], 4),
            colorscale="Blues",
            colorbar={"title": "%"},
            hovertemplate="%{y}<br>%{x} bars ago: %{z:.2f} %<extra></extra>",
        )
    )
    name = f"Attention of {len(rows)} predictions, evenly spread in time"
    return _laid_out(figure, name, 560, xaxis={"title": "bars ago", "autorange": "reversed"}, yaxis={"title": ""})


def _scatter(of: Predictions, look: Look) -> go.Figure:
    rows = spread(len(of), POINTS)
    factor = over(attention.concentration_factor, look.profile_NT[rows], look.reach_N[rows])
    figure = go.Figure()
    for name, mask, colour in (("right", of.right[rows], BLUE), ("wrong or not known", ~of.right[rows], VERMILION)):
        chosen = rows[mask]
        told = [
            f"{of.symbol(row)} {iso(int(of.samples.opened_at_ms[row]))}<br>forecast {of.forecast_N[row]:+.3g}, "
            f"came {of.outcome_N[row]:+.3g}"
            for row in chosen.tolist()
        ]
        figure.add_scatter(
            x=np.round(of.confidence_N[chosen], 4),
            y=np.round(factor[mask], 3),
            mode="markers",
            name=name,
            text=told,
            marker={"color": colour, "size": 5, "opacity": 0.55},
            hovertemplate="%{text}<br>confidence %{x:.2f}, max / mean %{y:.1f}<extra></extra>",
        )
    name = f"{len(rows):,} predictions: how sure, and how sharply it looks"
    return _laid_out(figure, name, 420, xaxis={"title": "confidence"}, yaxis={"title": "max weight / mean weight"})


def _single(of: Predictions, case: Case, look: CaseLook) -> go.Figure:
    steps = len(look.weights)
    at = [iso(at_ms) for at_ms in of.times(case.row, look.place).tolist()]
    names = [one.name for one in look.features[:FEATURES]]
    figure = make_subplots(rows=2 + len(names), cols=1, shared_xaxes=True, vertical_spacing=0.025)
    top = {steps - 1 - step.bars_ago for step in look.top}
    colours = [VERMILION if step in top else PALE for step in range(steps)]
    weight = 100 * np.array(look.weights)
    hover = "%{x}<br>weight %{y:.2f} %, %{customdata:.1f} x even<extra></extra>"
    bars = go.Bar(x=at, y=weight, customdata=weight * steps / 100, marker_color=colours, hovertemplate=hover)
    figure.add_trace(bars, row=1, col=1)
    figure.add_scatter(x=at, y=of.closes(case.row, look.place), name="close", line={"color": GREY}, row=2, col=1)
    x_RF = of.window(case.row, look.place)
    for place, (name, colour) in enumerate(zip(names, CYCLE, strict=False), 3):
        column = x_RF[:, of.names(look.place).index(name)].astype(float)
        figure.add_scatter(x=at, y=column, name=name, line={"color": colour}, row=place, col=1)
    for place, name in enumerate(("weight (%)", "close", *names), 1):
        figure.update_yaxes(title={"text": name, "font": {"size": 10}}, row=place, col=1)
    return _laid_out(figure, f"{look.attention}, top {len(top)} highlighted", 260 + 110 * len(names), showlegend=False)
