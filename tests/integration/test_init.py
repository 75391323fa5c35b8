"""The folder that `gaze init` writes, from nothing to live predictions by the lines of its own README."""

import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Gaze


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_readme_of_a_new_project_leads_to_live_predictions(an_empty_folder: "Gaze"):
    an_empty_folder.run("init", ".")
    shown = (an_empty_folder.folder / "README.md").read_text().split("```console\n")[1].split("```")[0]
    lines = [shlex.split(line.removesuffix(" &"))[1:] for line in shown.splitlines()]
    simulated, trained, exported, exchange, daemon, watched = lines
    for words in (simulated, trained, exported):
        an_empty_folder.run(*words)
    free = ["0" if word == "9001" else "max" if word == "3600" else word for word in exchange]
    with an_empty_folder.serving(*free, "--json") as venue:
        settings = an_empty_folder.folder / "gaze.toml"
        text = settings.read_text().replace("ws://127.0.0.1:9001", venue.listens["websocket"])
        settings.write_text(text.replace("http://127.0.0.1:9001", venue.listens["rest"]))
        with an_empty_folder.serving(*daemon, "--metrics-port", "0", "--json") as served:
            seen = an_empty_folder.run(*watched, "--count", "3")
            assert served.stop() == 0
    assert seen.count("return_1=") >= 3
    assert "SIM" in seen
