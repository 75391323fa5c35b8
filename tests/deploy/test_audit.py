"""What pip-audit says is judged: advisories count, and what could not be asked about is not taken for clean."""

import importlib.util
import json
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / ".ci" / "audit.py"
# In the form that pip-audit 2.10 prints.
SAID = """{"dependencies": [
  {"name": "yarl", "version": "1.25.1", "vulns": []},
  {"name": "aiohttp", "version": "3.9.1", "vulns": [{"id": "PYSEC-2024-24", "fix_versions": ["3.9.2"],
    "aliases": ["CVE-2024-23334"], "description": "..."}]},
  {"name": "numba", "skip_reason": "Dependency not found on PyPI and could not be audited: numba (0.66.0)"}
], "fixes": []}"""


def test_an_advisory_is_named_with_its_remedy_and_what_was_not_asked_about_is_counted():
    spec = importlib.util.spec_from_file_location("audit", PROGRAM)
    assert spec
    assert spec.loader
    audit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(audit)
    named, packages, unasked = audit.judged(json.loads(SAID))
    assert named == ["aiohttp 3.9.1: PYSEC-2024-24, fixed in 3.9.2"]
    assert (packages, unasked) == (3, 1)
