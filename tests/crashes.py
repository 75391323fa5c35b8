"""Scenes on real bars in which daemons and their Redis come to harm, and the record of a run without."""

import asyncio
import io
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import numpy as np
import polars as pl
from bundles import WINDOW, a_bundle, rewritten
from watched import reference_of, said

from benchmarks.crash.blows import Blow
from benchmarks.crash.comparison import Counts, compare
from benchmarks.crash.scene import Scene
from core.bands import Margin
from core.bundle import REFERENCE
from core.reference import arrays
from export.bundle import npz

START = datetime(2025, 6, 1, tzinfo=UTC)
PATIENCE_S = 250.0


class Stage:
    """A scene and the record of its undisturbed run."""

    def __init__(self, scene: Scene, undisturbed: Sequence[bytes]) -> None:
        self.scene = scene
        self.undisturbed = undisturbed

    async def played(self, blows: Sequence[Blow], kind: str = "embedded", seed: int = 1) -> Counts:
        played = await self.scene.disturbed(blows, self.undisturbed, kind, seed)
        return compare(self.undisturbed, played.seen, played.record, self.scene.until_ms, played.unlike)


def a_scene(folder: Path, shared_data: Path, days: int) -> Scene:
    """Real bars of 20 symbols, and a bundle on them."""
    bars = pl.read_parquet(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    bars.filter(pl.col("ts").is_between(START, START + timedelta(days=days), closed="left")).write_parquet(
        folder / "bars.parquet"
    )
    original = a_bundle(folder / "plain")
    reference = arrays(reference_of(original.manifest, said(24 * 30, steps=WINDOW)))
    rewritten(
        original,
        folder / "bundle",
        REFERENCE,
        lambda raw: npz({**np.load(io.BytesIO(raw)), **reference}),
        margins=(Margin("return_1", 0.9, 0.005, 50),),
    )
    return Scene(folder)


def clean(stage: Stage) -> Counts:
    """What a comparison finds when nothing was lost, doubled or different."""
    return Counts(stage.scene.expected, lost=0, unknown=0, doubled=0, different=0, vanished=0, unlike=0)


async def until_unready(url: str, *reasons: str) -> None:
    """Ask until the daemon is not ready, and says all of this; the first it says of a trouble may be something else."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            status, said = await asyncio.to_thread(readiness, url)
            if status == HTTPStatus.SERVICE_UNAVAILABLE and all(one in said.lower() for one in reasons):
                return


def readiness(url: str) -> tuple[int, str]:
    """What a daemon answers on /readyz."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
