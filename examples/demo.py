"""The whole of Gaze on one machine, offline: simulate, train, export, serve, watch. `make demo` runs it.

Each step is a command anyone can type; it is printed before it runs. With --live it keeps serving until Ctrl-C.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GAZE = Path(sys.executable).with_name("gaze")
ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "demo"
SYMBOLS = 20
CONFIG = """\
# What `make demo` serves. docs/reference/config.md tells every key.
[bundle]
path = "bundle"

[feed]
venue = "binance"
websocket_url = "{websocket}"
rest_url = "{rest}"
symbols = {symbols}

[store]
directory = "state"

[http]
port = 0
"""


def say(text: str) -> None:
    """A line that stands out where colours are welcome."""
    plain = os.environ.get("NO_COLOR") or not sys.stdout.isatty()
    print(f"\n{text}" if plain else f"\n\033[1;36m{text}\033[0m", flush=True)


def gaze(*arguments: str) -> None:
    """Show a command and run it; a failure ends the demo with its exit status."""
    print("$ gaze " + " ".join(arguments), flush=True)
    done = subprocess.run([GAZE, *arguments], cwd=HOME, check=False)
    if done.returncode:
        sys.exit(done.returncode)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run a command in the background; gives it and the JSON line with which it says where it listens."""
    print("$ gaze " + " ".join(arguments) + " &", flush=True)
    with (HOME / f"{arguments[0]}.log").open("w") as log:
        process = subprocess.Popen([GAZE, *arguments], cwd=HOME, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("{"):
            sys.exit(f"gaze {arguments[0]} did not start; see {HOME / arguments[0]}.log")
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def until_ready(url: str, process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until the daemon has its windows and its feed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"the daemon was not ready within {seconds:.0f} s; see {HOME / 'run.log'}")


def metrics(url: str) -> None:
    """Show the metrics that a dashboard would draw first."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    (HOME / "metrics.txt").write_text("\n".join(lines))
    wanted = ("gaze_predictions_total", "gaze_attention_drift_distance", "gaze_bars_total", "gaze_prediction{")
    for name in wanted:
        shown = [line for line in lines if line.startswith(name) and not line.endswith(" 0.0")][:2]
        print("\n".join(f"  {line}" for line in shown))


def serve(*, live: bool) -> int:
    """Start the exchange and the daemon, watch for a while, and stop both; returns the daemon's exit status."""
    symbols = [f"SIM{number:02d}USDT" for number in range(1, SYMBOLS + 1)]
    hours_a_second = "3600" if live else "7200"
    exchange = ("exchange", "--bars", "bars.parquet", "--start", "0.85", "--speed", hours_a_second, "--hold", "--json")
    with serving(*exchange) as (_, listens):
        config = CONFIG.format(**listens, symbols=json.dumps(symbols))
        (HOME / "gaze.toml").write_text(config)
        with serving("run", "gaze.toml", "--json") as (daemon, daemon_listens):
            url = daemon_listens["http"]
            until_ready(url, daemon)
            say(f"6. Serving. Status page {url}/  metrics {url}/metrics  readiness {url}/readyz")
            # In a terminal a table that lives for a while; in a pipe one line each, so only some of them.
            until = ["--seconds", "40"] if sys.stdout.isatty() else ["--count", "48"]
            gaze("watch", "--embedded", "state", *([] if live else until))
            say("What Prometheus would scrape (all of it in demo/metrics.txt):")
            metrics(url)
        return daemon.returncode


def main() -> None:
    """Run the demo from an empty folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", action="store_true", help="keep serving until Ctrl-C")
    live = parser.parse_args().live
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    begun = time.monotonic()
    say("1. Bars of a known process: a burst of volume foretells a move some hours later.")
    gaze("bars", "simulate", "--out", "bars.parquet", "--symbols", str(SYMBOLS))
    say("2. Train a small attention LSTM on them, and judge it beside what knows nothing.")
    gaze("train", "demo", "--bars", "bars.parquet", "--out", "run")
    say("3. Export it; ONNX Runtime must reproduce PyTorch, or there is no bundle.")
    gaze("export", "run", "--out", "bundle")
    say("4. Where does it look, and may that be read as an explanation? Here the truth is known.")
    gaze("explain", "run", "--bars", "bars.parquet", "--out", "pictures")
    say("5. A stand-in exchange plays the bars the model has not seen; the daemon serves them.")
    status = serve(live=live)
    say(f"Done in {time.monotonic() - begun:.0f} s. The daemon drained and exited with status {status}.")
    print("  demo/run/        what was trained: recipe, scores beside baselines, history")
    print("  demo/pictures/   where it looks: open demo/pictures/index.html in a browser")
    print("  demo/bundle/     what was served: model.onnx, manifest, golden outputs")
    print("  demo/state/      windows and predictions, durable; the next start goes on from there")
    print("  demo/metrics.txt the last scrape")
    print("next: make demo-live, or README.md for your own bars")
    sys.exit(status)


if __name__ == "__main__":
    main()
