"""Trainings on Ray: the bits of one process, also when a machine is lost on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch
from ray.cluster_utils import Cluster as Nodes
from runs import a_recipe

from core.errors import ConfigError, DataError
from training.job import Job
from training.many import several
from training.many.cluster import Cluster, pack, unpack
from training.recipe import Recipe
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
    return several.plan(a_recipe("optimiser.epochs=2"), seeds=4)


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
        for name, run in cluster.train(plan(), bars_path, tmp_path):
            if not found:
                lost = next(node for node in two_nodes.list_all_nodes() if node is not two_nodes.head_node)
                two_nodes.remove_node(lost, allow_graceful=False)
            found[name] = run
    assert found.keys() == alone.keys()
    for name, run in found.items():
        same(run, alone[name])
        assert run.folder == tmp_path / name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_cannot_be_trained_says_why(bars_path: Path, tmp_path: Path):
    planned = {"seed_0": a_recipe("window.length=5000")}
    with Cluster("local") as cluster, pytest.raises(DataError, match=r"seed_0: .*try:"):
        list(cluster.train(planned, bars_path, tmp_path))
    assert not (tmp_path / "seed_0").exists()


def test_nobody_at_an_address_is_said():
    with pytest.raises(ConfigError, match=r"no Ray cluster at 127\.0\.0\.1:1 .*try: ray start"), Cluster("127.0.0.1:1"):
        pass


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
