"""Which symbols moved is said, of a statistic and of groups; how many predictions make an observation, too."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from builders import a_manifest
from watched import reference_of, said

from core.outputs import Attention
from core.prediction import Message, Prediction
from core.reference import Reference, arrays, read
from daemon.watching.watch import Watch

MANIFEST = a_manifest(attentions=(Attention("attention", ("head", "time")),))
SYMBOLS = "ABCDEF"
FIRST = MANIFEST.inputs[0].features[0]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Symbols whose first feature differs from one to the next, as in the bundle that carries it."""
    made = reference_of(MANIFEST, spread(said(24 * 30, symbols=SYMBOLS, heads=3)))
    again = read(arrays(made))
    assert again is not None
    return again


def spread(closes: list[list[Message]]) -> list[list[Message]]:
    """The first feature of each symbol lies by its letter's place higher."""
    return [[changed(one, lambda row, at=at: row[:1] + 3 * at) for at, one in enumerate(close)] for close in closes]


def changed(message: Message, change: Callable[[np.ndarray], np.ndarray]) -> Message:
    row = np.frombuffer(message.prediction.newest, "<f4").copy()
    row[:1] = change(row)
    return msgspec.structs.replace(
        message, prediction=msgspec.structs.replace(message.prediction, newest=row.tobytes())
    )


def watched(reference: Reference, moved: str, groups: dict[str, tuple[str, ...]] | None = None) -> Watch:
    """Ten days; from the sixth on the first feature of these symbols lies five spreads higher."""
    closes = spread(said(24 * 10, seed=5, symbols=SYMBOLS, heads=3))
    told: list[Prediction] = []
    for number, close in enumerate(closes):
        for one in close:
            moves = number >= 24 * 6 and one.prediction.symbol in moved
            told.append((changed(one, lambda row: row[:1] + 5) if moves else one).prediction)
    watch = Watch(MANIFEST, reference, groups=groups)
    watch.take(told)
    return watch


@pytest.mark.parametrize("moved", ["D", "BE", SYMBOLS])
def test_the_symbols_that_moved_are_named_and_how_many_went_that_way(reference: Reference, moved: str):
    drift = watched(reference, moved).drift
    assert drift is not None
    assert drift.moved()[0].name == FIRST
    who = drift.shifts.who(FIRST)
    assert who is not None
    assert set(who.symbols) <= set(moved)
    assert len(who.symbols) == min(len(moved), 3)
    assert who.share == pytest.approx(len(moved) / len(SYMBOLS))
    assert f"most {who.symbols[0]}" in drift.described()[0]


def test_the_shift_of_a_group_is_told_beside_that_of_others(reference: Reference):
    drift = watched(reference, "BE", {"both": ("B", "E"), "others": ("A", "C", "D", "F"), "gone": ("Z",)}).drift
    assert drift is not None
    told = drift.shifts.of_groups()
    assert told["both", "input"] == pytest.approx(5, rel=0.2)
    assert told["others", "input"] < 1
    assert {name for name, _ in told} == {"both", "others"}


def test_a_reference_that_knows_no_symbols_names_none(reference: Reference):
    drift = watched(msgspec.structs.replace(reference, usual=None), "D", {"both": ("B", "E")}).drift
    assert drift is not None
    assert drift.shifts.who(FIRST) is None
    assert drift.shifts.of_groups() == {}
    assert "most" not in drift.described()[0]


def test_limits_for_means_of_other_numbers_of_predictions_say_so(reference: Reference):
    assert watched(reference, "D").drift.unlike == ""  # type: ignore[union-attr]
    few = Watch(MANIFEST, reference)
    few.take(one.prediction for close in said(10, seed=5, symbols="AB", heads=3) for one in close)
    assert few.drift is not None
    assert few.drift.unlike.startswith("an observation is a mean of 2 predictions here, and of 6 in the reference: wil")
