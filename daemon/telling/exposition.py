"""What Prometheus is told when it scrapes."""

import asyncio
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


async def render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The exposition in the format this Accept header asks for, and its content type.

    The event loop gets its turn after each metric: a scrape never delays a bar by more than one metric's text.
    """
    encode, content_type = exposition.choose_encoder(accept)
    end = b"# EOF\n" if content_type.startswith("application/openmetrics-text") else b""
    parts: list[bytes] = []
    for metric in registry.collect():
        # When a series began is our start, which process_start_time_seconds tells once for all.
        metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
        parts.append(encode(_One(metric)).removesuffix(end))
        await asyncio.sleep(0)
    return b"".join([*parts, end]), content_type


class _One(Collector):
    """A single metric, for an encoder that asks for a registry."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        """It alone."""
        return [self._metric]
