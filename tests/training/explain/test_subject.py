from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from training.explain import subject
from training.explain.subject import Subject


def test_a_bundle_says_what_its_run_says(run_subject: Subject, bundle_folder: Path):
    bundled = subject.read(bundle_folder)
    x_NTF = np.random.default_rng(0).normal(0, 0.01, (300, 8, 3)).astype(np.float32)
    ours, theirs = run_subject.say((x_NTF,)), bundled.say((x_NTF,))
    for name in ours:
        assert np.abs(ours[name] - theirs[name]).max() <= 1e-5 * np.abs(ours[name]).max()
    assert (bundled.kind, bundled.model, bundled.history) == ("bundle", None, ())
    assert bundled.digest


def test_neither_a_run_nor_a_bundle_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="neither a run nor a bundle"):
        subject.read(tmp_path)


def test_an_output_that_is_not_there_is_refused_with_those_that_are(run_subject: Subject):
    assert run_subject.output().name == "return_1"
    with pytest.raises(DataError, match="it has return_1"):
        run_subject.output("return_9")
