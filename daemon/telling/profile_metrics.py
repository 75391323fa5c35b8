"""Where each attention looks over its window, beside its reference: gauges made only when somebody scrapes."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core import attention
from daemon.ports import Float32s
from daemon.telling.metric_table import BUCKETS, TABLE
from daemon.watching.watch import Watch

PARTS: Final = 16
"""A window's profile is told in at most so many parts of even length."""


class ProfileMetrics(Collector):
    """The running profile of every attention that is followed, and the bundle's reference of each."""

    NAMES: Final = (
        "gaze_attention_weight_ratio",
        "gaze_attention_reference_weight_ratio",
        "gaze_attention_reference_share_ratio",
        "gaze_attention_reference_entropy_ratio",
    )

    def __init__(self, model: str) -> None:
        self._model = model
        self._entropies: Mapping[str, float] = {}
        self._followed: dict[str, tuple[Float32s, Float32s]] = {}

    def start(self, entropies: Mapping[str, float]) -> None:
        """Tell of these attentions from now on, each with the mean of its normalised entropy in the reference."""
        self._entropies, self._followed = entropies, {}

    def watched(self, watch: Watch) -> None:
        """Closes were settled: the profiles are others now."""
        # Copies: the fold goes on in a thread.
        self._followed = {name: (_row(one.mean_T), _row(one.reference_T)) for name, one in watch.profiles.items()}

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The names alone."""
        return [
            GaugeMetricFamily(told.name, told.help, labels=told.labels) for told in TABLE if told.name in self.NAMES
        ]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All of it."""
        running, weights, shares, entropies = self.describe()
        for name, (mean_1T, reference_1T) in self._followed.items():
            look = [self._model, name]
            for family, profile_1T in ((running, mean_1T), (weights, reference_1T)):
                for bars_ago, weight in _parts(profile_1T):
                    family.add_metric([*look, bars_ago], weight)
            share_B = attention.shares(reference_1T, attention.bucket_edges(reference_1T.shape[1]))[0]
            for bucket, share in zip(BUCKETS, share_B.tolist(), strict=True):
                shares.add_metric([*look, bucket], share)
            entropies.add_metric(look, self._entropies[name])
        return [running, weights, shares, entropies]


def _row(profile_T: np.ndarray) -> Float32s:
    return profile_T.astype(np.float32)[np.newaxis]


def _parts(profile_1T: Float32s) -> list[tuple[str, float]]:
    """Each part by how many bars ago its newest step was, and its weight."""
    steps = profile_1T.shape[1]
    edges = attention.bucket_edges(steps, min(PARTS, steps))
    weights = attention.shares(profile_1T, edges)[0].tolist()
    return [(str(steps - int(end)), weight) for end, weight in zip(edges[1:], weights, strict=True)]
