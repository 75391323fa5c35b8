import pytest
import torch
from runs import a_recipe, some_bars

from core.errors import ConfigError
from training import families
from training.data.panel import panel
from training.data.split import split
from training.fitting import loop
from training.fitting.history import Epoch
from training.fitting.precision import Precision, device

CPU = torch.device("cpu")


def trained(*changes: str) -> tuple[Epoch, ...]:
    recipe = a_recipe("optimiser.epochs=3", "optimiser.learning_rate=0.01", *changes)
    parts = split(panel(some_bars(), recipe), recipe)
    torch.manual_seed(0)
    of = parts.train.panel
    model = families.build(recipe.model.family, recipe.model.options, of.inputs, of.outputs)
    loop.set_up(model, parts)
    fit = loop.Fit(model, parts, recipe)
    list(fit.epochs(lambda *_: None))
    assert {weights.dtype for weights in model.parameters()} == {torch.float32}
    return fit.history


def test_a_cpu_computes_in_32_bits_unless_told_otherwise():
    assert Precision("auto", CPU).name == "32"


def test_sixteen_bits_are_refused_on_a_cpu():
    with pytest.raises(ConfigError, match="is for GPUs"):
        Precision("16", CPU)


def test_bfloat16_is_taken_where_a_cpu_has_instructions_for_it_and_refused_elsewhere():
    """Taken, it comes near a training in 32 bits, and is not the same."""
    if not torch.cpu.get_capabilities().get("avx512_bf16", False):
        with pytest.raises(ConfigError, match=r"would be slower.*precision=32"):
            Precision("bf16", CPU)
        return
    exact, coarse = trained(), trained("optimiser.precision=bf16")
    assert coarse != exact
    for one, other in zip(exact, coarse, strict=True):
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=0.02)
        assert other.train_loss == pytest.approx(one.train_loss, rel=0.02)


def test_matrix_products_are_in_bfloat16_inside_and_in_32_bits_outside():
    precision = Precision("32", CPU)
    precision.name = "bf16"
    x = torch.ones(2, 2)
    with precision.cast():
        assert (x @ x).dtype is torch.bfloat16
    assert (x @ x).dtype is torch.float32


def test_a_step_whose_gradients_overflow_changes_nothing():
    """As float16 does at first: the scale is halved, and the norm of that step counts as none."""
    precision = Precision("32", CPU)
    precision.name, precision._scaler = "16", torch.amp.GradScaler("cpu", init_scale=2.0**16, enabled=True)
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.Adam([weight], lr=0.1, fused=True)
    precision.backward(weight * torch.tensor(1e38))
    assert precision.step(optimiser, [weight], clip=1.0).item() == 0
    assert weight.item() == 1
    assert precision.state()["scale"] == 2.0**15
    precision.backward(weight * torch.tensor(3.0))
    assert precision.step(optimiser, [weight], clip=10.0).item() == pytest.approx(3)
    assert weight.item() == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["cpu", "auto"])
def test_a_device_is_found_by_its_name(name: str):
    expected = "cuda" if name == "auto" and torch.cuda.is_available() else "cpu"
    assert device(name).type == expected
