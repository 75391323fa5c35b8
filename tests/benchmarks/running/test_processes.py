"""Programs that end before they are ended."""

import sys
from pathlib import Path

import pytest

from benchmarks.running.processes import running, see_all_run

ENDS = "import sys; print('{}', flush=True); sys.exit('out of frames')"
STAYS = "import signal; print('{}', flush=True); signal.pause()"


def test_one_that_has_ended_is_told_of_with_its_last_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with running([sys.executable, "-c", ENDS], tmp_path, "log") as (process, _):
        process.wait(timeout=60)
        with pytest.raises(SystemExit, match="has ended, with status 1"):
            see_all_run([process])
    assert "out of frames" in capsys.readouterr().err


def test_those_that_run_are_left_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with running([sys.executable, "-c", STAYS], tmp_path, "log") as (process, _):
        see_all_run([process])
    assert not capsys.readouterr().err
