"""The matrix of families and forms is made in pieces, and says of every cell that is empty why."""

from pathlib import Path

import msgspec

from benchmarks.engines.matrix import Found, keep, merged, read, table, write

TIMED = Found(
    family="tcn",
    form="onnx",
    kib=492.4,
    predictions_off=3e-7,
    attention_off=2e-7,
    found_on="2026-11-21, abc",
    times={1: 4.94, 32: 1.3, 1_000: 1.4},
    us={1: 205.3, 32: 89.6, 1_000: 93.0},
    timed_on="2026-11-21, abc",
)
NOT_RUN = Found(family="tcn", form="tensorrt", kib=2_234.0, found_on="2026-11-22, def", not_run="there is no GPU")
REFUSED = Found(family="tcn", form="stream", refused="its convolutions keep no state", found_on="2026-11-22, def")


def test_what_is_found_again_takes_its_place_and_keeps_the_speed_that_was_not_measured_again():
    again = Found(family="tcn", form="onnx", kib=500.0, found_on="2026-11-22, def")
    (one, other) = merged(merged([TIMED, NOT_RUN], again), NOT_RUN)
    assert (one.kib, one.found_on, one.times, one.timed_on) == (500.0, "2026-11-22, def", TIMED.times, TIMED.timed_on)
    assert other == NOT_RUN


def test_a_form_that_is_refused_now_keeps_no_speed():
    refused = Found(family="tcn", form="onnx", refused="an operator is missing", found_on="2026-11-22, def")
    assert merged([TIMED], refused) == [refused]


def test_what_is_kept_is_read_again(tmp_path: Path):
    path = tmp_path / "engines.json"
    for one in (TIMED, NOT_RUN, REFUSED, TIMED):
        keep(one, path)
    assert read(path) == [TIMED, NOT_RUN, REFUSED]
    assert read(tmp_path / "none.json") == []


def test_the_table_stands_in_one_order_and_says_what_each_dash_means():
    waiting = msgspec.structs.replace(TIMED, form="int8", times={}, us={}, timed_on="")
    told = table([REFUSED, waiting, NOT_RUN, TIMED], ("tcn",), ("onnx", "stream", "int8", "tensorrt"))
    rows = [line for line in told.splitlines() if line.startswith("| tcn")]
    assert rows == [
        "| tcn | onnx | 3e-07 | 2e-07 | 492 | 4.9 / 1.3 / 1.4 | 205 / 90 / 93 |",
        "| tcn | stream | no: its convolutions keep no state | - | - | - | - |",
        "| tcn | int8 | 3e-07 | 2e-07 | 492 | - | - |",
        "| tcn | tensorrt | - | - | 2,234 | - | - |",
    ]
    assert "- tensorrt: there is no GPU." in told
    assert "- 1 more: not timed yet." in told
    assert "Forms as of 2026-11-21, abc; 2026-11-22, def; speeds as of 2026-11-21, abc." in told


def test_a_page_keeps_what_stands_around_the_table(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- /measured -->\nbehind\n")
    for text in ("new\n", "newer\n"):
        write(text, "measured", page)
    assert page.read_text() == "before\n<!-- measured -->\nnewer\n<!-- /measured -->\nbehind\n"
