"""One graph for each of several lengths: what the whole window gives, and only of windows that expand."""

import numpy as np
import onnx
import pytest
from bundles import float_weights, scaled
from sources import a_source

from core import buckets
from core.errors import BundleError
from export import to_buckets, to_onnx
from export.prove import prove
from export.source import Source


@pytest.fixture(scope="module")
def source() -> Source:
    return a_source("hybrid_lstm")


@pytest.fixture(scope="module")
def files(source: Source) -> tuple[bytes, ...]:
    return to_buckets.convert(source)


def test_a_window_of_720_rows_has_the_buckets_that_are_told():
    assert buckets.buckets_of(720, 60) == (90, 180, 360, 720)
    assert buckets.buckets_of(720, 100) == (180, 360, 720)


def test_every_bucket_takes_its_own_length_and_any_batch(files: tuple[bytes, ...]):
    for file, size in zip(files, (4, 8, 16), strict=True):
        shapes = {one.name: one.type.tensor_type.shape.dim for one in onnx.load_model_from_string(file).graph.input}
        assert shapes["features"][1].dim_value == size
        assert not shapes["features"][0].HasField("dim_value")
        assert [dim.dim_value for dim in shapes["lengths"]] == [0]


def test_they_give_what_pytorch_gives_in_two_lengths_and_two_batches_each(source: Source, files: tuple[bytes, ...]):
    artefact, _ = prove("buckets", files, source, 1e-5)
    assert artefact.files == ("model.bucket1.onnx", "model.bucket2.onnx", "model.bucket3.onnx")
    assert max(artefact.measured.values()) < 2e-6


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bucket_whose_weights_are_wrong_by_one_percent_is_refused(
    source: Source, files: tuple[bytes, ...], place: int
):
    accepted = set()
    for name in float_weights(files[place]):
        try:
            to_buckets.check((*files[:place], scaled(name, 1.01)(files[place]), *files[place + 1 :]), source, 1e-5)
        except BundleError as error:
            assert "does not reproduce its golden values" in str(error)  # noqa: PT017
        else:
            accepted.add(name)
    # Over four rows it hardly matters how one asks: of all weights one is within the tolerance there.
    assert len(accepted) <= (1 if place == 0 else 0)


def test_each_window_goes_to_the_smallest_bucket_that_holds_it_whatever_is_beside_it(
    source: Source, files: tuple[bytes, ...]
):
    asked: list[tuple[int, list[int]]] = []

    def counting(size: int, graph: buckets.Graph) -> buckets.Graph:
        def run(inputs: dict[str, np.ndarray]) -> buckets.Outputs:
            asked.append((size, inputs["lengths"].tolist()))
            return graph(inputs)

        return run

    graphs = {size: counting(size, to_onnx.opened(file)) for size, file in zip((4, 8, 16), files, strict=True)}
    x_NTF = np.repeat(source.inputs["features"][1:2], 5, axis=0)
    for row, length in enumerate((16, 4, 9, 5, 8)):
        x_NTF[row, : 16 - length] = np.nan
    looks = to_buckets.looks(source.manifest)
    together = buckets.run(graphs, "features", looks, {"features": x_NTF})
    assert asked == [(4, [4]), (8, [5, 8]), (16, [16, 9])]
    for row in (3, 2):
        beside = buckets.run(graphs, "features", looks, {"features": x_NTF[[row, row]]})
        assert all(beside[name][0].tobytes() == together[name][row].tobytes() for name in together)
    assert (together["attention"][1, :, :12] == 0).all()
    np.testing.assert_allclose(together["attention"].sum(axis=-1), 1, rtol=1e-5)


def test_a_model_none_of_whose_windows_expand_has_no_buckets():
    with pytest.raises(BundleError, match=r"0 windows of this model expand, .* is one; try: without --to buckets"):
        to_buckets.convert(a_source("tcn"))
