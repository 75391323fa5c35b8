"""The table of features as a page of Markdown: what docs/reference/features.md holds."""

import inspect
import sys
from collections.abc import Iterator

from core.features import FAMILIES, SETS, Feature, FeatureSet

_HEAD = """# Features

This page is written by `python -m core.features` from the table of features; change the table, not the page. Its
pictures are drawn by `python docs/pictures.py --bars FILE` on real bars: here an hourly week of BTCUSDT, March 2025.

A feature is a number at each bar that depends on the last K bars (its lookback, the bar itself included) and on nothing
else: no state is carried from bar to bar. So its value has the same bits in training, in replay and live, wherever the
history begins, however symbols are batched, and on any number of threads. A model that reads T rows makes its first
prediction after K + T - 1 bars.

**Averages that never end, end here.** The exponential averages of common libraries (TA-Lib among them) remember the
first bar for ever, so that two histories give two values. Here an exponential average weighs the last K bars only, its
weights made to sum to one again. What is left out weighs decay^K: 6e-9 for Wilder's 14 and 3e-9 for a span of 26 within
the usual 256 bars; 1.2 % and 1 % within the 60 bars (52 for weeks) of features whose names say so, `rsi_14_in_60`. The
average differs from the endless one by at most that weight times the spread of the prices so far. RSI, ATR, ADX and
MACD follow; on-balance volume has no natural start, so its slope over n bars is used, which needs none.

**Nothing divides by zero.** Flat prices, bars without a range and bars without a trade have the value each definition
states. Every value is finite for bars that are consistent, with prices and volumes between 1e-12 and 1e12 or no volume.

Prices are in the quote currency, log returns are natural, "per bar" is per bar of the model's interval. n, m and K are
the parameters, in the order listed.
"""


def _family(features: tuple[Feature, ...]) -> Iterator[str]:
    module = sys.modules[features[0].value.__module__]
    yield f"## {features[0].family.capitalize()}\n"
    yield f"{inspect.getdoc(module)}\n"
    name = features[0].family
    yield f"![The features of {name}, each on the same week of hourly bars of BTCUSDT](images/features-{name}.svg)\n"
    yield "| feature | what it is | parameters | K | unit | source |"
    yield "|---|---|---|---|---|---|"
    for feature in features:
        told = " ".join((inspect.getdoc(feature.value) or "").replace("|", "\\|").split())
        numbers = ", ".join(f"{number:g}" for number in feature.parameters)
        source = feature.source.replace("|", "\\|")
        yield f"| `{feature.name}` | {told} | {numbers} | {feature.lookback} | {feature.unit} | {source} |"
    yield ""


def _sets() -> Iterator[str]:
    yield "## Sets\n"
    yield "| set | features | K | opening times | members, in order |"
    yield "|---|---|---|---|---|"
    for name, members in SETS.items():
        features = FeatureSet.named(name)
        needs = "needed" if features.timed else "not read"
        listed = ", ".join(f"`{member}`" for member in members)
        yield f"| `{name}` | {len(members)} | {features.lookback} | {needs} | {listed} |"


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for family in FAMILIES for line in _family(family)), *_sets(), ""])
