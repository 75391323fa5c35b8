"""A training of many symbols stays small: windows are views, never copies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_symbols_and_two_and_a_half_years_of_hours_train_within_a_few_hundred_mebibytes():
    command = [sys.executable, "-m", "benchmarks.training.epochs", "--memory", "--json"]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=580, check=True)
    told = json.loads(done.stdout)["memory_mib"]
    assert told["beyond the libraries"] < 500
    assert told["had windows been copied"] > 200
