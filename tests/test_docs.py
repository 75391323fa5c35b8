"""The pages: those made from the code are as the code says, and the site builds without a broken link."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_pages_made_from_the_code_are_as_the_code_says(tmp_path: Path):
    subprocess.run([sys.executable, DOCS / "generate.py", tmp_path], check=True, timeout=280)
    made = sorted(tmp_path.iterdir())
    assert made
    for page in made:
        assert (DOCS / "reference" / page.name).read_text() == page.read_text(), f"{page.name}: try make docs"


def test_what_a_runbook_looks_for_in_the_log_is_said_by_the_daemon():
    said = "\n".join(path.read_text() for path in (DOCS.parent / "daemon").rglob("*.py"))
    systemd = {"Main process exited"}
    for page in (DOCS / "runbooks").glob("*.md"):
        for words in set(re.findall(r"grep '([^']+)'", page.read_text())) - systemd:
            assert words in said, page.name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_builds_and_no_link_is_broken(tmp_path: Path):
    words = ("-q", "-n", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "trees", DOCS, tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "tutorial.html").is_file()
