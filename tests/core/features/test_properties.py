"""What holds of every feature. Each property takes a feature, so that planted mutants can be seen to break it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from books import Book, bars_around
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarArray
from core.features import FEATURES, SETS, Feature, FeatureSet
from core.features.kernel import ROWS, Floats, Kernel, Together, _prepare, value

NEWEST = 12
"""How many of the newest bars each property looks at."""

each = pytest.mark.parametrize("feature", FEATURES.values(), ids=lambda feature: feature.name)


def run(feature: Feature, book: Book, rows: int = 1) -> Floats:
    """(N, rows): the feature at the newest bars."""
    log_returns = feature.lookback - 1 if feature.log_returns else 0
    return Kernel([feature.value], [feature.parameters], log_returns)(book.bars_NT5, rows, book.opened_at_ms_NT)[..., 0]


def cut(book: Book, first: int, last: int) -> Book:
    return Book(book.bars_NT5[:, first:last], book.opened_at_ms_NT[:, first:last])


def assert_same_bits(left: Floats, right: Floats) -> None:
    differing = np.flatnonzero(left.ravel().view(np.int64) != np.ascontiguousarray(right).ravel().view(np.int64))
    assert not len(differing), f"{len(differing)} of {left.size} values differ, the first at {differing[0]}"


def same_bits_from_the_last_k_bars(feature: Feature, book: Book) -> None:
    """Its value in a whole history is its value from the last `lookback` bars alone, bit for bit."""
    length = book.bars_NT5.shape[1]
    whole_NR = run(feature, book, NEWEST)
    for row in range(NEWEST):
        end = length - NEWEST + row + 1
        assert_same_bits(whole_NR[:, row : row + 1].copy(), run(feature, cut(book, end - feature.lookback, end)))


def same_bits_in_any_batch(feature: Feature, book: Book) -> None:
    """Alone, in two parts or in another order: a symbol's values do not depend on which symbols are beside it."""
    count = len(book.bars_NT5)
    together = run(feature, book, NEWEST)
    for split in (1, count // 2, count - 1):
        parts = [
            run(feature, Book(book.bars_NT5[chosen], book.opened_at_ms_NT[chosen]), NEWEST)
            for chosen in (slice(0, split), slice(split, count))
        ]
        assert_same_bits(together, np.concatenate(parts))
    backwards = run(feature, Book(book.bars_NT5[::-1], book.opened_at_ms_NT[::-1]), NEWEST)
    assert_same_bits(together, backwards[::-1])


def forgets_what_is_older(feature: Feature, book: Book) -> None:
    """Another history before the last `lookback` bars, even an absurd one, changes nothing."""
    older = book.bars_NT5.shape[1] - feature.lookback
    for absurd in (np.nan, 1e300, -1.0):
        other = Book(book.bars_NT5.copy(), book.opened_at_ms_NT.copy())
        other.bars_NT5[:, :older] = absurd
        other.opened_at_ms_NT[:, :older] = 0
        assert_same_bits(run(feature, book), run(feature, other))


def needs_its_oldest_bar(feature: Feature, book: Book) -> None:
    """Some change of the bar `lookback` - 1 back can be seen: the declared lookback is not too large."""
    oldest = book.bars_NT5.shape[1] - feature.lookback
    now = run(feature, book).view(np.int64)
    every, falling = (OPEN, HIGH, LOW, CLOSE, VOLUME), (OPEN, LOW, CLOSE, VOLUME)
    for columns, factor in ((every, 3.0), (falling, 0.3), ((VOLUME,), 9.0), ((VOLUME,), 0.0)):
        other = Book(book.bars_NT5.copy(), book.opened_at_ms_NT.copy())
        for column in columns:
            other.bars_NT5[:, oldest, column] *= factor
        other.opened_at_ms_NT[:, oldest] += 5 * 3_600_000
        if (run(feature, other).view(np.int64) != now).any():
            return
    raise AssertionError(f"{feature.name} declares {feature.lookback} bars and does not see the oldest of them")


def never_looks_ahead(feature: Feature, book: Book) -> None:
    """Whatever comes after a bar, the value at that bar stays."""
    later = book.bars_NT5.shape[1] - NEWEST // 2
    for factor in (0.5, 3.0, np.nan):
        other = Book(book.bars_NT5.copy(), book.opened_at_ms_NT.copy())
        other.bars_NT5[:, later:] *= factor
        other.opened_at_ms_NT[:, later:] += 7_654_321
        present = slice(0, NEWEST - NEWEST // 2)
        assert_same_bits(run(feature, book, NEWEST)[:, present].copy(), run(feature, other, NEWEST)[:, present])


def is_finite(feature: Feature, book: Book) -> None:
    """Consistent bars give a finite number, however flat, idle or wild they are."""
    values = run(feature, book, NEWEST)
    assert np.isfinite(values).all(), f"{feature.name} gives {values[~np.isfinite(values)]}"


def same_bits_in_plain_python(feature: Feature, book: Book) -> None:
    """Compiling changes no bit: nothing is added in another order. Nor do log returns that it says it does not read."""
    function = feature.value.compiled if isinstance(feature.value, Together) else feature.value
    plain = getattr(function, "py_func", function)
    for bars_T5, opened_at_ms_T, expected in zip(
        book.bars_NT5, book.opened_at_ms_NT, run(feature, book)[:, 0], strict=True
    ):
        series_7T = np.full((ROWS, len(bars_T5)), np.nan)
        _prepare(np.ascontiguousarray(bars_T5), 0, opened_at_ms_T, len(bars_T5), series_7T)
        parameters, found = np.array([*feature.parameters, 0.0]), np.empty(1)
        if isinstance(feature.value, Together):
            plain(series_7T[:5, :, None].copy(), parameters, found)
        else:
            found[0] = plain(series_7T, len(bars_T5) - 1, parameters)
        assert_same_bits(found, np.array([expected]))


@each
def test_a_feature_has_the_same_bits_from_its_lookback_alone(feature: Feature, book: Book):
    same_bits_from_the_last_k_bars(feature, book)


@each
def test_a_feature_has_the_same_bits_however_the_batch_is_cut(feature: Feature, book: Book):
    same_bits_in_any_batch(feature, book)


@each
def test_a_feature_forgets_what_is_older_than_its_lookback(feature: Feature, book: Book):
    forgets_what_is_older(feature, book)


@each
def test_a_feature_needs_all_of_its_lookback(feature: Feature, generated: Book):
    needs_its_oldest_bar(feature, generated)


@each
def test_a_feature_never_looks_ahead(feature: Feature, book: Book):
    never_looks_ahead(feature, book)


@each
def test_a_feature_is_finite_for_consistent_bars(feature: Feature, book: Book):
    is_finite(feature, book)


@each
def test_a_feature_has_the_same_bits_in_plain_python(feature: Feature, generated: Book):
    same_bits_in_plain_python(feature, generated)


def test_all_features_in_plain_python_have_the_bits_of_the_compiled(generated: Book, tmp_path: Path):
    """With NUMBA_DISABLE_JIT the parts and the driver are plain Python too."""
    np.savez(tmp_path / "in.npz", bars=generated.bars_NT5, times=generated.opened_at_ms_NT)
    script = (
        "import sys, numpy as np; from core.features import FEATURES, FeatureSet\n"
        "assert not any(hasattr(feature.value, 'py_func') for feature in FEATURES.values())\n"
        "given = np.load(sys.argv[1]); every = FeatureSet(list(FEATURES))\n"
        "np.save(sys.argv[2], every.rows(given['bars'], 1, given['times']))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "in.npz"), str(tmp_path / "out.npy")]
    house = Path(__file__).resolve().parents[3]
    subprocess.run(command, check=True, cwd=house, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, timeout=250)
    compiled = FeatureSet(list(FEATURES)).rows(generated.bars_NT5, 1, generated.opened_at_ms_NT)
    assert_same_bits(compiled, np.load(tmp_path / "out.npy"))


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_the_same_bits_live_and_offline_on_any_number_of_threads(name: str, book: Book):
    """Offline: whole histories. Live: the newest row of all symbols, bar by bar, in as many threads as parts."""
    features = FeatureSet.named(name)
    bars_NT5, opened_at_ms_NT = book.bars_NT5, book.opened_at_ms_NT
    offline = np.stack([features.history(*pair) for pair in zip(bars_NT5, opened_at_ms_NT, strict=True)])
    steps = range(features.lookback, bars_NT5.shape[1] + 1)

    def newest(end: int) -> Floats:
        live = cut(book, end - features.lookback, end)
        return features.rows(live.bars_NT5, 1, live.opened_at_ms_NT)[:, 0]

    with ThreadPoolExecutor(4) as threads:
        live = np.stack(list(threads.map(newest, steps)), axis=1)
    assert np.isnan(offline[:, : features.lookback - 1]).all()
    assert_same_bits(np.ascontiguousarray(offline[:, features.lookback - 1 :]), live)


EVERY = list(FEATURES)


@st.composite
def consistent_bars(draw: st.DrawFn) -> BarArray:
    """(260, 5): a market drawn by its price level, its calm, its stillness and its trade."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level, risk = 10.0 ** draw(st.integers(-11, 11)), draw(st.sampled_from([0.0, 1e-15, 1e-9, 1e-4, 0.02, 0.5]))
    moves = random.normal(0, risk, 260) * (random.random(260) >= draw(st.sampled_from([0.0, 0.5, 0.99])))
    close = level * np.exp(np.clip(np.cumsum(moves), -12, 12))
    traded = random.random(260) >= draw(st.sampled_from([0.0, 0.5, 0.99, 1.0]))
    volume = 10.0 ** draw(st.integers(-12, 12)) * random.lognormal(0, draw(st.sampled_from([0.0, 1.0, 3.0])), 260)
    return bars_around(close, volume * traded, draw(st.integers(0, 9)), draw(st.sampled_from([0.0, 1e-12, 0.01, 0.9])))


@settings(max_examples=60)
@given(consistent_bars())
def test_every_feature_is_finite_and_has_the_same_bits_for_any_consistent_bars(bars_T5: BarArray):
    every = FeatureSet(EVERY)
    times_NT = 3_600_000 * np.arange(len(bars_T5))[None]
    whole = every.rows(bars_T5[None], 5, times_NT)[0]
    assert np.isfinite(whole).all(), np.array(EVERY)[~np.isfinite(whole).all(0)]
    for row in range(5):
        last = slice(row - 4 - every.lookback, row - 4 or None)
        assert_same_bits(whole[row].copy(), every.rows(bars_T5[None, last], 1, times_NT[:, last])[0, 0])


def a_feature(function: object, lookback: int) -> Feature:
    return Feature("planted", value(function), (24,), lookback, "", "")  # type: ignore[arg-type]


def test_a_feature_that_reads_the_next_bar_is_caught(generated: Book):
    def ahead(series: Floats, end: int, parameters: Floats) -> float:
        return series[CLOSE, min(end + 1, series.shape[1] - 1)] / series[CLOSE, end] + parameters[0]

    with pytest.raises(AssertionError, match="values differ"):
        never_looks_ahead(a_feature(ahead, 1), generated)
    with pytest.raises(AssertionError, match="values differ"):
        same_bits_from_the_last_k_bars(a_feature(ahead, 1), generated)


def momentum(series: Floats, end: int, parameters: Floats) -> float:
    return series[CLOSE, end] - series[CLOSE, end - int(parameters[0])]


def test_a_feature_whose_lookback_is_too_small_is_caught(generated: Book):
    forgets_what_is_older(a_feature(momentum, 25), generated)
    with pytest.raises(AssertionError, match="values differ"):
        forgets_what_is_older(a_feature(momentum, 24), generated)


def test_a_feature_whose_lookback_is_too_large_is_caught(generated: Book):
    needs_its_oldest_bar(a_feature(momentum, 25), generated)
    with pytest.raises(AssertionError, match="does not see the oldest"):
        needs_its_oldest_bar(a_feature(momentum, 26), generated)


def test_a_feature_that_sums_with_numpy_is_caught(generated: Book):
    def summed(series: Floats, end: int, parameters: Floats) -> float:
        return np.sum(series[CLOSE, end - int(parameters[0]) + 1 : end + 1])

    with pytest.raises(AssertionError, match="values differ"):
        same_bits_in_plain_python(a_feature(summed, 24), generated)


def test_a_feature_that_takes_the_difference_of_running_sums_is_caught(generated: Book):
    def running(series: Floats, end: int, parameters: Floats) -> float:
        return np.sum(series[CLOSE, : end + 1]) - np.sum(series[CLOSE, : end - int(parameters[0]) + 1])

    with pytest.raises(AssertionError, match="values differ"):
        same_bits_from_the_last_k_bars(a_feature(running, 24), generated)
    with pytest.raises(AssertionError, match="values differ"):
        forgets_what_is_older(a_feature(running, 24), generated)


def test_a_feature_that_divides_by_a_flat_range_is_caught(generated: Book):
    def unguarded(series: Floats, end: int, parameters: Floats) -> float:
        return (series[CLOSE, end] - series[LOW, end]) / (series[HIGH, end] - series[LOW, end]) + parameters[0]

    with pytest.raises(AssertionError, match="nan"):
        is_finite(a_feature(unguarded, 1), generated)
