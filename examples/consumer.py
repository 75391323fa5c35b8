"""Read every prediction, also those that came while this program was away, and say "done" after each.

    python examples/consumer.py --url unix:///path/to/state/redis.sock --model bitcoin_hourly

The stream is the record, and a consumer group remembers in it where you are. The channel only wakes you up: it may
lose messages. So this sleeps until the channel says something, then reads the stream. It needs only `redis`.
"""

import argparse
import json
import sys
from contextlib import suppress

import redis

GROUP, ME = "example", "consumer-1"


def show(message: bytes) -> None:
    said = json.loads(message)["prediction"]
    outputs = "  ".join(f"{name} {value}" for name, value in said["outputs"].items())
    looks = [(name, gaze["top"][0]) for name, gaze in said["gaze"].items()]
    looked = ", ".join(f"{name}: {step['bars_ago']} bars ago ({step['weight']:.0%})" for name, step in looks)
    print(f"{said['symbol']:<10} {outputs}  looked at {looked}", flush=True)


def resync(client: redis.Redis, stream: str, latest: str) -> None:
    """After a long absence the stream may have dropped what we had not read; each symbol's latest is still there."""
    group = next(group for group in client.xinfo_groups(stream) if group["name"] == GROUP.encode())
    kept = client.xinfo_stream(stream)
    trimmed = kept.get("entries-added", 0) - kept["length"]  # Redis 6.2 does not count
    dropped = trimmed - (group.get("entries-read") or trimmed)
    if dropped > 0:
        print(f"{dropped} predictions were dropped before we read them; the latest are:", file=sys.stderr)
        for key in client.scan_iter(match=latest + "*", count=1_000):
            show(client.get(key))


def read(client: redis.Redis, stream: str, after: str) -> int:
    """Show and acknowledge what is new (">"), or what we took before and never acknowledged ("0")."""
    count = 0
    while entries := [entry for _, some in client.xreadgroup(GROUP, ME, {stream: after}, count=500) for entry in some]:
        for number, fields in entries:
            if fields:  # none: dropped from the stream since we took it
                show(fields[b"message"])
            client.xack(stream, GROUP, number)
        count += len(entries)
    return count


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--url", default="redis://localhost:6379/0")
    asked.add_argument("--model", required=True)
    asked.add_argument("--shard", default="0")
    asked.add_argument("--count", type=int, default=sys.maxsize, help="end after so many predictions")
    told = asked.parse_args()
    stream, latest = f"gaze:{{{told.shard}}}:predictions:{told.model}", f"gaze:{{{told.shard}}}:latest:{told.model}:"

    client = redis.Redis.from_url(told.url, protocol=2)
    with suppress(redis.ResponseError):  # the group is there: go on where it was
        client.xgroup_create(stream, GROUP, id="0", mkstream=True)  # "0": from the oldest kept; "$": only what comes
    wake = client.pubsub(ignore_subscribe_messages=True)
    wake.subscribe(f"gaze:predictions:{told.model}")
    resync(client, stream, latest)
    count = read(client, stream, "0") + read(client, stream, ">")
    while count < told.count:
        wake.get_message(timeout=5.0)
        while wake.get_message():  # one reading is enough for all of them
            pass
        count += read(client, stream, ">")


if __name__ == "__main__":
    main()
