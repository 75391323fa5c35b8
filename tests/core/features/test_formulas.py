"""The features against their textbook formulas, written another way: numpy, polars and plain Python."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from books import Book, bars_around

from core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarArray, TimeArray
from core.features import FEATURES, FeatureSet

Floats = npt.NDArray[np.float64]
Read = Callable[[str, str], tuple[BarArray, TimeArray]]


@pytest.fixture(scope="module", params=["generated", "BTCUSDT", "AAPL"])
def bars(request: pytest.FixtureRequest) -> BarArray:
    """(1,500, 5): one market with a long past."""
    if request.param == "generated":
        random = np.random.default_rng(3)
        return bars_around(100 * np.exp(np.cumsum(random.normal(0, 0.01, 1_500))), random.lognormal(2, 1, 1_500), 4)
    file = {"BTCUSDT": "binance_spot_1h_2017_2022.parquet", "AAPL": "dow30_daily_2008_2019.parquet"}[request.param]
    read: Read = request.getfixturevalue("read_bars")
    return read(file, request.param)[0][-1_500:]


def feature(name: str, bars_T5: BarArray) -> Floats:
    return FeatureSet([name]).history(bars_T5)[:, 0]


def returns(bars: BarArray) -> Floats:
    return np.diff(np.log(bars[:, CLOSE]))


def windowed_ema(values: Floats, alpha: float) -> float:
    weights = (1 - alpha) ** np.arange(len(values))[::-1]
    return float(np.average(values, weights=weights))


def true_ranges(bars: BarArray) -> Floats:
    before = bars[:-1, CLOSE]
    high, low = bars[1:, HIGH], bars[1:, LOW]
    return np.max([high - low, abs(high - before), abs(low - before)], axis=0)


def typicals(bars: BarArray) -> Floats:
    return bars[:, [HIGH, LOW, CLOSE]].mean(1)


def locations(bars: BarArray) -> Floats:
    spread = bars[:, HIGH] - bars[:, LOW]
    return (2 * bars[:, CLOSE] - bars[:, HIGH] - bars[:, LOW]) / np.where(spread > 0, spread, np.inf)


def moment(bars: BarArray, power: int) -> float:
    away = returns(bars) - returns(bars).mean()
    return float((away**power).mean() / (away**2).mean() ** (power / 2))


def on_balance(bars: BarArray) -> Floats:
    signed = np.sign(np.diff(bars[:, CLOSE])) * bars[1:, VOLUME]
    return np.concatenate([[0.0], np.cumsum(signed)])


def money_flow_index(bars: BarArray) -> float:
    change, flow = np.diff(typicals(bars)), (typicals(bars) * bars[:, VOLUME])[1:]
    return float(100 * flow[change > 0].sum() / flow[change != 0].sum())


def commodity_channel(bars: BarArray) -> float:
    price = typicals(bars)
    return float((price[-1] - price.mean()) / (0.015 * abs(price - price.mean()).mean()))


def rsi(bars: BarArray) -> float:
    change = np.diff(bars[:, CLOSE])
    gain, loss = windowed_ema(change.clip(0), 1 / 14), windowed_ema((-change).clip(0), 1 / 14)
    return 100 - 100 / (1 + gain / loss)


def macd(bars: BarArray) -> tuple[float, float]:
    """Line and signal over the close, by polars: adjusted weights are those of the bars there are."""
    close = pl.Series(bars[:, CLOSE])
    line = close.ewm_mean(span=12, adjust=True) - close.ewm_mean(span=26, adjust=True)
    return line[-1] / close[-1], line.ewm_mean(span=9, adjust=True)[-1] / close[-1]


def yang_zhang(bars: BarArray) -> float:
    gap = np.log(bars[1:, OPEN] / bars[:-1, CLOSE])
    opening, high, low, close = bars[1:, :4].T
    up, down, body = np.log(high / opening), np.log(low / opening), np.log(close / opening)
    rogers_satchell = (up * (up - body) + down * (down - body)).mean()
    count = len(gap)
    k = 0.34 / (1.34 + (count + 1) / (count - 1))
    return math.sqrt(gap.var(ddof=1) + k * body.var(ddof=1) + (1 - k) * rogers_satchell)


def garman_klass(bars: BarArray) -> float:
    ranges, bodies = np.log(bars[:, HIGH] / bars[:, LOW]), np.log(bars[:, CLOSE] / bars[:, OPEN])
    return math.sqrt((0.5 * ranges**2 - (2 * math.log(2) - 1) * bodies**2).mean())


def adx(bars: BarArray) -> float:
    up, down = np.diff(bars[:, HIGH]), -np.diff(bars[:, LOW])
    plus, minus = np.where((up > down) & (up > 0), up, 0), np.where((down > up) & (down > 0), down, 0)
    spans = [slice(0, end) for end in range(1, len(up) + 1)]
    averages = [(windowed_ema(plus[s], 1 / 14), windowed_ema(minus[s], 1 / 14)) for s in spans]
    strengths = [abs(p - m) / (p + m) if p + m else 0.0 for p, m in averages]
    return 100 * windowed_ema(np.array(strengths), 1 / 14)


def aroon(bars: BarArray) -> float:
    newest_first = bars[::-1]
    return 4.0 * float(newest_first[:, LOW].argmin() - newest_first[:, HIGH].argmax())


def control_gap(bars: BarArray) -> float:
    low, high = bars[:, LOW].min(), bars[:, HIGH].max()
    volumes, edges = np.histogram(typicals(bars), bins=24, range=(low, high), weights=bars[:, VOLUME])
    peak = volumes.argmax()
    return math.log(bars[-1, CLOSE] / (0.5 * (edges[peak] + edges[peak + 1])))


def fit(values: Sequence[float] | Floats) -> float:
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])


# Each takes the (K, 5) bars that the feature may see, K its declared lookback.
FORMULAS: dict[str, Callable[[BarArray], float]] = {
    "log_return_5": lambda b: math.log(b[-1, CLOSE]) - math.log(b[0, CLOSE]),
    "momentum_52_4": lambda b: math.log(b[-5, CLOSE] / b[0, CLOSE]),
    "opening_gap": lambda b: math.log(b[1, OPEN] / b[0, CLOSE]),
    "bar_return": lambda b: math.log(b[0, CLOSE] / b[0, OPEN]),
    "close_location": lambda b: locations(b)[0],
    "upper_shadow": lambda b: (b[0, HIGH] - b[0, [OPEN, CLOSE]].max()) / (b[0, HIGH] - b[0, LOW]),
    "lower_shadow": lambda b: (b[0, [OPEN, CLOSE]].min() - b[0, LOW]) / (b[0, HIGH] - b[0, LOW]),
    "up_share_10": lambda b: (returns(b) > 0).mean(),
    "largest_return_20": lambda b: returns(b).max(),
    "return_over_risk_12": lambda b: math.sqrt(12) * returns(b).mean() / returns(b).std(ddof=1),
    "skewness_26": lambda b: moment(b, 3),
    "kurtosis_26": lambda b: moment(b, 4) - 3,
    "acceleration_5": lambda b: returns(b)[5:].sum() - returns(b)[:5].sum(),
    "realised_volatility_24": lambda b: pl.Series(returns(b)).std(),  # type: ignore[dict-item, return-value]
    "downside_volatility_20": lambda b: math.sqrt((returns(b).clip(max=0) ** 2).mean()),
    "volatility_ratio_5_20": lambda b: math.log(returns(b)[-5:].std(ddof=1) / returns(b).std(ddof=1)),
    "ewma_volatility": lambda b: math.sqrt(windowed_ema(returns(b) ** 2, 0.06)),
    "bar_range": lambda b: math.log(b[0, HIGH] / b[0, LOW]),
    "parkinson_20": lambda b: math.sqrt((np.log(b[:, HIGH] / b[:, LOW]) ** 2).mean() / (4 * math.log(2))),
    "garman_klass_12": garman_klass,
    "yang_zhang_12": yang_zhang,
    "atr_14": lambda b: windowed_ema(true_ranges(b), 1 / 14) / b[-1, CLOSE],
    "bbw_20": lambda b: 4 * b[:, CLOSE].std() / b[:, CLOSE].mean(),
    "percent_b_20": lambda b: (b[-1, CLOSE] - b[:, CLOSE].mean() + 2 * b[:, CLOSE].std()) / (4 * b[:, CLOSE].std()),
    "relative_volume_24": lambda b: math.log(1 + b[-1, VOLUME] / b[:, VOLUME].mean()),
    "vol_strength_5d": lambda b: b[-5:, VOLUME].mean() / b[:, VOLUME].mean(),
    "vol_ratio_5d": lambda b: b[-1, VOLUME] / b[:-1, VOLUME].mean(),
    "accum_score_5d": lambda b: 50 + 50 * np.average(locations(b), weights=b[:, VOLUME]),
    "volume_score_20": lambda b: (b[-1, VOLUME] - b[:, VOLUME].mean()) / b[:, VOLUME].std(ddof=1),
    "volume_slope_12": lambda b: fit(b[:, VOLUME]) / b[:, VOLUME].mean(),
    "cmf_20": lambda b: np.average(locations(b), weights=b[:, VOLUME]),
    "mfi_14": money_flow_index,
    "up_volume_share_12": lambda b: b[1:, VOLUME][returns(b) > 0].sum() / b[1:, VOLUME][returns(b) != 0].sum(),
    "obv_trend": lambda b: fit(on_balance(b)) / b[:, VOLUME].mean(),
    "obv_trend_20": lambda b: fit(on_balance(b)) / b[:, VOLUME].mean(),
    "vwap_gap_24": lambda b: math.log(b[-1, CLOSE] / np.average(typicals(b), weights=b[:, VOLUME])),
    "illiquidity_20": lambda b: math.log1p(
        1e6 * abs(returns(b)).mean() / (b[1:, CLOSE] * b[1:, VOLUME]).mean(),
    ),
    "price_volume_correlation_20": lambda b: np.corrcoef(b[:, CLOSE], b[:, VOLUME])[0, 1],
    "volume_above_48": lambda b: b[typicals(b) > b[-1, CLOSE], VOLUME].sum() / b[:, VOLUME].sum(),
    "control_gap_48": control_gap,
    "return_x_volume_20": lambda b: returns(b)[-1] * b[-1, VOLUME] / b[:, VOLUME].mean(),
    "rsi_14": rsi,
    "rsi_14_in_60": rsi,
    "macd": lambda b: macd(b)[0],
    "macd_signal": lambda b: macd(b)[1],
    "macd_histogram_in_60": lambda b: macd(b)[0] - macd(b)[1],
    "stochastic_14": lambda b: 100 * (b[-1, CLOSE] - b[:, LOW].min()) / (b[:, HIGH].max() - b[:, LOW].min()),
    "cci_20": commodity_channel,
    "gap_to_high_252": lambda b: math.log(b[-1, CLOSE] / b[:, HIGH].max()),
    "gap_to_low_52": lambda b: math.log(b[-1, CLOSE] / b[:, LOW].min()),
    "sma_gap_50": lambda b: math.log(b[-1, CLOSE] / b[:, CLOSE].mean()),
    "ema_gap_20": lambda b: math.log(b[-1, CLOSE] / windowed_ema(b[:, CLOSE], 2 / 21)),
    "sma_cross_10_40": lambda b: math.log(b[-10:, CLOSE].mean() / b[:, CLOSE].mean()),
    "trend_slope_20": lambda b: fit(b[:, CLOSE]) / b[-1, CLOSE],
    "trend_fit_26": lambda b: np.corrcoef(np.arange(26), b[:, CLOSE])[0, 1] ** 2,
    "efficiency_30": lambda b: abs(b[-1, CLOSE] - b[0, CLOSE]) / abs(np.diff(b[:, CLOSE])).sum(),
    "adx_14": adx,
    "aroon_25": aroon,
    "drawdown_60": lambda b: math.log(b[-1, CLOSE] / b[:, CLOSE].max()),
    "share_above_average_60": lambda b: (b[:, CLOSE] > b[:, CLOSE].mean()).mean(),
    "shock_share_60": lambda b: (abs(returns(b) - returns(b).mean()) > 2 * returns(b).std(ddof=1)).mean(),
    "shock_rank_60": lambda b: (abs(returns(b)[:-1]) < abs(returns(b)[-1])).mean(),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_feature_agrees_with_its_formula(name: str, bars: BarArray):
    computed = feature(name, bars)
    for end in range(400, 1_500, 100):
        expected = FORMULAS[name](bars[end - FEATURES[name].lookback : end])
        assert computed[end - 1] == pytest.approx(expected, rel=1e-8, abs=1e-10), f"at bar {end - 1}"


def endless(values: Floats, alpha: float) -> Floats:
    """TA-Lib's average: begun with the first value, never ending."""
    averages = [values[0]]
    for number in values[1:]:
        averages.append(averages[-1] + alpha * (number - averages[-1]))
    return np.array(averages)


@pytest.mark.parametrize(("name", "span"), [("ema_gap_20", 20), ("ema_gap_9_in_60", 9)])
def test_a_windowed_average_differs_from_the_endless_by_less_than_the_weight_left_out(
    name: str, span: int, bars: BarArray
):
    close, lookback = bars[:, CLOSE], FEATURES[name].lookback
    difference = abs(close * np.exp(-feature(name, bars)) - endless(close, 2 / (span + 1)))[600:]
    spread = close.max() - close.min()
    assert (difference <= (1 - 2 / (span + 1)) ** lookback * spread + 1e-12 * close.max()).all()


def test_windowed_indicators_stay_near_the_endless_ones_of_ta_lib(bars: BarArray):
    """256 bars leave out a weight of 6e-9 (Wilder, 14) and 3e-9 (span 26); 60 bars 1.2 % and 1 %."""
    close = bars[:, CLOSE]
    gain, loss = endless(np.diff(close).clip(0), 1 / 14), endless((-np.diff(close)).clip(0), 1 / 14)
    strength = np.concatenate([[np.nan], 100 * gain / (gain + loss)])
    line = endless(close, 2 / 13) - endless(close, 2 / 27)
    ranges = np.concatenate([[np.nan], endless(true_ranges(bars), 1 / 14)])
    for name, expected, within in (
        ("rsi_14", strength, 1e-5),
        ("rsi_14_in_60", strength, 1.5),
        ("macd", line / close, 1e-8),
        ("macd_in_60", line / close, 5e-3),
        ("macd_signal", endless(line, 0.2) / close, 1e-7),
        ("macd_histogram", (line - endless(line, 0.2)) / close, 1e-7),
        ("atr_14", ranges / close, 1e-7),
    ):
        assert abs(feature(name, bars) - expected)[600:].max() <= within, name


def test_flat_and_idle_bars_have_the_stated_values(generated: Book):
    names = ("rsi_14", "stochastic_14", "percent_b_20", "bbw_20", "cci_20", "adx_14", "mfi_14", "accum_score_5d")
    flat_and_idle = generated.bars_NT5[2:3]
    values = FeatureSet([*names, "vol_ratio_5d", "relative_volume_24"]).rows(flat_and_idle, 1)[0, 0]
    assert values.tolist() == [50, 50, 0.5, 0, 0, 0, 50, 50, 1, 0]


def test_streaks_and_counts_are_what_they_say():
    close = np.array([5.0, 5, 4, 5, 6, 7, 7, 6, 5, 4, 3, 4] + [4.0] * 20)
    bars_T5 = bars_around(close, np.arange(32.0) % 6, 0, wick=0.0)
    assert feature("streak_10", bars_T5)[10:14].tolist() == [-4, 1, 0, 0]
    assert feature("consec_vol_up", bars_T5)[11:16].tolist() == [5, 0, 1, 2, 3]
    assert feature("idle_share_30", bars_T5)[29] == pytest.approx(5 / 30)
