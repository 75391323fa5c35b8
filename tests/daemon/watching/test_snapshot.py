"""What a watch remembers comes back to the same bits, and is gone on from by nobody else."""

import msgspec
import numpy as np
import pytest
from builders import a_manifest
from watched import reference_of, said

from core.bands import Margin
from core.outputs import Attention
from core.prediction import Prediction
from daemon.watching import snapshot
from daemon.watching.snapshot import Place
from daemon.watching.watch import Watch

MANIFEST = a_manifest(
    attentions=(Attention("attention", ("head", "time")),), margins=(Margin("return_1", 0.9, 0.01, 50),)
)
REFERENCE = reference_of(MANIFEST, said(24 * 40, heads=2))
PLACE = Place("7-0", "1-0")


def a_watch(rate: float | None = None) -> Watch:
    return Watch(MANIFEST, REFERENCE, rate, profiles={"attention": np.full(4, 0.25)})


def predictions(closes: int = 24 * 6) -> list[Prediction]:
    return [message.prediction for close in said(closes, seed=5, heads=2) for message in close]


def all_of(watch: Watch) -> bytes:
    """Everything, as bytes: what is no number equals itself."""
    return snapshot.put_away(watch, "digest", PLACE)


@pytest.mark.parametrize("after", [0, 1, 2, 71, 200, 430])
def test_a_watch_goes_on_to_the_same_bits_wherever_it_was_interrupted(after: int):
    told = predictions()
    whole, first, second = a_watch(), a_watch(), a_watch()
    whole.take(told)
    first.take(told[:after])
    assert snapshot.go_on(second, snapshot.put_away(first, "digest", PLACE))
    assert all_of(second) == all_of(first)
    second.take(told[after:])
    assert all_of(second) == all_of(whole)
    assert (second.standing(), second.closes, second.late) == (whole.standing(), whole.closes, whole.late)


def test_what_was_put_away_says_whose_it_is():
    raw = snapshot.put_away(a_watch(), "digest", PLACE)
    about = snapshot.about(raw)
    assert about
    assert about.place == PLACE
    assert snapshot.fits(about, a_watch(), "digest")
    assert not snapshot.fits(about, a_watch(), "another bundle")
    assert not snapshot.fits(about, a_watch(rate=9.0), "digest")


@pytest.mark.parametrize("raw", [b"", b"nothing of ours", msgspec.msgpack.encode({"about": {"schema": 1}})])
def test_what_is_not_ours_is_nobodys(raw: bytes):
    assert snapshot.about(raw) is None
    assert not snapshot.fits(None, a_watch(), "digest")


def test_what_another_version_put_away_is_not_read(monkeypatch: pytest.MonkeyPatch):
    raw = snapshot.put_away(a_watch(), "digest", PLACE)
    monkeypatch.setattr(snapshot, "SCHEMA", snapshot.SCHEMA + 1)
    assert snapshot.about(raw) is None


def test_what_is_broken_leaves_the_watch_as_it_was():
    watch, told = a_watch(), predictions(30)
    watch.take(told)
    whole = msgspec.msgpack.decode(snapshot.put_away(watch, "digest", PLACE))
    whole["state"]["score"] = "gone"
    fresh = a_watch()
    assert not snapshot.go_on(fresh, msgspec.msgpack.encode(whole))
    assert all_of(fresh) == all_of(a_watch())
