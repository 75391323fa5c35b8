"""Every number of speed that the pages tell, measured and written into them: for a machine that does nothing else.

    gaze bench speed [--only burst,latency,scale,peers,stages]

Bursts, one bar alone, 10 to 100,000 symbols (for which 16 GB of memory are to be free), other pipelines, and where each
microsecond goes, with its picture; then the tables in the README, in docs/explanation/burst.md and in
docs/how-to/monitoring.md. The better part of an hour on two cores.
"""

import argparse
import subprocess
import sys
import time
from typing import Final

from benchmarks.house import GAZE, HOUSE

_PICTURE: Final = HOUSE / "docs" / "images" / "burst.svg"
STEPS: Final = {
    "burst": ["--symbols", "1000,10000", "--bursts", "5"],
    "latency": [],
    "scale": ["--symbols", "10,100,1000,10000,30000,100000", "--bursts", "5"],
    "peers": [],
    "stages": ["--picture", str(_PICTURE)],
}
"""Each benchmark with what it is given beside --keep."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(STEPS), help="some of them, with commas between")
    for name in parser.parse_args().only.split(","):
        begun = time.monotonic()
        subprocess.run([*GAZE, "bench", name, *STEPS[name], "--keep"], cwd=HOUSE, check=True)
        print(f"{name} took {(time.monotonic() - begun) / 60:.0f} minutes", file=sys.stderr)
    subprocess.run([*GAZE, "bench", "table", "--write"], cwd=HOUSE, check=True)


if __name__ == "__main__":
    main()
