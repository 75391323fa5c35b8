"""Every block of every page: commands and Python run in a user's folder, settings and data are read as what they are.

What cannot run here stands in ELSEWHERE with the reason, or the test that runs it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pytest
from markdown_it import MarkdownIt

from core import settings
from daemon.config import Config
from training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BOOTED = "tests/deploy/test_boot.py"
MEASURED = "a measurement that takes many minutes, and writes what the page shows"
ELSEWHERE: dict[str, dict[str, str]] = {
    "explanation/burst.md": {
        "gaze bench burst": "tests/daemon/test_burst.py runs a small one",
        "pip install py-spy": "reads another process, which wants rights that a test has not",
    },
    "explanation/crash.md": {"gaze bench crash": "an hour; tests/integration/test_crash.py is shorter"},
    "explanation/features.md": {
        "gaze bench same-bits": "tests/integration/test_same_bits.py",
        "gaze bench features": MEASURED,
        "gaze bench same-windows": MEASURED,
    },
    "how-to/bars.md": {"$ gaze bars fetch": "asks a venue on the internet; tests/daemon/fetching"},
    "how-to/cluster.md": {
        "gaze train": "tests/training/many/test_cluster.py",
        "torchrun": "tests/training/fitting/test_together.py",
        "gaze replay": "tests/daemon/replaying/test_cluster.py",
    },
    "how-to/containers.md": {
        "docker": "no Docker here; tests/deploy/test_container.py builds and starts the image otherwise",
        "make demo": "no Docker here; tests/deploy/test_compose.py starts its services as processes",
    },
    "how-to/drift.md": {"gaze score": "tests/daemon/replaying/test_scored.py"},
    "how-to/explain.md": {
        "$ gaze explain bundle --id": "tests/integration/test_explain_id.py",
        "$ gaze train demo --bars demo/bars.parquet --out five": "minutes; tests/training/many/test_several.py",
        "$ gaze train winner_daily": "minutes on real bars; gaze bench results runs it",
        "$ gaze explain --random": "minutes; tests/training/explain",
        "- Attention": "what the command above printed",
    },
    "how-to/external.md": {"$ gaze replay": "tests/integration/test_replay.py"},
    "how-to/gpu.md": {"": "needs a GPU; tests/training/test_gpu.py and benchmarks/engines/gpu.py where there is one"},
    "how-to/kubernetes.md": {"kubectl": "no cluster here; tests/deploy/test_kubernetes.py"},
    "how-to/monitoring.md": {
        "cp -r deploy/prometheus": "tests/deploy/test_prometheus.py gives them to Prometheus",
        "cp -r deploy/grafana": "no Grafana in any registry; tests/deploy/test_grafana.py",
    },
    "how-to/security.md": {
        "redis-cli": BOOTED,
        "systemd-analyze": BOOTED,
        ".ci/audit.py": "asks the package index, as CI does at its end; tests/deploy/test_audit.py",
    },
    "how-to/systemd.md": {"": BOOTED},
    "how-to/train.md": {
        "gaze train bitcoin_hourly --bars BARS.parquet --out RUN": "minutes; tests/training/fitting/test_looking.py",
        "gaze train RECIPE": "minutes; tests/training/many/test_several.py",
        "gaze ensemble": "minutes; tests/training/many/test_assembling.py",
        "pip install 'gazed[sweep]'": "minutes; tests/training/many/test_sweep.py",
        "gaze bench train": MEASURED,
    },
    "index.md": {"": "what the site's generator reads; tests/test_docs.py builds it"},
    "reference/cli.md": {"": "made from the commands' own help; tests/test_docs.py"},
    "reference/extras.md": {"gaze bench extras": MEASURED},
    "reference/windows.md": {"import exchange_calendars": "its package has an environment of its own"},
    "reference/feeds.md": {
        "pip install 'gazed[ccxt]'": "tests/daemon/listening/test_ccxt.py",
        "XADD": "tests/daemon/listening/test_stream.py",
    },
    "reference/python.md": {"load(": "a signature", "Model": "a signature"},
    "reference/redis.md": {
        "XGROUP": "tests/examples/test_consumer_node.py and tests/daemon/stores",
        "ACL": "tests/daemon/stores/test_rights.py",
    },
    "results.md": {"": "hours; gaze bench results, tests/benchmarks/scores/test_page.py"},
    "runbooks": {"": BOOTED},
    "tutorial.md": {"": "tests/integration/test_tutorial.py"},
}
FILES = {"how-to/external.md": ["records.jsonl", "my_recipe.toml"]}
"""What a page calls its blocks of settings and data, in their order, where a later block reads them."""
SMALL = """
name = "small"
[data]
interval = "1h"
features = "btc_3"
[window]
length = 24
[model]
family = "hourly_lstm"
options.hidden = 4
[optimiser]
epochs = 1
"""


class Block(NamedTuple):
    page: str
    line: int
    kind: str
    text: str


def kind_of(info: str, text: str) -> str:
    """What a block is, by its fence or else by how it begins."""
    if info in ("toml", "json", "python"):
        return info
    first = text.lstrip()[:1]
    if not info and first in ("{", "[", '"'):
        return "json" if first == "{" else "toml"
    return "shell"


def blocks() -> Iterator[Block]:
    """Every fenced or indented block of every page."""
    for path in sorted(DOCS.rglob("*.md")):
        for token in MarkdownIt().parse(path.read_text()):
            if token.type in ("fence", "code_block") and token.map:
                name = path.relative_to(DOCS).as_posix()
                yield Block(name, token.map[0] + 1, kind_of(token.info, token.content), token.content)


BLOCKS = list(blocks())


def why_not(block: Block) -> tuple[str, str] | None:
    """The line of ELSEWHERE that speaks of a block: its page, and how it begins."""
    for page in (block.page, block.page.partition("/")[0]):
        for begins in ELSEWHERE.get(page, {}):
            # Settings and data can be read anywhere: only a line that means them keeps them from it.
            if block.text.strip().startswith(begins) and (begins or block.kind in ("shell", "python")):
                return page, begins
    return None


HERE = [block for block in BLOCKS if why_not(block) is None]
RUNNING = sorted({block.page for block in HERE if block.kind in ("shell", "python")})


def test_every_exception_is_of_a_block_that_is_there_and_names_a_test_that_is():
    listed = {(page, begins) for page, of in ELSEWHERE.items() for begins in of}
    assert listed == {found for found in map(why_not, BLOCKS) if found}
    named = re.findall(
        r"(?:tests|benchmarks)/[\w/]+(?:\.py)?", " ".join(why for of in ELSEWHERE.values() for why in of.values())
    )
    assert [one for one in named if not (ROOT / one).exists()] == []


def sections(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


@pytest.mark.parametrize(
    "block", [block for block in HERE if block.kind in ("toml", "json")], ids=lambda block: f"{block.page}:{block.line}"
)
def test_settings_and_data_are_read_as_what_they_are(block: Block):
    if block.kind == "json":
        joined = re.sub(r"\n\s+", " ", block.text)
        assert all(isinstance(msgspec.json.decode(line), dict) for line in joined.splitlines() if line)
        return
    told: dict[str, Any] = tomllib.loads(block.text)
    if set(told) <= sections(Config):
        bundle = '[bundle]\npath = "b"\n' if "bundle" not in told else ""
        symbols = [] if "symbols" in told.get("feed", {}) else ['feed.symbols=["BTCUSDT"]']
        settings.decode(bundle + block.text, Config, block.page, symbols)
    elif set(told) <= sections(Recipe):
        settings.decode(merged(block.text), Recipe, block.page, [])
    else:
        assert all("." in key and isinstance(value, list | dict) for key, value in told.items()), "a sweep's space"


def merged(text: str) -> str:
    """A small recipe that also says what a block says."""
    section, _, keys = text.partition("\n")
    return SMALL.replace(f"{section}\n", f"{section}\n{keys}")


def gaze(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "gaze", *words]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"


def environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has what the pages speak of: bars, a small recipe, runs of it, and a bundle."""
    folder = tmp_path_factory.mktemp("user")
    gaze(folder, "init", ".")
    (folder / "RECIPE").write_text(SMALL)
    gaze(folder, "bars", "simulate", "--symbols", "4", "--out", "bars.parquet")
    for name in ("bars.parquet", "bars.events.parquet"):
        renamed = pl.col("symbol").replace("SIM01USDT", "BTCUSDT")
        pl.read_parquet(folder / name).with_columns(renamed).write_parquet(folder / name)
    gaze(folder, "bars", "simulate", "--symbols", "1", "--interval", "30m", "--out", "bars_30m.parquet")
    one = pl.read_parquet(folder / "bars.parquet").filter(pl.col("symbol") == pl.col("symbol").first()).drop("symbol")
    one.with_columns(pl.col("ts").dt.epoch("ms").alias("open_time")).drop("ts").write_csv(folder / "BTCUSDT_1h.csv")
    halves = pl.read_parquet(folder / "bars_30m.parquet").with_columns(pl.lit("BTCUSDT").alias("symbol"))
    halves.write_parquet(folder / "bars_30m.parquet")
    gaze(folder, "train", "RECIPE", "--bars", "bars.parquet", "--out", "run")
    gaze(folder, "export", "run", "--out", "bundle")
    shutil.copytree(folder / "run", folder / "demo" / "run")
    shutil.copy(folder / "bars.parquet", folder / "BARS.parquet")
    for name in ("bars.parquet", "bars.events.parquet"):
        shutil.copy(folder / name, folder / "demo")
    return folder


def script_of(block: Block) -> Iterator[str]:
    """A block as lines of bash: what is shown under a prompt is left out, and a server is ended once it has begun."""
    if block.kind == "python":
        yield f"python -c {shlex.quote(block.text)}"
        return
    lines = block.text.rstrip().splitlines()
    for line in [one[2:] for one in lines if one.startswith("$ ")] or lines:
        if line.startswith("pip install"):
            continue
        if line.startswith("gaze exchange"):
            yield f"rm -f said; {line} > said & until [ -s said ]; do kill -0 $!; sleep 0.1; done; kill $!; wait $!"
        else:
            yield line


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("page", RUNNING)
def test_every_command_of_the_page_runs(page: str, user: Path, tmp_path: Path):
    shutil.copytree(user, tmp_path, symlinks=True, dirs_exist_ok=True)
    of = [block for block in HERE if block.page == page]
    for made in {word for block in of for word in re.findall(r"--out (\S+)", block.text)}:
        subprocess.run(["rm", "-rf", tmp_path / made], check=True)
    data = [block for block in of if block.kind in ("toml", "json")]
    for name, block in zip(FILES.get(page, []), data, strict=False):
        text = merged(block.text) if name == "my_recipe.toml" else block.text
        (tmp_path / name).write_text(text)
    for block in of:
        if block.kind in ("toml", "json"):
            continue
        script = "\n".join(["set -euo pipefail", *script_of(block)])
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{page}:{block.line}\n{script}\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"


def test_what_a_page_installs_is_an_extra_that_is_there():
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = {
        extra
        for path in [*DOCS.rglob("*.md"), ROOT / "README.md"]
        for found in re.findall(r"(?:gazed|\.)\[([\w,-]+)\]", path.read_text())
        for extra in found.split(",")
    }
    assert named <= extras
    assert "explain" in named
