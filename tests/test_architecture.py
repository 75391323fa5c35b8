"""The rules of the house that import-linter cannot hold: what a command loads, and what nobody imports."""

import ast
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import gaze

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "training", "export", "daemon")
HEAVY = ("numpy", "numba", "polars", "redis", "torch", "onnxruntime", "matplotlib", "websockets", "aiohttp")

HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {hidden!r}:
            raise ModuleNotFoundError(f'{{name}} is hidden', name=name)
sys.meta_path.insert(0, Hidden())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_daemon_is_built_with_torch_polars_and_matplotlib_hidden():
    hidden = ("torch", "polars", "matplotlib", "onnx", "training", "export", "pandas", "plotly")
    done = python(HIDE.format(hidden=hidden) + "import daemon.app, daemon.cli, daemon.stores.redis")
    assert done.returncode == 0, done.stderr


def test_training_and_export_work_with_redis_and_websockets_hidden():
    hidden = ("redis", "websockets", "aiohttp", "daemon")
    rooms = "training.cli, training.job, training.runs.run, training.bars.simulate, export.cli, export.bundle"
    done = python(HIDE.format(hidden=hidden) + f"import {rooms}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words", [[], ["run"], ["train"], ["export"], ["bars", "fetch"], ["watch"], ["exchange"], ["explain"]]
)
def test_the_help_of_a_command_loads_nothing_heavy(words: list[str]):
    code = f"""
import sys
sys.argv = ['gaze', *{words!r}, '--help']
import gaze
try:
    gaze.main()
except SystemExit:
    pass
print('loaded', sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = python(code)
    assert done.stdout.splitlines()[-1] == "loaded []", done.stdout + done.stderr


def test_nobody_imports_the_command_table():
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert "gaze" not in names, file


def test_another_package_of_a_rooms_name_is_told_apart(tmp_path: Path):
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon" / "__init__.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['gaze', '--help']; import gaze; gaze.main()"
    done = python(code)
    assert done.returncode == 78
    assert "another package of that name is installed" in done.stderr


def test_a_missing_extra_is_named():
    code = HIDE.format(hidden=("polars",)) + (
        "sys.argv = ['gaze', 'bars', 'simulate', '--out', '/dev/null/x.parquet']; import gaze; gaze.main()"
    )
    done = python(code)
    assert done.returncode == 69
    assert "try: pip install 'gazed[data]'" in done.stderr


def test_the_page_on_the_house_names_only_what_is_there():
    told = (ROOT / "ARCHITECTURE.md").read_text()
    for word in set(_paths(told)):
        assert (ROOT / word).exists(), word


def _paths(text: str) -> list[str]:
    quoted = [part for part in text.split("`")[1::2] if "/" in part and " " not in part]
    return [word for word in quoted if not Path(word).name.startswith(("x.py", "to_x"))]


def test_every_pinned_package_installs_on_the_first_python_3_11():
    """Debian 12 has 3.11.2: a pin that asks for a later patch stops `make test` there before it begins."""
    pins = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    names = [Requirement(pin).name for pin in pins if pin and not pin.startswith("-")]
    assert len(names) > 100
    wanted = {name: metadata(name).get("Requires-Python") or "" for name in names}
    assert {name: asked for name, asked in wanted.items() if not SpecifierSet(asked).contains("3.11.0")} == {}


def test_every_benchmark_is_a_program_that_is_there_and_asks_for_what_is_there():
    home = ROOT / "benchmarks"
    text = "\n".join(path.read_text() for path in [*home.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
    named = {program for program, _, _ in gaze._BENCHMARKS.values()} | set(
        re.findall(r"\bbenchmarks\.([a-z_.]+)", text)
    )
    places = [home / one.strip(".").replace(".", "/") for one in named]
    assert [str(one) for one in places if not (one.is_dir() or one.with_suffix(".py").is_file())] == []
