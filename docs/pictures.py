"""Every feature drawn on one stretch of real bars, a picture a family: docs/reference/images/features-FAMILY.svg.

    python docs/pictures.py --bars BARS.parquet --symbol BTCUSDT --from 2025-03-01

The same bars and the same features give the same files. Each says which definitions it was drawn from, so that a test
knows when one is out of date.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from core import barfile
from core.bars import CLOSE, VOLUME, BarArray, TimeArray
from core.features import FAMILIES, Feature, FeatureSet

IMAGES = Path(__file__).parent / "reference" / "images"
COLUMNS = 4
SHOWN = 168
"""Bars that are drawn."""
BEHIND = 512
"""Bars before them, so that every feature has its lookback."""


def draw(family: tuple[Feature, ...], bars_T5: BarArray, opened_at_ms_T: TimeArray, said: str) -> Figure:
    """The close, the volume, then each feature in a panel of its own."""
    features = FeatureSet([feature.name for feature in family])
    values_TF = features.history(bars_T5, opened_at_ms_T)[-SHOWN:]
    times_T = opened_at_ms_T[-SHOWN:].astype("datetime64[ms]")
    panels = [("close", "USDT", bars_T5[-SHOWN:, CLOSE], "black"), ("volume", "BTC", bars_T5[-SHOWN:, VOLUME], "grey")]
    panels += [
        (feature.name, feature.unit or "number", values_TF[:, place], "tab:blue")
        for place, feature in enumerate(family)
    ]
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(13, 1.45 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, sharex=True, squeeze=False).ravel()
    for one, (name, unit, values_T, colour) in zip(axes, panels, strict=False):
        one.plot(times_T, values_T, color=colour, lw=0.8)
        one.set_title(name, fontsize=8, loc="left", pad=2)
        one.set_ylabel(unit, fontsize=6)
        one.tick_params(labelsize=6, length=2)
        one.xaxis.set_major_locator(mpl.dates.DayLocator(interval=2))
        one.xaxis.set_major_formatter(mpl.dates.DateFormatter("%d %b"))
        one.spines[["top", "right"]].set_visible(False)
    for one in axes[len(panels) :]:
        one.set_visible(False)
    figure.suptitle(f"{family[0].family}: {said}", fontsize=9)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=Path, required=True)
    parser.add_argument("--symbol", default="BTCUSDT")
    parser.add_argument("--from", dest="begin", default="2025-03-01", help="where the pictures begin")
    asked = parser.parse_args(arguments)
    file = barfile.read(asked.bars)
    part = file.symbols[asked.symbol]
    begin_ms = int(datetime.fromisoformat(asked.begin).replace(tzinfo=UTC).timestamp() * 1_000)
    first = int(np.searchsorted(part.opened_at_ms, begin_ms))
    some = slice(first - BEHIND, first + SHOWN)
    said = f"{asked.symbol}, {file.interval.name} bars from {asked.begin}"
    quiet: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "gaze", "path.simplify_threshold": 0.5}
    IMAGES.mkdir(exist_ok=True)
    with mpl.rc_context(quiet):
        for family in FAMILIES:
            digest = FeatureSet([feature.name for feature in family]).digest
            draw(family, part.rows[some], part.opened_at_ms[some], said).savefig(
                IMAGES / f"features-{family[0].family}.svg", metadata={"Date": None, "Description": f"digest {digest}"}
            )


if __name__ == "__main__":
    main()
