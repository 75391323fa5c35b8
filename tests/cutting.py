"""A `gaze` command that dies in the middle of its work: not when another process gets to kill it, but by its own clock.

Once it has printed a line it is granted a moment of CPU time; then the kernel ends it, as abruptly as SIGKILL would,
however slow or busy the machine and whoever reads what it prints.
"""

import signal
import subprocess
import sys

PROGRAM = """
import io, signal, sys
import gaze

class Cut(io.TextIOWrapper):
    def write(self, text):
        written = super().write(text)
        if line in text:
            signal.setitimer(signal.ITIMER_PROF, 0.001)
        return written

line = sys.argv.pop(1)
sys.stdout = Cut(sys.stdout.buffer)
gaze.main()
"""


def cut_off_at(line: str, *words: object) -> None:
    """Run the command until it dies behind this line."""
    command = [sys.executable, "-c", PROGRAM, line, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == -signal.SIGPROF, f"{done.stdout}\n{done.stderr}"
