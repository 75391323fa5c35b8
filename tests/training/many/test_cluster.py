"""Trainings on Ray: the bits of one process, also when a machine is lost on the way."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import ray
import torch
from ray.cluster_utils import Cluster as Nodes
from runs import a_recipe, cut_parquet
from typer.testing import CliRunner

from core.errors import DataError
from training.cli import app
from training.job import Job
from training.many import several
from training.many.cluster import Cluster, pack, unpack
from training.many.sweep import Range, Space, Sweep, Tried
from training.recipe import Recipe
from training.runs import run
from training.runs.run import Run


@pytest.fixture(scope="module")
def alone(bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """What one process gives."""
    out = tmp_path_factory.mktemp("alone")
    return {
        name: Job(recipe, bars_path).run(out / name, lambda *_: None, lambda _: None) for name, recipe in plan().items()
    }


@pytest.fixture
def two_nodes() -> Iterator[Nodes]:
    """Two nodes of one core each, on this machine."""
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def plan() -> dict[str, Recipe]:
    """Two seeds of each of two universes."""
    universes = {"few": ("S0", "S1"), "others": ("S2", "S3", "S4")}
    return several.plan(a_recipe("optimiser.epochs=2"), seeds=2, universes=universes)


def a_sweep(bars: Path, out: Path) -> Sweep:
    """Four trials at once of the family with heads."""
    changes = ["model.family=attention_lstm", "model.options={hidden=[8, 8], dense=[8, 8]}", "window.length=8"]
    space: Space = {"model.options.heads": [1, 2, 3], "optimiser.learning_rate": Range(1e-4, 1e-1, log=True)}
    return Sweep("demo", None, [*changes, "optimiser.epochs=3", "optimiser.batch=64"], space, bars, out, 4)


def facts(one: Tried) -> Tried:
    """All but how long it took."""
    return msgspec.structs.replace(one, seconds=0.0)


def same(one: Run, other: Run) -> None:
    """Weights, scores and facts to the bit; but for when and where they were made."""
    weights, others = one.model.state_dict(), other.model.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert one.evaluation == other.evaluation
    assert one.recipe == other.recipe
    assert one.training == other.training


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_is_lost_and_every_run_is_what_one_process_gives(
    two_nodes: Nodes, alone: dict[str, Run], bars_path: Path, tmp_path: Path
):
    found: dict[str, Run] = {}
    with Cluster(two_nodes.address) as cluster:
        for name, one in cluster.train(plan(), bars_path, tmp_path):
            if not found:
                lost = next(node for node in two_nodes.list_all_nodes() if node is not two_nodes.head_node)
                two_nodes.remove_node(lost, allow_graceful=False)
            found[name] = one
    assert found.keys() == alone.keys()
    for name, one in found.items():
        same(one, alone[name])
        assert one.folder == tmp_path / name
    assert found["universe_few_seed_1"].training.symbols == ("S0", "S1")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_universes_spread_from_the_command_line_are_what_each_alone_gives(bars_path: Path, tmp_path: Path):
    (tmp_path / "universes.toml").write_text('few = ["S0", "S1"]\nothers = ["S2", "S3", "S4"]\n')
    words = ["train", "demo", "--bars", bars_path, *settings("window.length=8", "optimiser.epochs=1")]
    spread = ("--out", tmp_path / "many", "--universes", tmp_path / "universes.toml", "--on", "local")
    said = gaze(*words, *spread)
    assert "2 of 2" in said
    for name, symbols in (("few", '["S0","S1"]'), ("others", '["S2","S3","S4"]')):
        gaze(*words, "--out", tmp_path / name, *settings(f"data.symbols={symbols}"))
        same(run.load(tmp_path / "many" / f"universe_{name}"), run.load(tmp_path / name))


def settings(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def gaze(*words: object) -> str:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False).output


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_is_lost_during_a_sweep_and_every_trial_is_what_one_process_gives(
    two_nodes: Nodes, shared_data: Path, tmp_path: Path
):
    """On real hours, with heads that some trials cannot have; a first start asks for less than the second."""
    hours = shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet"
    bars = cut_parquet(hours, tmp_path / "bars.parquet", ("BTCUSDT", "ETHUSDT"), 600)
    alone = a_sweep(bars, tmp_path / "alone").trials(14, lambda _: None)
    told: list[Tried] = []

    def ended(one: Tried) -> None:
        if not told:
            lost = next(node for node in two_nodes.list_all_nodes() if node is not two_nodes.head_node)
            two_nodes.remove_node(lost, allow_graceful=False)
        told.append(one)

    with Cluster(two_nodes.address) as cluster:
        a_sweep(bars, tmp_path / "spread").trials(6, ended, cluster.attempt)
        spread = a_sweep(bars, tmp_path / "spread").trials(14, ended, cluster.attempt)
    assert sorted(one.number for one in told) == list(range(1, 15))
    assert [facts(one) for one in spread] == [facts(one) for one in alone]
    assert {one.refused == "" for one in spread} == {True, False}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_cannot_be_trained_says_why(bars_path: Path, tmp_path: Path):
    planned = {"seed_0": a_recipe("window.length=5000")}
    with Cluster("local") as cluster, pytest.raises(DataError, match=r"seed_0: .*try:"):
        list(cluster.train(planned, bars_path, tmp_path))
    assert not (tmp_path / "seed_0").exists()


def test_a_folder_travels_whole(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.bin").write_bytes(bytes(range(256)))
    (tmp_path / "run" / "b.txt").write_text("b")
    unpack(pack(tmp_path / "run"), tmp_path / "out" / "copy")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "copy").iterdir()} == {
        "a.bin": bytes(range(256)),
        "b.txt": b"b",
    }
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["copy"]
