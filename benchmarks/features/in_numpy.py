"""stock_41 as numpy computes it."""

import numpy as np
import numpy.typing as npt

from core.bars import BarArray

Floats = npt.NDArray[np.float64]


def slope_weights(count: int) -> list[float]:
    """Weights whose sum over the last `count` values is the slope of the line through them."""
    away = np.arange(count) - 0.5 * (count - 1)
    return list(away / (away**2).sum())


def numpy_newest(bars_NT5: BarArray) -> Floats:
    """(N, T, 5) -> (N, 41), whole columns of symbols at once."""
    opened, high, low, close, volume = (np.ascontiguousarray(bars_NT5[..., column]) for column in range(5))
    logs = np.log(close[:, -62:])
    returns, change = np.diff(logs, axis=1), np.diff(close, axis=1)
    now, typical = close[:, -1], (high[:, -20:] + low[:, -20:] + close[:, -20:]) / 3
    location = (2 * close - high - low)[:, -20:] / (high - low)[:, -20:]
    wilder, length = (13 / 14) ** np.arange(close.shape[1] - 1)[::-1], close.shape[1]
    gain, loss = change.clip(0) @ wilder, (-change).clip(0) @ wilder
    ranges = np.maximum(high[:, 1:], close[:, :-1]) - np.minimum(low[:, 1:], close[:, :-1])
    up, down = np.diff(high, axis=1), -np.diff(low, axis=1)
    plus, minus = np.where((up > down) & (up > 0), up, 0), np.where((down > up) & (down > 0), down, 0)
    lines, strengths = np.empty_like(close), np.empty_like(change)
    fast, slow = close[:, 0].copy(), close[:, 0].copy()
    risen, fallen = np.zeros(len(close)), np.zeros(len(close))
    for step in range(length):
        fast += (close[:, step] - fast) * 2 / 13
        slow += (close[:, step] - slow) * 2 / 27
        lines[:, step] = fast - slow
    for step in range(length - 1):
        risen = risen * 13 / 14 + plus[:, step]
        fallen = fallen * 13 / 14 + minus[:, step]
        strengths[:, step] = abs(risen - fallen) / np.maximum(risen + fallen, 1e-12)
    signal = lines @ (0.8 ** np.arange(length)[::-1]) * 0.2
    mean20, deviation20 = close[:, -20:].mean(1), close[:, -20:].std(1)
    balance = np.cumsum(np.sign(change[:, -20:]) * volume[:, -20:], axis=1)
    moved, flow = np.diff(typical, axis=1)[:, -14:], (typical * volume[:, -20:])[:, -14:]
    stochastics = [
        (close[:, end - 1] - low[:, end - 14 : end].min(1))
        / (high[:, end - 14 : end].max(1) - low[:, end - 14 : end].min(1))
        for end in (length - 2, length - 1, length)
    ]
    away = returns[:, -20:] - returns[:, -20:].mean(1, keepdims=True)
    close_away = close[:, -20:] - mean20[:, None]
    volume_away = volume[:, -20:] - volume[:, -20:].mean(1, keepdims=True)
    weights = np.array(slope_weights(20))
    columns = [logs[:, -1] - logs[:, -1 - count] for count in (1, 2, 3, 5, 10, 20, 60)]
    columns += [
        logs[:, -1] - 2 * logs[:, -6] + logs[:, -11],
        np.log(opened[:, -1] / close[:, -2]),
        np.log(now / opened[:, -1]),
        location[:, -1],
        (change[:, -10:] > 0).mean(1),
        returns[:, -20:].max(1),
        (away**3).mean(1) / (away**2).mean(1) ** 1.5,
        *(returns[:, -count:].std(1, ddof=1) for count in (5, 20, 60)),
        np.log(returns[:, -5:].std(1, ddof=1) / returns[:, -20:].std(1, ddof=1)),
        np.sqrt((returns[:, -20:].clip(max=0) ** 2).mean(1)),
        np.sqrt((np.log(high[:, -20:] / low[:, -20:]) ** 2).mean(1) / (4 * np.log(2))),
        ranges @ wilder / wilder.sum() / now,
        4 * deviation20 / mean20,
        0.5 + (now - mean20) / (4 * deviation20),
        np.log1p(volume[:, -1] / volume[:, -20:].mean(1)),
        volume[:, -5:].mean(1) / volume[:, -60:].mean(1),
        volume_away[:, -1] / volume[:, -20:].std(1, ddof=1),
        balance @ weights / volume[:, -20:].mean(1),
        (location * volume[:, -20:]).sum(1) / volume[:, -20:].sum(1),
        100 * np.where(moved > 0, flow, 0).sum(1) / flow.sum(1),
        np.log1p(1e6 * abs(returns[:, -20:]).mean(1) / (close[:, -20:] * volume[:, -20:]).mean(1)),
        (close_away * volume_away).sum(1) / np.sqrt((close_away**2).sum(1) * (volume_away**2).sum(1)),
        100 * gain / (gain + loss),
        lines[:, -1] / now,
        (lines[:, -1] - signal) / now,
        100 * sum(stochastics) / 3,
        np.log(now / mean20),
        np.log(now / close[:, -50:].mean(1)),
        np.log(mean20 / close[:, -50:].mean(1)),
        close[:, -20:] @ weights / now,
        100 * strengths @ wilder / wilder.sum(),
        np.log(now / high[:, -252:].max(1)),
    ]
    return np.stack(columns, axis=1)
