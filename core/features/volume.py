"""Features of traded volume, and of the prices at which it was traded. Where nothing was traded each says its value."""

import math
from typing import Final

import numpy as np

from core.bars import CLOSE, HIGH, LOW, VOLUME
from core.features.feature import Feature
from core.features.kernel import LOG_RETURN, Floats, value
from core.features.parts import correlation, deviation, highest, lowest, mean, ratio, slope, squares, total, typical


@value
def relative_volume(series: Floats, end: int, parameters: Floats) -> float:
    """Log of one plus the volume over its mean of the last n bars; 0 where nothing was traded."""
    volume, count = series[VOLUME], int(parameters[0])
    return math.log1p(ratio(volume[end] * count, total(volume, end, count), 0.0))


@value
def volume_strength(series: Floats, end: int, parameters: Floats) -> float:
    """Mean volume of the last n bars over that of the last m; 1 where nothing was traded in m."""
    volume, short, long = series[VOLUME], int(parameters[0]), int(parameters[1])
    return float(ratio(total(volume, end, short) * long, total(volume, end, long) * short, 1.0))


@value
def volume_ratio(series: Floats, end: int, parameters: Floats) -> float:
    """Volume over the mean of the n bars before it, at most 100; 1 where nothing was traded in those."""
    volume, count = series[VOLUME], int(parameters[0])
    return min(ratio(volume[end] * count, total(volume, end - 1, count), 1.0), 100.0)


@value
def consecutive_volume_rises(series: Floats, end: int, parameters: Floats) -> float:
    """Bars in a row with more volume than the bar before, counted up to n."""
    volume, length = series[VOLUME], 0
    for step in range(end, end - int(parameters[0]), -1):
        if volume[step] <= volume[step - 1]:
            break
        length += 1
    return float(length)


@value
def volume_score(series: Floats, end: int, parameters: Floats) -> float:
    """Distance of the volume from its mean of the last n bars, in standard deviations; 0 where all are equal."""
    volume, count = series[VOLUME], int(parameters[0])
    return float(ratio(volume[end] - mean(volume, end, count), deviation(volume, end, count), 0.0))


@value
def volume_slope(series: Floats, end: int, parameters: Floats) -> float:
    """Slope per bar of the line through the last n volumes, over their mean; 0 where nothing was traded."""
    volume, count = series[VOLUME], int(parameters[0])
    return float(ratio(slope(volume, end, count) * count, total(volume, end, count), 0.0))


@value
def idle_share(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the last n bars in which nothing was traded."""
    volume, count, idle = series[VOLUME], int(parameters[0]), 0
    for step in range(end - count + 1, end + 1):
        if volume[step] == 0.0:
            idle += 1
    return idle / count


@value
def money_flow(series: Floats, end: int, parameters: Floats) -> float:
    """Volume of the last n bars weighted by close location, over their volume; 0 where nothing was traded."""
    count, flow = int(parameters[0]), 0.0
    for step in range(end - count + 1, end + 1):
        high, low, close = series[HIGH, step], series[LOW, step], series[CLOSE, step]
        flow += ratio((close - low) - (high - close), high - low, 0.0) * series[VOLUME, step]
    return float(ratio(flow, total(series[VOLUME], end, count), 0.0))


@value
def accumulation_score(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the last n bars' volume bought, a bar's by where it closed in its range; 50 where nothing was traded."""
    count, bought = int(parameters[0]), 0.0
    for step in range(end - count + 1, end + 1):
        low, close = series[LOW, step], series[CLOSE, step]
        bought += ratio(close - low, series[HIGH, step] - low, 0.5) * series[VOLUME, step]
    return 100.0 * ratio(bought, total(series[VOLUME], end, count), 0.5)


@value
def money_flow_index(series: Floats, end: int, parameters: Floats) -> float:
    """Share of traded value in the last n bars whose typical price rose, of those that moved; 50 where none did."""
    risen, fallen = 0.0, 0.0
    before = typical(series, end - int(parameters[0]))
    for step in range(end - int(parameters[0]) + 1, end + 1):
        price = typical(series, step)
        if price > before:
            risen += price * series[VOLUME, step]
        elif price < before:
            fallen += price * series[VOLUME, step]
        before = price
    return 100.0 * ratio(risen, risen + fallen, 0.5)


@value
def up_volume_share(series: Floats, end: int, parameters: Floats) -> float:
    """Share of volume in the last n bars that closed higher, of those that moved; 0.5 where none did."""
    close, volume = series[CLOSE], series[VOLUME]
    risen, fallen = 0.0, 0.0
    for step in range(end - int(parameters[0]) + 1, end + 1):
        if close[step] > close[step - 1]:
            risen += volume[step]
        elif close[step] < close[step - 1]:
            fallen += volume[step]
    return float(ratio(risen, risen + fallen, 0.5))


@value
def obv_trend(series: Floats, end: int, parameters: Floats) -> float:
    """Slope per bar of the on-balance volume over the last n bars, over their mean volume; 0 where none was traded.

    On-balance volume has no natural start: here it starts at zero in the oldest of the n bars, which moves the line
    up or down and leaves its slope.
    """
    close, volume, count = series[CLOSE], series[VOLUME], int(parameters[0])
    first = end - count + 1
    middle = 0.5 * (count - 1)
    balance, product, traded = 0.0, 0.0, volume[first]
    for step in range(first + 1, end + 1):
        if close[step] > close[step - 1]:
            balance += volume[step]
        elif close[step] < close[step - 1]:
            balance -= volume[step]
        product += (step - first - middle) * balance
        traded += volume[step]
    line = product * 12.0 / (count * (count * count - 1.0))
    return float(ratio(line * count, traded, 0.0))


@value
def vwap_gap(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the close over the last n bars' mean typical price weighted by volume; 0 where nothing was traded."""
    value_sum, volume_sum = 0.0, 0.0
    for step in range(end - int(parameters[0]) + 1, end + 1):
        value_sum += typical(series, step) * series[VOLUME, step]
        volume_sum += series[VOLUME, step]
    return math.log(series[CLOSE, end] * volume_sum / value_sum) if value_sum > 0.0 else 0.0


@value
def illiquidity(series: Floats, end: int, parameters: Floats) -> float:
    """Log of one plus a million times the mean absolute log return over the mean traded value of n bars.

    0 where nothing was traded. The ratio of means instead of Amihud's mean of ratios, which one idle bar would break.
    """
    moved, traded = 0.0, 0.0
    for step in range(end - int(parameters[0]) + 1, end + 1):
        moved += abs(series[LOG_RETURN, step])
        traded += series[CLOSE, step] * series[VOLUME, step]
    return math.log1p(1e6 * ratio(moved, traded, 0.0))


@value
def price_volume_correlation(series: Floats, end: int, parameters: Floats) -> float:
    """Correlation of closes and volumes over the last n bars; 0 where either is flat."""
    return float(correlation(series[CLOSE], series[VOLUME], end, int(parameters[0])))


@value
def volume_above(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the last n bars' volume traded at typical prices above the close: supply overhead.

    0 where nothing was traded.
    """
    close, count, above = series[CLOSE, end], int(parameters[0]), 0.0
    for step in range(end - count + 1, end + 1):
        if typical(series, step) > close:
            above += series[VOLUME, step]
    return float(ratio(above, total(series[VOLUME], end, count), 0.0))


@value
def control_gap(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the close over the point of control: the price at which most volume of the last n bars was traded.

    Each bar's volume goes to its typical price in m bins between the lowest low and the highest high; the lower bin
    wins among equals. 0 where prices are flat or nothing was traded.
    """
    count, bins = int(parameters[0]), int(parameters[1])
    low = lowest(series[LOW], end, count)
    width = (highest(series[HIGH], end, count) - low) / bins
    if width == 0.0:
        return 0.0
    profile = np.zeros(bins)
    for step in range(end - count + 1, end + 1):
        place = int((typical(series, step) - low) / width)
        profile[min(max(place, 0), bins - 1)] += series[VOLUME, step]
    control = 0
    for place in range(1, bins):
        if profile[place] > profile[control]:
            control = place
    return math.log(series[CLOSE, end] / (low + (control + 0.5) * width)) if profile[control] > 0.0 else 0.0


@value
def surge_in_narrow_band(series: Floats, end: int, parameters: Floats) -> float:
    """Volume strength (n of m bars) times how narrow the Bollinger band of m bars is beside that of k: 0..1.

    Narrowness is the k-bar width over the sum of both; 0.5 where prices are flat.
    """
    volume, close = series[VOLUME], series[CLOSE]
    short, band, long = int(parameters[0]), int(parameters[1]), int(parameters[2])
    strength = ratio(total(volume, end, short) * band, total(volume, end, band) * short, 1.0)
    near, far = mean(close, end, band), mean(close, end, long)
    narrow = math.sqrt(squares(close, end, band, near) / band) / near
    wide = math.sqrt(squares(close, end, long, far) / long) / far
    return float(strength * ratio(wide, narrow + wide, 0.5))


@value
def move_with_volume(series: Floats, end: int, parameters: Floats) -> float:
    """The one-bar log return times the volume over its mean of the last n bars; 0 where nothing was traded."""
    volume, count = series[VOLUME], int(parameters[0])
    return float(series[LOG_RETURN, end] * ratio(volume[end] * count, total(volume, end, count), 0.0))


_RELATIVE = "log(1 + volume / mean of n volumes)"
_PROFILE = "Steidlmayer's market profile"

VOLUME_FEATURES: Final = (
    *(
        Feature(f"relative_volume_{n}", relative_volume, (n,), n, "log ratio", _RELATIVE)
        for n in (12, 15, 20, 24, 52, 60)
    ),
    Feature("vol_strength_5d", volume_strength, (5, 20), 20, "ratio", "mean of 5 volumes / mean of 20"),
    Feature("volume_strength_5_60", volume_strength, (5, 60), 60, "ratio", "mean of 5 volumes / mean of 60"),
    Feature("volume_strength_4_26", volume_strength, (4, 26), 26, "ratio", "mean of 4 volumes / mean of 26"),
    Feature("vol_ratio_5d", volume_ratio, (5,), 6, "ratio", "Volume ratio: volume / mean of the 5 before"),
    Feature("consec_vol_up", consecutive_volume_rises, (10,), 11, "bars", "rising volumes in a row, up to 10"),
    Feature("accum_score_5d", accumulation_score, (5,), 5, "0..100", "Chaikin's accumulation over 5 bars, as a share"),
    Feature("volume_score_20", volume_score, (20,), 20, "deviations", "z-score of 20 volumes"),
    Feature("volume_score_26", volume_score, (26,), 26, "deviations", "z-score of 26 volumes"),
    Feature("volume_score_30", volume_score, (30,), 30, "deviations", "z-score of 30 volumes"),
    Feature("volume_slope_12", volume_slope, (12,), 12, "per bar", "least squares over 12 volumes / their mean"),
    Feature("idle_share_30", idle_share, (30,), 30, "share", "bars without a trade, of 30"),
    Feature("cmf_12", money_flow, (12,), 12, "-1..1", "Chaikin money flow"),
    Feature("cmf_20", money_flow, (20,), 20, "-1..1", "Chaikin money flow"),
    Feature("mfi_14", money_flow_index, (14,), 15, "0..100", "Quong and Soudack 1989, money flow index"),
    Feature("up_volume_share_12", up_volume_share, (12,), 13, "share", "volume of rising bars / of moving bars"),
    Feature("obv_trend", obv_trend, (10,), 10, "per bar", "Granville 1963, slope of 10 bars / mean volume"),
    Feature("obv_trend_12", obv_trend, (12,), 12, "per bar", "Granville 1963, slope of 12 bars / mean volume"),
    Feature("obv_trend_20", obv_trend, (20,), 20, "per bar", "Granville 1963, slope of 20 bars / mean volume"),
    Feature("vwap_gap_24", vwap_gap, (24,), 24, "log ratio", "log(close / VWAP of 24 bars)"),
    Feature("vwap_gap_26", vwap_gap, (26,), 26, "log ratio", "log(close / VWAP of 26 bars)"),
    Feature("vwap_gap_30", vwap_gap, (30,), 30, "log ratio", "log(close / VWAP of 30 bars)"),
    Feature("illiquidity_12", illiquidity, (12,), 13, "log", "Amihud 2002, as a ratio of means"),
    Feature("illiquidity_20", illiquidity, (20,), 21, "log", "Amihud 2002, as a ratio of means"),
    Feature("illiquidity_30", illiquidity, (30,), 31, "log", "Amihud 2002, as a ratio of means"),
    Feature("price_volume_correlation_20", price_volume_correlation, (20,), 20, "-1..1", "Pearson, close and volume"),
    Feature("price_volume_correlation_26", price_volume_correlation, (26,), 26, "-1..1", "Pearson, close and volume"),
    Feature("price_volume_correlation_30", price_volume_correlation, (30,), 30, "-1..1", "Pearson, close and volume"),
    Feature("volume_above_48", volume_above, (48,), 48, "share", f"{_PROFILE}: volume above the close"),
    Feature("control_gap_48", control_gap, (48, 24), 48, "log ratio", f"{_PROFILE}: point of control, 24 bins"),
    Feature("volume_surge_x_narrow_band", surge_in_narrow_band, (5, 20, 60), 60, "ratio", "vol_strength_5d x squeeze"),
    Feature("return_x_volume_20", move_with_volume, (20,), 20, "log return", "log_return_1 x volume / mean of 20"),
)
