"""Another version is opened, proven and warmed beside the loop, which is never held for it; only then does it serve."""

import asyncio
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import a_bundle, rewritten

from core.bundle import REFERENCE, Bundle
from daemon import reloading
from daemon.engines import OpenEngine, open_engine
from daemon.models import promote
from daemon.reloading import Loaded, Reloader, load

PATIENCE_S = 100.0


class Nothing:
    async def next(self) -> str:
        return ""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    first = a_bundle(tmp_path / "demo" / "1")
    rewritten(first, tmp_path / "demo" / "2", REFERENCE, lambda raw: raw, version="2")
    promote(tmp_path / "demo", "1")
    return tmp_path / "demo"


class Desk:
    """A reloader, and what it did in turn: each step with the thread it was done in."""

    def __init__(self, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, int]] = []
        self.told: list[str] = []
        self.served: list[Loaded] = []
        self.held = threading.Event()
        for name in ("prove", "warm"):
            monkeypatch.setattr(reloading, name, self._recorded(name, getattr(reloading, name)))
        bundle = reloading.bundles.read(models / "1")
        running = Loaded(bundle, open_engine("onnxruntime", bundle), None)
        self.reloader = Reloader(models, running, Nothing(), self._load, self._switch, self.told.append)

    def _recorded(self, name: str, step: Callable[[OpenEngine, Bundle], object]) -> Callable[..., object]:
        def recorded(engine: OpenEngine, bundle: Bundle) -> object:
            self.done.append((name, threading.get_ident()))
            return step(engine, bundle)

        return recorded

    def _load(self, folder: Path, running: Loaded) -> Loaded:
        # Set by the loop alone: were it held by this, nobody would.
        assert self.held.wait(PATIENCE_S)
        return load(folder, "onnxruntime", "full", running)

    async def _switch(self, loaded: Loaded, failed: Callable[[str], None]) -> None:
        self.done.append(("switch", threading.get_ident()))
        self.served.append(loaded)
        self.failed = failed


async def test_a_version_is_proven_and_warmed_in_another_thread_before_the_loop_switches_to_it(
    models: Path, monkeypatch: pytest.MonkeyPatch
):
    desk, loop_thread = Desk(models, monkeypatch), threading.get_ident()
    promote(models, "2")
    async with asyncio.timeout(PATIENCE_S):
        looking = asyncio.create_task(desk.reloader.look())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not looking.done()
        desk.held.set()
        await looking
    assert [name for name, _ in desk.done] == ["prove", "warm", "switch"]
    threads = dict(desk.done)
    assert threads["prove"] == threads["warm"] != loop_thread == threads["switch"]
    assert desk.told == ["switched"]
    assert desk.served[0].bundle.manifest.version == "2"


async def test_what_failed_after_the_switch_is_no_longer_what_live_names_and_may_be_asked_for_again(
    models: Path, monkeypatch: pytest.MonkeyPatch
):
    desk = Desk(models, monkeypatch)
    desk.held.set()
    promote(models, "2")
    await desk.reloader.look()
    desk.failed("it says what is no finite number")
    assert desk.told == ["switched", "rolled back"]
    assert (models / "live").read_text() == "1\n"
    await desk.reloader.look()
    assert len(desk.served) == 1
    promote(models, "2")
    await desk.reloader.look()
    assert desk.told == ["switched", "rolled back", "switched"]


async def test_a_version_whose_file_is_damaged_is_refused_and_live_names_the_one_that_runs(
    models: Path, monkeypatch: pytest.MonkeyPatch
):
    desk = Desk(models, monkeypatch)
    desk.held.set()
    shutil.copytree(models / "2", models / "3")
    (models / "3" / "model.onnx").write_bytes(b"damaged")
    promote(models, "3")
    await desk.reloader.look()
    assert desk.told == ["refused"]
    assert desk.done == []
    assert (models / "live").read_text() == "1\n"
