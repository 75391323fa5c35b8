"""The status page at `/`: one self-contained document, everything in it escaped, nothing asked of anywhere else."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from core.prediction import Gaze, Message
from daemon.telling import look
from daemon.telling.health import Condition
from daemon.telling.page_style import MARK, SCRIPT, STYLE

ROWS: Final = 50
_REFRESH_S: Final = 5
_TALLEST_LIFT: Final = 4.0
_DRIFTING: Final = 0.2
"""From this distance on an attention looks elsewhere than in its reference: the alert's threshold."""


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
<link rel="icon" type="image/svg+xml" href="/icon.svg">
<noscript><meta http-equiv="refresh" content="{_REFRESH_S}"></noscript>
<style nonce="{nonce}">{STYLE}</style>
<script nonce="{nonce}">{SCRIPT.replace("REFRESH_MS", str(_REFRESH_S * 1_000))}</script>
</head>
<body>
<main>
<header>{MARK}<h1 class="{"good" if ready else "bad"}">{escape(title)}</h1>
<p class="soft">{_utc(now_ms)}</p></header>
<ul class="conditions">{"".join(map(_condition, conditions))}</ul>
<dl>{"".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in about.items())}</dl>
{"".join(_average(name, strongest) for name in _attentions(strongest))}
<section>
<h2>Newest predictions, strongest first</h2>
{_table(strongest, now_ms)}
</section>
<footer>Bars show how much each part of the window was looked at, oldest left; the dashed line is looking evenly.
<nav><a href="/metrics">metrics</a> <a href="/predictions.json">predictions</a> <a href="/readyz">readiness</a></nav>
</footer>
</main>
</body>
</html>
"""


def _condition(condition: Condition) -> str:
    mark, tone = ("✓", "good") if condition.met else ("✗", "bad")
    said = f"<b>{escape(condition.name)}</b> <span>{escape(condition.reason)}</span>"
    return f'<li class="{tone}"><span class="mark">{mark}</span> {said}</li>'


def _attentions(messages: Sequence[Message]) -> Iterable[str]:
    return messages[0].prediction.gaze if messages else ()


def _average(name: str, messages: Sequence[Message]) -> str:
    """Where an attention looks on average over the predictions shown, and how far that is from its reference."""
    gazes = [message.prediction.gaze[name] for message in messages]
    cells = [sum(column) / len(gazes) for column in zip(*map(look.lifts, gazes), strict=True)]
    newest = max(messages, key=lambda message: message.context.published_at_ms)
    entropy = sum(gaze.entropy for gaze in gazes) / len(gazes)
    return f"""<section class="average">
<h2>Where {escape(name)} looks <span class="soft">on average over the predictions below</span></h2>
{_chart(cells, f"on average over {len(gazes)} predictions")}
<p class="axis soft"><span>{gazes[0].shape[-1] - 1} bars ago</span><span>now</span></p>
<p>{_drift(newest.context.drift.get(name))}<span class="chip">entropy <b>{entropy:.3f}</b>
<span class="soft">1 looks evenly, 0 at one step</span></span></p>
</section>"""


def _drift(distance: float | None) -> str:
    if distance is None:
        return ""
    tone, said = (
        ("bad", "looks elsewhere than its reference") if distance >= _DRIFTING else ("good", "as its reference")
    )
    return f'<span class="chip">drift <b class="{tone}">{distance:.3f}</b> <span class="soft">{said}</span></span>'


def _table(messages: Sequence[Message], now_ms: int) -> str:
    if not messages:
        return '<p class="soft">None yet: the first comes when a bar closes and its symbol has a full window.</p>'
    first = messages[0].prediction
    heads = ["symbol", *first.outputs]
    for name in first.gaze:
        heads += [f"where {name} looked", "entropy"]
    heads += ["bar closed", "age"]
    rows = "".join(f"<tr>{''.join(_row(message, now_ms))}</tr>" for message in messages)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(message: Message, now_ms: int) -> Iterable[str]:
    prediction, context = message.prediction, message.context
    yield f'<th scope="row">{escape(prediction.symbol)}</th>'
    for name, value in prediction.outputs.items():
        said = look.spoken(name, value)
        tone = {"+": "up", "-": "down"}.get(said[:1], "")
        yield f'<td class="value {tone}">{escape(said)}</td>'
    for gaze in prediction.gaze.values():
        said = ", ".join(f"{step.weight:.0%} {step.bars_ago} bars ago" for step in gaze.top[:3])
        yield f'<td class="look">{_chart(look.lifts(gaze), f"most weight: {said}")}</td>'
        yield f'<td class="soft entropy">{_entropy(gaze)}</td>'
    yield f'<td class="soft closed">{_utc(prediction.closed_at_ms)}</td>'
    yield f'<td class="soft age">{_age((now_ms - context.published_at_ms) / 1_000)}</td>'


def _entropy(gaze: Gaze) -> str:
    return f"{gaze.entropy:.3f}"


def _chart(lifts: Sequence[float], label: str) -> str:
    """Bars over the window; what is looked at more than evenly stands out."""
    tallest = max(_TALLEST_LIFT, *lifts)
    rects = "".join(
        f'<rect{"" if lift > 1 else " class=faint"} x="{place + 0.1}" y="{1 - lift / tallest:.4f}" width="0.8" '
        f'height="{lift / tallest:.4f}"/>'
        for place, lift in enumerate(lifts)
    )
    even = f'<line x1="0" x2="{len(lifts)}" y1="{1 - 1 / tallest:.4f}" y2="{1 - 1 / tallest:.4f}"/>'
    box = f"0 0 {len(lifts)} 1"
    title = f"<title>{escape(label)}</title>"
    return f'<svg class="chart" viewBox="{box}" preserveAspectRatio="none" role="img">{title}{rects}{even}</svg>'


def _age(seconds: float) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M}Z"
