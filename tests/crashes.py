"""Scenes on real bars in which daemons and their Redis come to harm, and the record of a run without."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from bundles import a_bundle

from benchmarks.crash import Blow, Counts, Scene, compare

START = datetime(2025, 6, 1, tzinfo=UTC)


class Stage:
    """A scene and the record of its undisturbed run."""

    def __init__(self, scene: Scene, undisturbed: Sequence[bytes]) -> None:
        self.scene = scene
        self.undisturbed = undisturbed

    async def played(self, blows: Sequence[Blow], *, external: bool = False, seed: int = 1) -> Counts:
        seen, record = await self.scene.disturbed(blows, external=external, seed=seed)
        return compare(self.undisturbed, seen, record, self.scene.until_ms)


def a_scene(folder: Path, shared_data: Path, days: int) -> Scene:
    """Real bars of 20 symbols, and a bundle on them."""
    bars = pl.read_parquet(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    bars.filter(pl.col("ts").is_between(START, START + timedelta(days=days), closed="left")).write_parquet(
        folder / "bars.parquet"
    )
    a_bundle(folder / "bundle")
    return Scene(folder)


def clean(stage: Stage) -> Counts:
    """What a comparison finds when nothing was lost, doubled or different."""
    return Counts(stage.scene.expected, lost=0, unknown=0, doubled=0, different=0, vanished=0)


def readiness(url: str) -> tuple[int, str]:
    """What a daemon answers on /readyz."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
