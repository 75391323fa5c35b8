"""The bundles that predict beside the one that serves: opened, proven, and held to what they must share with it."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from core import bundle as bundles
from core.bundle import REFERENCE, Bundle, Manifest
from core.errors import ConfigError
from core.external import Records
from core.windows import Windows
from daemon.config import Config
from daemon.engines import OpenEngine, open_engine
from daemon.engines.proof import prove, warm
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.trust import Trust


class Opened(msgspec.Struct, frozen=True):
    """A bundle that runs here. `shares`: whether it reads the same inputs as the one that serves."""

    bundle: Bundle
    engine: OpenEngine
    pipeline: Pipeline
    shares: bool


def open_beside(
    config: Config,
    folder: Path,
    serving: Manifest,
    windows: Windows,
    records: Callable[[], Records] | None,
) -> Opened:
    """Open a bundle that is to predict the bars that `serving` predicts.

    Raises: ConfigError, BundleError, EngineError: it cannot run here, or not on these bars.
    """
    bundle = bundles.read(folder).closed_on(config.feed.closed)
    manifest = bundle.manifest
    engine = open_engine(config.bundle.engine, bundle)
    prove(engine, bundle)
    warm(engine, bundle)
    pipeline = Pipeline(
        manifest,
        bundle.digest,
        publish_late=config.publish.late == "publish",
        top=config.publish.top,
        fill=config.publish.broken == "fill",
        trust=Trust(manifest.inputs, bundle.arrays(REFERENCE)),
        engine=f"{engine.name} on {engine.device}",
        records=records,
    )
    _refuse_other_bars(folder, manifest, serving, pipeline, windows)
    return Opened(bundle, engine, pipeline, manifest.inputs == serving.inputs)


def _refuse_other_bars(
    folder: Path, manifest: Manifest, serving: Manifest, pipeline: Pipeline, windows: Windows
) -> None:
    external = [{one for read in told.inputs for one in read.external} for told in (manifest, serving)]
    wrong = {
        f"reads {manifest.interval} bars, not {serving.interval}": manifest.interval != serving.interval,
        f"needs {pipeline.bars_needed} bars, {windows.capacity} are kept": pipeline.bars_needed > windows.capacity,
        f"reads markets that are not followed: {pipeline.markets}": not set(pipeline.markets) <= set(windows.symbols),
        "reads other external records": not external[0] <= external[1],
    }
    for what, is_so in wrong.items():
        if is_so:
            raise ConfigError(f"bundle {folder} {what}; try: a daemon of its own, or one with it as [bundle] path")
