import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from runs import HOUR, START_MS
from typer.testing import CliRunner

from core.errors import UsageError
from training.cli import app
from training.explain.cases import iso
from training.explain.report import Report
from training.runs.run import Run

AT = iso(START_MS + 560 * HOUR.ms)


def gaze(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def told(trained: Run, bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("explained") / "run"
    result = gaze("explain", trained.folder, "--bars", bars_path, "--out", out, "--symbol", "S0", "--at", AT)
    assert result.exit_code == 0
    return result.output, out


class Links(HTMLParser):
    """Whatever a page would load or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.anchors: list[str] = []
        self.ids: set[str] = set()
        self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {given["id"]} if given.get("id") else set()
        self.images += tag == "img"
        self.anchors += [given["href"]] if tag == "a" and given.get("href") else []
        self.loads += [given[key] or "" for key in ("src", "href") if key in given and tag != "a"]


def test_the_folder_holds_page_text_report_and_pictures(told: tuple[str, Path]):
    output, out = told
    files = {"index.html", "plotly.min.js", "report.txt", "report.json", "cases.csv", "outputs.png", "losses.png"}
    assert {path.name for path in out.iterdir()} == files | {"attention", "cases", "hangs_on", "outputs"}
    cases = list((out / "cases").iterdir())
    assert all((case / "report.txt").is_file() and (case / "attention.png").is_file() for case in cases)
    assert f"next: open {out / 'index.html'}" in output
    assert "This attention" in output


def test_the_page_loads_nothing_and_leads_from_the_summary_to_each_prediction(told: tuple[str, Path]):
    html = (told[1] / "index.html").read_text("utf-8")
    links = Links()
    links.feed(html)
    assert all(load.startswith("data:") for load in links.loads)
    assert links.images >= 10
    assert "@import" not in html.partition("<script>")[0]
    assert all(anchor.startswith("#") and anchor[1:] in links.ids for anchor in links.anchors)
    assert sum("true_positive" in anchor for anchor in links.anchors) == 1
    assert len(re.findall(r"Plotly\.newPlot\(", html)) >= 3
    assert "bars ago" in html


def test_the_report_reads_back_and_the_text_tells_the_same(told: tuple[str, Path]):
    report = msgspec.json.decode((told[1] / "report.json").read_bytes(), type=Report)
    words = (told[1] / "report.txt").read_text("utf-8")
    for sentence in report.attentions[0].findings:
        assert sentence in words
    assert "input x gradient, integrated gradients" in words
    assert words.count("PREDICTION ANALYSIS REPORT") == len(report.cases)


def test_the_single_prediction_that_is_asked_for_is_printed_whole(told: tuple[str, Path]):
    case = msgspec.json.decode((told[1] / "report.json").read_bytes(), type=Report).cases[0]
    assert (case.symbol, case.opened_at) == ("S0", AT)
    assert f"Symbol: S0   window ends with the bar of {AT}   (asked for" in told[0]
    assert f"Max weight: {case.looks[0].max_weight:.4f}" in told[0]


def test_a_bundle_is_explained_by_occlusion_says_so_and_replaces_the_explanation_that_was_there(
    told: tuple[str, Path], bundle_folder: Path, bars_path: Path, tmp_path: Path
):
    out = shutil.copytree(told[1], tmp_path / "out")
    result = gaze("explain", bundle_folder, "--bars", bars_path, "--out", out, "--limit", 60, "--json")
    report = msgspec.json.decode(result.stdout, type=Report)
    assert (report.kind, report.methods, report.predictions) == ("bundle", ("occlusion",), 60)
    assert report.digest
    assert "a bundle gives no gradients" in (out / "report.txt").read_text("utf-8")
    assert not (out / "losses.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_symbol_without_a_time_and_a_folder_of_something_else_are_refused(
    trained: Run, bars_path: Path, tmp_path: Path
):
    with pytest.raises(UsageError, match="both its symbol and its time"):
        gaze("explain", trained.folder, "--bars", bars_path, "--out", tmp_path / "x", "--symbol", "S0")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds no explanation"):
        gaze("explain", trained.folder, "--bars", bars_path, "--out", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
