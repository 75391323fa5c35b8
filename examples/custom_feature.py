"""A feature of one's own, without touching Gaze: this file adds it and is then used where `gaze` would be.

    python examples/custom_feature.py train recipe.toml --bars bars.parquet --out run --set data.features=with_range

The daemon must be started the same way: a bundle names its features, and refuses a daemon that does not know them.
"""

import math

import gaze
from core.bars import HIGH, LOW
from core.features import FEATURES, SETS
from core.features.feature import Feature
from core.features.kernel import Floats, value


@value
def log_range(series: Floats, end: int, parameters: Floats) -> float:
    """Mean log of high over low of the last n bars, summed oldest first so that the bits are the same everywhere."""
    count = int(parameters[0])
    total = 0.0
    for step in range(end - count + 1, end + 1):
        total += math.log(series[HIGH, step] / series[LOW, step])
    return total / count


FEATURES["log_range_6"] = Feature(
    "log_range_6", log_range, (6.0,), lookback=6, unit="log return", source="mean log range; Parkinson 1980 squares it"
)
SETS["with_range"] = (*SETS["btc_3"], "log_range_6")

if __name__ == "__main__":
    gaze.main()
