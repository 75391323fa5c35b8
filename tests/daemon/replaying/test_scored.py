"""`gaze score` on a real store: what was published, scored; a challenger beside it, promoted only past the gate."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
import redis
from bundles import WINDOW, a_bundle, rewritten
from typer.testing import CliRunner
from watched import reference_of, said

from core.bundle import REFERENCE, Bundle
from core.errors import BundleError, ConfigError, DataError
from core.prediction import Message, encode
from core.reference import arrays
from daemon.cli import app
from daemon.models import located, promote
from daemon.replaying import scored
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from export.bundle import npz

KEYS = Keys("demo")


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("champion")
    original = a_bundle(folder / "1")
    reference = arrays(reference_of(original.manifest, said(24 * 30, steps=WINDOW)))
    return rewritten(original, folder / "watched", REFERENCE, lambda raw: npz(reference) if raw else raw)


@pytest.fixture(scope="module")
def challenger(champion: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    models = tmp_path_factory.mktemp("models")
    return rewritten(champion, models / "2", REFERENCE, lambda raw: raw, version="2")


def published(folder: Path, streams: Mapping[str, Sequence[Sequence[Message]]]) -> str:
    """The store of a daemon that published this, and rests now."""

    async def publish() -> None:
        async with EmbeddedServer(folder):
            with redis.Redis(unix_socket_path=f"{folder}/redis.sock") as client, client.pipeline() as pipe:
                for stream, closes in streams.items():
                    for message in itertools.chain(*closes):
                        pipe.xadd(stream, {"message": encode(message)})
                pipe.execute()

    asyncio.run(publish())
    return str(folder)


def spoken(bundle: Bundle, foresight: float, closes: int = 24 * 14) -> list[list[Message]]:
    return said(closes, seed=3, steps=WINDOW, foresight=foresight, digest=bundle.digest)


def test_the_order_in_which_it_was_published_changes_nothing(tmp_path: Path, champion: Bundle):
    closes = spoken(champion, 0.8)
    symbol_by_symbol = [*closes[:9], *zip(*closes[9:200], strict=True), *closes[200:]]
    reports = [
        scored.score(champion.folder, published(tmp_path / name, {KEYS.stream: told}), "0", None, None)
        for name, told in (("in order", closes), ("mixed", symbol_by_symbol))
    ]
    assert reports[0] == reports[1]


def test_what_was_published_is_scored_by_the_command(tmp_path: Path, champion: Bundle):
    server = published(tmp_path, {KEYS.stream: spoken(champion, 0.8)})
    shown = CliRunner().invoke(app, ["score", str(champion.folder), "--embedded", server])
    assert shown.exit_code == 0, shown.output
    assert "return_1: better than nothing" in shown.output
    assert "skill over zero" in shown.output
    told = CliRunner().invoke(app, ["score", str(champion.folder), "--embedded", server, "--json"])
    report = msgspec.json.decode(told.output, type=scored.Report)
    assert report.champion.closes == 24 * 14 - 1
    assert report.champion.drift.keys() == {"attention", "input", "prediction"}


def test_the_daemons_settings_say_where_its_store_is_and_which_days_are_closed(tmp_path: Path, champion: Bundle):
    server = published(tmp_path / "state", {KEYS.stream: spoken(champion, 0.8)})
    config = tmp_path / "gaze.toml"
    told = (("bundle", "path", champion.folder), ("store", "directory", server))
    settings = "".join(f'[{section}]\n{key} = "{place}"\n' for section, key, place in told)
    settings += '[feed]\nsymbols = ["BTCUSDT"]\n'
    config.write_text(settings)
    command = ["score", str(champion.folder), "--config", str(config)]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "return_1: better than nothing" in shown.output
    config.write_text(settings + 'closed = ["2026-12-25"]\n')
    with pytest.raises(ConfigError, match="knows no sessions to leave out"):
        CliRunner().invoke(app, command, catch_exceptions=False)


def test_a_challenger_that_knows_more_is_promoted(tmp_path: Path, champion: Bundle, challenger: Bundle):
    # Bolder forecasts than those of the reference would be drift: so it knows a little.
    shadow = {KEYS.shadow(challenger.digest): spoken(challenger, 0.1)}
    server = published(tmp_path, {KEYS.stream: spoken(champion, 0.0)} | shadow)
    report = score(champion, server, challenger, challenger.folder.parent)
    assert report.refused == ()
    assert report.duels[0].evidence > 20
    assert located(challenger.folder.parent) == challenger.folder


def test_a_challenger_that_knows_no_more_is_refused(tmp_path: Path, champion: Bundle, challenger: Bundle):
    shadow = {KEYS.shadow(challenger.digest): spoken(challenger, 0.1)}
    server = published(tmp_path, {KEYS.stream: spoken(champion, 0.1)} | shadow)
    models = challenger.folder.parent
    (models / "live").unlink(missing_ok=True)
    asked = ["--challenger", str(challenger.folder), "--promote", str(models)]
    shown = CliRunner().invoke(app, ["score", str(champion.folder), "--embedded", server, *asked])
    assert shown.exit_code == 1
    assert "not promoted: return_1: evidence 1 of 20" in shown.output
    assert not (models / "live").exists()


def test_a_challenger_that_has_drifted_is_refused_and_told_since_when(
    tmp_path: Path, champion: Bundle, challenger: Bundle
):
    bolder = spoken(challenger, 0.1)[:168] + spoken(challenger, 0.9)[168:]
    server = published(tmp_path, {KEYS.stream: spoken(champion, 0.0), KEYS.shadow(challenger.digest): bolder})
    report = score(champion, server, challenger, challenger.folder.parent)
    assert any(reason.startswith("it has drifted: return_1: size") for reason in report.refused)
    assert report.challenger is not None
    (change,) = [one for one in report.challenger.changes if one.name == "return_1: size"]
    assert [round(at / 3_600_000) for at in change.at_ms] == [pytest.approx(169, abs=6)]


def test_a_bundle_that_published_nothing_cannot_be_scored(tmp_path: Path, champion: Bundle, challenger: Bundle):
    server = published(tmp_path, {KEYS.stream: spoken(champion, 0.0, closes=30)})
    with pytest.raises(DataError, match="no settled close of bundle"):
        score(challenger, server)


def score(bundle: Bundle, where: str, challenger: Bundle | None = None, into: Path | None = None) -> scored.Report:
    folder = challenger.folder if challenger else None
    return scored.score(bundle.folder, where, "0", folder, into)


def test_a_model_folder_serves_the_version_that_live_names(tmp_path: Path):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    assert located(tmp_path) == tmp_path
    promote(tmp_path, "2")
    assert located(tmp_path) == tmp_path / "2"
    with pytest.raises(BundleError, match="has no version '3'"):
        promote(tmp_path, "3")
    (tmp_path / "live").write_text("../elsewhere")
    with pytest.raises(BundleError, match="there are: 1, 2"):
        located(tmp_path)
