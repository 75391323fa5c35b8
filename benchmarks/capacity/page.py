"""What many symbols need and by how much the model that says so errs, as Markdown."""

from typing import Any, Final

COLUMNS: Final = (
    "shards",
    "primaries",
    "daemon_cores_minute",
    "redis_cores_minute",
    "daemon_mib",
    "redis_mib",
)
CHECKED: Final = {
    "daemon_close_s": "CPU at a close",
    "daemon_bar_s": "CPU of a bar",
    "daemon_idle_s": "CPU of idling",
    "daemon_mib": "memory",
    "redis_bar_s": "Redis: CPU of a bar",
    "redis_commands": "commands",
    "redis_mib": "memory",
}


def needs(report: dict[str, Any]) -> str:
    """Both tables, from what `gaze bench capacity --keep` left."""
    model, symbols = report["model"], report["needs"][0]["symbols"]
    words = ("shards, each of a core", "primaries of Redis", "cores busy over a minute, daemons + Redis")
    lines = [
        f"| last of {symbols:,} predictions within | {' | '.join(words)} | memory, daemons + Redis |",
        "|---" * 5 + "|",
    ]
    lines += [
        f"| {one['within_s']:g} s | {one['shards']:g} | {one['primaries']:g} "
        f"| {one['daemon_cores_minute']:.1f} + {one['redis_cores_minute']:.2f} "
        f"| {one['daemon_mib'] / 1024:.1f} + {one['redis_mib'] / 1024:.1f} GiB |"
        for one in report["needs"]
    ]
    hour_gb = model["stream_bytes"] * symbols * 60 / 1e9
    spoken = (
        f"With {report['updates']} open updates of each bar, at {model['update_s'] * 1e6:.1f} us of CPU each. Beside"
    )
    streams = (
        f"the memory of Redis its streams, {model['stream_bytes'] / 1e3:.1f} KB a message: {hour_gb:.1f} GB an hour."
    )
    lines += [
        "",
        spoken,
        streams,
        "",
        "So far the model, made of one and two processes at other sizes, is from what was measured:",
    ]
    lines += ["", f"| symbols | processes | {' | '.join(CHECKED.values())} |", "|---" * (2 + len(CHECKED)) + "|"]
    for use in report["checked"]:
        off = " | ".join(f"{100 * use['error'][name]:+.0f} %" for name in CHECKED)
        lines.append(f"| {use['symbols']:,} | {use['processes']} | {off} |")
    where = f"{report['machine']}, load {report['load_before'][0]} before, {report['date']}, {report['commit']}."
    return "\n".join([*lines, "", where]) + "\n"
