from collections.abc import Sequence

import numpy as np
import pytest
from builders import a_manifest
from prometheus_client import CollectorRegistry

from daemon.telling.profile_metrics import PARTS, ProfileMetrics
from daemon.watching.watch import Watch

LOOK = {"model": "demo", "attention": "attention"}


def followed(steps: int, looks: Sequence[int] = ()) -> CollectorRegistry:
    """A model that looked evenly in its reference, and then at these steps."""
    watch = Watch(a_manifest(), None, profiles={"attention": np.full(steps, 1 / steps)})
    registry, metrics = CollectorRegistry(), ProfileMetrics("demo")
    registry.register(metrics)
    metrics.start({"attention": 0.75})
    watch.profiles["attention"].update(np.eye(steps, dtype=np.float32)[list(looks)])
    metrics.watched(watch)
    return registry


def weights(registry: CollectorRegistry, name: str) -> dict[int, float]:
    (family,) = [family for family in registry.collect() if family.name == name]
    return {int(sample.labels["bars_ago"]): sample.value for sample in family.samples}


@pytest.mark.parametrize("steps", [1, 5, 48, 100, 720])
def test_the_parts_hold_all_weight_and_the_last_is_the_newest_step(steps: int):
    told = weights(followed(steps), "gaze_attention_weight_ratio")
    assert len(told) == min(PARTS, steps)
    assert min(told) == 0
    assert sum(told.values()) == pytest.approx(1)


def test_a_look_at_one_step_moves_the_running_weights_and_never_the_reference():
    registry = followed(48, looks=[0] * 10_000)
    running = weights(registry, "gaze_attention_weight_ratio")
    assert running[45] == pytest.approx(1, abs=0.01)
    reference = weights(registry, "gaze_attention_reference_weight_ratio")
    assert list(reference.values()) == pytest.approx([1 / 16] * 16)


def test_the_reference_tells_its_shares_and_its_entropy():
    registry = followed(48)
    shares = {
        bucket: registry.get_sample_value("gaze_attention_reference_share_ratio", {**LOOK, "bucket": bucket})
        for bucket in ("historical", "mid", "recent")
    }
    assert shares == pytest.approx({"historical": 0.5, "mid": 0.25, "recent": 0.25})
    assert registry.get_sample_value("gaze_attention_reference_entropy_ratio", LOOK) == 0.75
