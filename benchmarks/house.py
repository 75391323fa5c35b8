"""Where the house stands and its command, and when, where and of which commit something was measured."""

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from export.commit import commit

HOUSE: Final = Path(__file__).resolve().parents[1]
GAZE: Final = (sys.executable, str(HOUSE / "gaze.py"))
RESULTS: Final = HOUSE / "benchmarks" / "results"


def conditions(load: tuple[float, float, float] | None = None, **beside: Any) -> dict[str, Any]:
    """Machine, Python, what else is told, date and commit; `load`: of the machine before anything was started."""
    if load is not None:
        beside = {"load_before": [round(one, 1) for one in load], **beside}
    return {
        "machine": f"{os.cpu_count()} shared {platform.machine()} cores",
        "python": platform.python_version(),
        **beside,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(HOUSE)[:12],
    }
