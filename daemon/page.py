"""The status page at `/`: one self-contained document, everything in it escaped, nothing asked of anywhere else."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from core.prediction import Gaze, Message
from daemon import look
from daemon.health import Condition

ROWS: Final = 50
_REFRESH_S: Final = 5
_TALLEST_LIFT: Final = 4.0

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fbfaf7; --soft: #6b7280; --line: #dcd8cf; --look: #b4690e;
  --good: #1a7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #15171a; --soft: #9aa1ab; --line: #33373d;
  --look: #f0a83c; --good: #5fcf94; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .8rem 0; }
dt, .soft { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
ul { list-style: none; margin: 0; padding: 0; }
.good { color: var(--good); } .bad { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } th:first-child, td:first-child { text-align: left; }
svg { display: block; width: 12rem; height: 1.8rem; margin-left: auto; }
rect { fill: var(--look); } line { stroke: var(--soft); stroke-dasharray: 2 2; vector-effect: non-scaling-stroke; }
"""

# Fetches the page again and swaps its body: no flash, and the place one has scrolled to stays.
_SCRIPT: Final = f"""
setInterval(async () => {{
  try {{
    const page = await (await fetch(location.href, {{cache: "no-store"}})).text();
    const fresh = new DOMParser().parseFromString(page, "text/html");
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    document.title = document.querySelector("h1").textContent;
  }} catch {{ document.title = "away: " + document.title.replace(/^away: /, ""); }}
}}, {_REFRESH_S * 1000});
"""


def page(
    about: Mapping[str, str], conditions: Sequence[Condition], messages: Sequence[Message], now_ms: int, nonce: str
) -> str:
    """The whole document. `messages`: the newest of each symbol; the strongest ROWS of them are shown."""
    ready = all(condition.met for condition in conditions)
    title = f"Gaze: {'ready' if ready else 'not ready'}"
    strongest = sorted(messages, key=lambda message: -look.strength(message.prediction))[:ROWS]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<noscript><meta http-equiv="refresh" content="{_REFRESH_S}"></noscript>
<style nonce="{nonce}">{_STYLE}</style>
<script nonce="{nonce}">{_SCRIPT}</script>
</head>
<body>
<main>
<h1 class="{"good" if ready else "bad"}">{escape(title)}</h1>
<dl>{"".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in about.items())}</dl>
<ul>{"".join(map(_condition, conditions))}</ul>
<h2>Newest predictions, strongest first</h2>
{_table(strongest, now_ms)}
<p class="soft">The bars show where the model looked over its window, oldest left; the dashed line is looking evenly.
As of {_utc(now_ms)}. <a href="/metrics">metrics</a> <a href="/predictions.json">predictions</a>
<a href="/readyz">readiness</a></p>
</main>
</body>
</html>
"""


def _condition(condition: Condition) -> str:
    mark, tone = ("✓", "good") if condition.met else ("✗", "bad")
    return f'<li><span class="{tone}">{mark}</span> {escape(condition.name)}: {escape(condition.reason)}</li>'


def _table(messages: Sequence[Message], now_ms: int) -> str:
    if not messages:
        return '<p class="soft">None yet: the first comes when a bar closes and its symbol has a full window.</p>'
    first = messages[0].prediction
    heads = ["symbol", "bar closed", *first.outputs]
    for name in first.gaze:
        heads += [f"{name}: entropy", "where it looked", "drift"]
    heads.append("age")
    rows = "".join(f"<tr>{_cells(_row(message, now_ms))}</tr>" for message in messages)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(message: Message, now_ms: int) -> Iterable[str]:
    prediction, context = message.prediction, message.context
    yield escape(prediction.symbol)
    yield _utc(prediction.closed_at_ms)
    for name, value in prediction.outputs.items():
        yield escape(look.spoken(name, value))
    for name, gaze in prediction.gaze.items():
        yield f"{gaze.entropy:.3f}"
        yield _bars(gaze)
        yield f"{context.drift[name]:.3f}" if name in context.drift else "-"
    yield f"{max(0, now_ms - context.published_at_ms) / 1_000:.0f} s"


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _bars(gaze: Gaze) -> str:
    lifts = look.lifts(gaze)
    tallest = max(_TALLEST_LIFT, *lifts)
    rects = "".join(
        f'<rect x="{place}" y="{1 - lift / tallest:.4f}" width="0.85" height="{lift / tallest:.4f}"/>'
        for place, lift in enumerate(lifts)
    )
    even = f'<line x1="0" x2="{len(lifts)}" y1="{1 - 1 / tallest:.4f}" y2="{1 - 1 / tallest:.4f}"/>'
    said = ", ".join(f"{step.weight:.0%} {step.bars_ago} bars ago" for step in gaze.top[:3])
    label = escape(f"most weight: {said}")
    box = f"0 0 {len(lifts)} 1"
    return f'<svg viewBox="{box}" preserveAspectRatio="none" role="img"><title>{label}</title>{rects}{even}</svg>'


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S}Z"
