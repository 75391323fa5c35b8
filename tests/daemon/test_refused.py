"""A bundle that is not what it should be: refused with a message of its own, at start and at reload alike."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from bundles import a_bundle, golden_with, rewritten

from core import bundle as bundles
from core.bundle import GOLDEN, MANIFEST, SCHEMA, Bundle
from core.errors import BundleError, GazeError
from daemon.app import serve
from daemon.config import BundleConfig, Config, FeedConfig, HttpConfig, StoreConfig
from daemon.engines import open_engine
from daemon.engines.proof import stream_of
from daemon.models import LIVE, promote
from daemon.reloading import Loaded, Reloader, load


def schema(folder: Path, number: int) -> None:
    path = folder / MANIFEST
    told = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(told | {"schema": number}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def other_golden(folder: Path) -> None:
    def spoil(arrays: dict[str, np.ndarray]) -> None:
        arrays["output.return_1"] *= np.float32(1.01)

    made = bundles.read(folder)
    rewritten(made, folder, GOLDEN, golden_with(made, spoil))


def other_interval(folder: Path) -> None:
    made = bundles.read(folder)
    rewritten(made, folder, "model.onnx", bytes, interval="7m")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "tampered": (lambda at: (at / "model.onnx").write_bytes(b"another"), r"model\.onnx was changed: its sha256 is"),
    "truncated": (lambda at: cut(at / MANIFEST), r"manifest\.json is not JSON"),
    "cut short": (lambda at: cut(at / GOLDEN), r"golden\.npz was changed"),
    "older schema": (lambda at: schema(at, SCHEMA - 1), "try: export it again with this gaze"),
    "newer schema": (lambda at: schema(at, SCHEMA + 1), "try: use a newer gaze"),
    "wrong golden outputs": (other_golden, r"does not reproduce its golden values: 'return_1' is off by 0\.0"),
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model folder in which version 1 serves; 2 is a copy to be spoilt."""
    first = a_bundle(tmp_path / "demo" / "1")
    shutil.copytree(first.folder, tmp_path / "demo" / "2")
    promote(tmp_path / "demo", "1")
    return tmp_path / "demo"


def a_config(path: Path, state: Path) -> Config:
    return Config(
        BundleConfig(str(path), engine="onnxruntime"),
        FeedConfig(("BTCUSDT",)),
        store=StoreConfig(directory=str(state)),
        http=HttpConfig(port=0),
    )


@pytest.mark.parametrize("damage", DAMAGES)
async def test_at_start_it_ends_with_status_78_and_says_why(models: Path, tmp_path: Path, damage: str):
    do, message = DAMAGES[damage]
    do(models / "2")
    with pytest.raises(BundleError, match=message) as refused:
        await serve(a_config(models / "2", tmp_path / "state"), lambda _: None)
    assert "try: " in str(refused.value)
    assert refused.value.exit_code == 78


async def test_at_start_an_interval_that_the_venue_does_not_have_ends_it_with_status_78(models: Path, tmp_path: Path):
    other_interval(models / "2")
    with pytest.raises(GazeError, match="7m") as refused:
        await serve(a_config(models / "2", tmp_path / "state"), lambda _: None)
    assert refused.value.exit_code == 78


class Asked:
    """What is asked, in turn."""

    def __init__(self, *commands: str) -> None:
        self._commands = list(commands)

    async def next(self) -> str:
        return self._commands.pop(0) if self._commands else ""


def running(bundle: Bundle) -> Loaded:
    engine = open_engine("onnxruntime", bundle)
    return Loaded(bundle, engine, stream_of("auto", engine, bundle)[0])


@pytest.mark.parametrize("damage", [*DAMAGES, "another interval"])
async def test_at_reload_it_is_counted_and_the_version_that_runs_goes_on(
    models: Path, damage: str, caplog: pytest.LogCaptureFixture
):
    do, message = DAMAGES.get(damage, (other_interval, "has other interval than the bundle that runs; try: restart"))
    do(models / "2")
    told: list[str] = []
    switched: list[Loaded] = []

    async def switch(loaded: Loaded, _: Callable[[str], None]) -> None:
        switched.append(loaded)

    reloader = Reloader(
        models,
        running(bundles.read(models / "1")),
        Asked("serve 2"),
        lambda folder, before: load(folder, "onnxruntime", "auto", before),
        switch,
        told.append,
    )
    await reloader.look()
    await reloader.look()
    assert (told, switched) == (["refused"], [])
    assert (models / LIVE).read_text() == "1\n"
    (record,) = [one for one in caplog.records if one.message == "not switched, the bundle that ran goes on"]
    assert re.search(message, vars(record)["why"])


def test_every_message_is_another():
    assert len({message for _, message in DAMAGES.values()}) == len(DAMAGES)
