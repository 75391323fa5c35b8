""" "auto" takes the engine that is fastest here, says why, and remembers it."""

from pathlib import Path

import pytest

from core.bundle import Bundle
from core.errors import EngineError
from daemon.engines import ENGINES, Kind, OpenEngine, open_engine
from daemon.engines.auto import cache_folder, fastest
from daemon.ports import Float32s


class Timed:
    """ONNX Runtime, on a clock of its own: each run takes so long."""

    device = "cpu"
    reason = "asked for"

    def __init__(self, bundle: Bundle, name: str, seconds: float, clock: "Clock") -> None:
        self.name = name
        self._engine = ENGINES["onnxruntime"].open(bundle)
        self._seconds = seconds
        self._clock = clock
        self.artefact = self._engine.artefact

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        self._clock.now += self._seconds
        self._clock.runs += 1
        return self._engine.run(inputs)


class Clock:
    now = 0.0
    runs = 0

    def __call__(self) -> float:
        return self.now


def timed(clock: Clock, **seconds: float) -> dict[str, Kind]:
    def opening(name: str) -> Kind:
        def opened(bundle: Bundle) -> OpenEngine:
            return Timed(bundle, name, seconds[name], clock)

        return Kind(("onnx",), opened)

    return {name: opening(name) for name in seconds}


def test_the_fastest_is_taken_and_every_time_is_told(exported: Bundle, tmp_path: Path):
    clock = Clock()
    engine = fastest(exported, timed(clock, slow=0.02, quick=0.005), tmp_path / "engines.json", clock)
    assert engine.name == "quick"
    assert engine.reason == "auto, measured now: quick 5.00 ms, slow 20.00 ms for 64 windows"


def test_what_was_measured_is_remembered(exported: Bundle, tmp_path: Path):
    cache = tmp_path / "deep" / "engines.json"
    first, again = Clock(), Clock()
    fastest(exported, timed(first, slow=0.02, quick=0.005), cache, first)
    engine = fastest(exported, timed(again, slow=0.001, quick=0.005), cache, again)
    assert (engine.name, first.runs > 0, again.runs) == ("quick", True, 0)
    assert engine.reason.startswith("auto, as measured before: quick 5.00 ms")


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"x": 1}'])
def test_a_cache_that_cannot_be_read_is_measured_again(exported: Bundle, tmp_path: Path, content: bytes):
    cache, clock = tmp_path / "engines.json", Clock()
    cache.write_bytes(content)
    assert fastest(exported, timed(clock, slow=0.02, quick=0.005), cache, clock).reason.startswith("auto, measured now")
    assert b"quick" in cache.read_bytes()


def test_another_set_of_engines_is_measured_anew(exported: Bundle, tmp_path: Path):
    cache, clock = tmp_path / "engines.json", Clock()
    fastest(exported, timed(clock, slow=0.02, quick=0.005), cache, clock)
    assert fastest(exported, timed(clock, slow=0.02, better=0.001), cache, clock).name == "better"


def test_where_nothing_can_be_remembered_it_measures_every_time(exported: Bundle, tmp_path: Path):
    (tmp_path / "a file").touch()
    cache, clock = tmp_path / "a file" / "engines.json", Clock()
    assert fastest(exported, timed(clock, slow=0.02, quick=0.005), cache, clock).name == "quick"


def refusing(_: Bundle) -> OpenEngine:
    raise EngineError("gpu was asked for, but there is no GPU; try: another engine")


def test_an_engine_that_cannot_run_here_is_passed_over_with_its_reason(exported: Bundle, tmp_path: Path):
    clock = Clock()
    kinds = {"gpu": Kind(("onnx",), refusing), **timed(clock, cpu=0.01)}
    engine = fastest(exported, kinds, tmp_path / "engines.json", clock)
    assert engine.name == "cpu"
    assert engine.reason.endswith("; not gpu: there is no GPU")
    assert not (tmp_path / "engines.json").exists()


def test_no_engine_at_all_is_refused_with_every_reason(exported: Bundle, tmp_path: Path):
    with pytest.raises(EngineError, match="run this bundle here: gpu: gpu was asked for, but there is no GPU"):
        fastest(exported, {"gpu": Kind(("onnx",), refusing)}, tmp_path / "engines.json")


def test_auto_never_takes_a_lossy_engine(exported: Bundle, tmp_path: Path):
    engine = open_engine("auto", exported, {"XDG_CACHE_HOME": str(tmp_path)})
    assert not ENGINES[engine.name].lossy
    assert "onnxruntime-int8" not in engine.reason


def test_the_cache_lies_where_systemd_or_the_user_keeps_caches(tmp_path: Path):
    assert cache_folder({"CACHE_DIRECTORY": "/var/cache/gazed", "XDG_CACHE_HOME": "/x"}) == Path(
        "/var/cache/gazed/gaze"
    )
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "gaze"
    assert cache_folder({}) == Path.home() / ".cache" / "gaze"
