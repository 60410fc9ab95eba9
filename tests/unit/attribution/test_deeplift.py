"""DeepLift: answers by hand, the sum property, and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from conceptrast.attribution.completeness import completeness_gap
from conceptrast.attribution.deeplift import deeplift
from conceptrast.base.errors import ShapeError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models.split import SplitModel


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    """The networks that a test makes have the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def split_before(*parts: nn.Module) -> SplitModel:
    """A network whose suffix is ``parts``."""
    return SplitModel(nn.Sequential(nn.Identity(), *parts).eval(), "0")


class Call(nn.Module):
    """Calls a function, so that no module stands for it."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def test_two_relu_layers_by_hand() -> None:
    # h = relu(a1 - a2, a1 + a2), f = relu(2 h1 + h2 - 3); a0 = (0, 0): h0 = (0, 0), f0 = relu(-3) = 0.
    # a = (2, 1): h = (1, 3), z = 2, f = 2. Multipliers: m_h = 1 and 1; m_z = (2 - 0) / (2 + 3) = 0.4.
    # df/da1 = 0.4 (2·1 + 1·1) = 1.2, df/da2 = 0.4 (-2 + 1) = -0.4; attribution (2.4, -0.4), sum 2.
    first = nn.Linear(2, 2, bias=False)
    second = nn.Linear(2, 1)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
        second.weight.copy_(torch.tensor([[2.0, 1.0]]))
        second.bias.fill_(-3.0)
    split = split_before(nn.Flatten(), first, nn.ReLU(), second, nn.ReLU())
    attribution = deeplift(split, torch.tensor([[[[2.0]], [[1.0]]]]), torch.zeros(1, 2, 1, 1), 0)
    torch.testing.assert_close(attribution.flatten(), torch.tensor([2.4, -0.4]))


def test_overlapping_max_pooling_by_hand() -> None:
    # Windows (1, 5), (5, 2) against baseline (0, 0), (0, 4): the first rises by 5 at the middle, the second rises
    # from 4 to 5 by 1, also at the middle: 6 in all.
    split = split_before(nn.MaxPool2d((1, 2), stride=1), nn.Flatten(), Call(lambda x: x.sum(1, keepdim=True)))
    attribution = deeplift(split, torch.tensor([[[[1.0, 5.0, 2.0]]]]), torch.tensor([[[[0.0, 0.0, 4.0]]]]), 0)
    torch.testing.assert_close(attribution.flatten(), torch.tensor([0.0, 6.0, 0.0]))


def test_a_linear_suffix_has_a_closed_form() -> None:
    linear = nn.Linear(12, 5)
    activations = normal(4, 3, 2, 2)
    baseline = normal(1, 3, 2, 2, seed=1)
    targets = torch.tensor([4, 0, 2, 2])
    attribution = deeplift(split_before(nn.Flatten(), linear), activations, baseline, targets)
    expected = (activations - baseline) * linear.weight.detach()[targets].view(4, 3, 2, 2)
    torch.testing.assert_close(attribution, expected)


MODULES = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.ReLU6(inplace=True),
    nn.Sigmoid(),
    nn.SiLU(inplace=True),
    nn.Hardswish(inplace=True),
    nn.Hardsigmoid(),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.Tanh(),
    nn.Softplus(beta=2),
    nn.LeakyReLU(0.1, inplace=True),
    nn.ELU(inplace=True),
    nn.SELU(),
    nn.CELU(),
    nn.Mish(),
    nn.PReLU(4),
    nn.Hardtanh(inplace=True),
    nn.Softsign(),
    nn.LogSigmoid(),
    nn.Threshold(0.3, -1.0),
    nn.MaxPool2d(2),
    nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    nn.MaxPool2d(2, dilation=2, stride=1),
    nn.AdaptiveMaxPool2d(2),
    Call(torch.relu),
    Call(lambda x: torch.relu_(x * 1.0)),
    Call(lambda x: (x * 1.0).relu_()),
    Call(lambda x: x.clamp(0, 1)),
    Call(lambda x: x.clamp_min(0.1)),
    Call(lambda x: functional.relu(input=x)),
    Call(torch.sigmoid),
    Call(lambda x: functional.max_pool2d(x, 2)),
    Call(lambda x: torch.max_pool2d(x, 2)),
    Call(lambda x: functional.silu((x * 1.0).flatten(1), inplace=True)),
    Call(lambda x: functional.gelu(x.reshape(-1, 3, 4))),
    nn.RReLU(),
    nn.RReLU(inplace=True),
    Call(lambda x: torch.clip(x, -0.5, 0.5)),
    Call(lambda x: x.clip(max=0.2)),
    Call(lambda x: (x * 1.0).clip_(0, 1)),
    Call(torch.exp),
    Call(lambda x: (x * 1.0).exp_()),
    Call(torch.expm1),
    Call(abs),
    Call(lambda x: (x * 1.0).abs_()),
    Call(torch.square),
    Call(lambda x: (x * 1.0).square_()),
    Call(lambda x: torch.sqrt(functional.relu(x))),
    Call(lambda x: (x.abs() + 0.1).sqrt_()),
    Call(lambda x: (x.abs() + 0.1).rsqrt()),
    Call(lambda x: torch.log(x.square() + 0.1)),
    Call(lambda x: (x.abs() + 0.1).log_()),
    Call(lambda x: torch.log1p(x.abs())),
    Call(torch.erf),
    Call(torch.sin),
]


@pytest.mark.parametrize("part", MODULES, ids=str)
@pytest.mark.parametrize("baselines", [1, 3])
def test_attribution_adds_up_through_every_nonlinearity(part: nn.Module, baselines: int) -> None:
    torch.nn.Module.requires_grad_(part, False)
    width = part(normal(1, 4, 6, 6)).numel()
    split = split_before(nn.Conv2d(4, 4, 3, padding=1), part, Call(lambda x: x.reshape(-1, width)), nn.Linear(width, 3))
    activations = normal(3, 4, 6, 6)
    baseline = normal(baselines, 4, 6, 6, seed=1)
    kept = activations.clone()
    targets = torch.tensor([0, 2, 1])
    attribution = deeplift(split, activations, baseline, targets)
    gap = completeness_gap(split, attribution, activations=activations, baseline=baseline, target=targets)
    assert gap.max() < 1e-4
    torch.testing.assert_close(activations, kept, rtol=0, atol=0)


def test_what_a_call_in_place_overwrites_stays_overwritten() -> None:
    def forgetful(x: Tensor) -> Tensor:
        y = x * 1.0
        functional.relu(y, inplace=True)  # the result is what y holds now
        return y

    split = split_before(Call(forgetful), nn.Flatten(), nn.Linear(16, 2))
    activations = normal(2, 4, 2, 2)
    baseline = normal(1, 4, 2, 2, seed=1)
    attribution = deeplift(split, activations, baseline, 1)
    assert completeness_gap(split, attribution, activations=activations, baseline=baseline, target=1).max() < 1e-5
    assert (attribution[(activations < 0) & (baseline < 0)] == 0).all()


def test_close_to_the_baseline_the_derivative_takes_the_ratios_place() -> None:
    split = split_before(nn.Sigmoid(), nn.Flatten())
    activations = torch.full((1, 1, 1, 1), 0.5)
    attribution = deeplift(split, activations, activations - 1e-7, 0)
    way = activations - (activations - 1e-7)
    slope = torch.sigmoid(activations) * (1 - torch.sigmoid(activations))
    torch.testing.assert_close(attribution, way * slope)
    assert deeplift(split, activations, activations, 0).abs().max() == 0


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet50", "layer3.5"), ("resnet18", "bn1"), ("mobilenet_v2", "features.17")]
)
def test_attribution_adds_up_where_modules_are_reused(name: str, layer: str) -> None:
    network = getattr(torchvision.models, name)(weights=None).eval().requires_grad_(False)
    split = SplitModel(network, layer)
    with torch.no_grad():
        activations = split.prefix(normal(2, 3, 64, 64))
        baseline = split.prefix(torch.ones(1, 3, 64, 64))
    attribution = deeplift(split, activations, baseline, torch.tensor([7, 400]))
    assert (
        completeness_gap(
            split, attribution, activations=activations, baseline=baseline, target=torch.tensor([7, 400])
        ).max()
        < 1e-3
    )
    assert attribution.shape == activations.shape


def test_products_leave_a_gap_that_is_reported() -> None:
    split = split_before(Call(lambda x: x * x), nn.Flatten())
    activations = torch.full((1, 1, 1, 1), 3.0)
    baseline = torch.full((1, 1, 1, 1), 1.0)
    attribution = deeplift(split, activations, baseline, 0)
    assert attribution.item() == 12.0  # (3 - 1) · 2 · 3, where the logit changes by 8
    assert completeness_gap(split, attribution, activations=activations, baseline=baseline, target=0).item() == 0.5


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_an_image_has_the_same_attribution_in_any_batch_and_memory_format(form: torch.memory_format) -> None:
    split = split_before(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.SiLU(), nn.Flatten(), nn.Linear(72, 3))
    activations = normal(5, 4, 10, 10)
    baseline = normal(1, 4, 10, 10, seed=1)
    targets = torch.tensor([0, 1, 2, 1, 0])
    together = deeplift(split, activations.contiguous(memory_format=form), baseline, targets)
    for row in range(5):
        alone = deeplift(split, activations[row : row + 1], baseline, int(targets[row]))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_it_works_whatever_the_caller_records_and_leaves_no_gradients(context) -> None:
    linear = nn.Linear(16, 2)
    split = split_before(nn.ReLU(), nn.Flatten(), linear)
    with context():
        attribution = deeplift(split, normal(2, 4, 2, 2), torch.zeros(1, 4, 2, 2), 0)
    assert not attribution.requires_grad
    assert linear.weight.grad is None
    assert attribution.abs().sum() > 0


def test_in_bfloat16_it_is_near_what_it_is_in_float32() -> None:
    split = split_before(nn.Conv2d(4, 8, 3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3))
    activations = normal(3, 4, 10, 10)
    baseline = normal(1, 4, 10, 10, seed=1)
    exact = deeplift(split, activations, baseline, 1)
    with torch.autocast("cpu", torch.bfloat16):
        attribution = deeplift(split, activations.bfloat16(), baseline.bfloat16(), 1)
    assert attribution.dtype == torch.float32
    assert (attribution - exact).norm() < 0.02 * exact.norm()


def test_float64_stays_float64() -> None:
    split = split_before(nn.Sigmoid(), nn.Flatten())
    attribution = deeplift(split, torch.ones(1, 1, 1, 1).double(), torch.zeros(1, 1, 1, 1).double(), 0)
    torch.testing.assert_close(attribution.sum(), torch.sigmoid(torch.tensor(1.0).double()) - 0.5, rtol=0, atol=1e-15)


def test_nothing_is_left_behind_by_a_failure() -> None:
    def broken(x: Tensor) -> Tensor:
        if x.requires_grad:
            raise RuntimeError("broken")
        return x

    class Untraceable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return broken(functional.relu(self.first(x))) if x.sum() < 1e9 else x

    split = SplitModel(Untraceable().eval(), "first", torch.ones(1, 3, 2, 2))
    with pytest.raises(RuntimeError, match="broken"):
        deeplift(split, torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), 0)
    x = torch.tensor([2.0, -1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(functional.gelu(torch.relu(x)).sum(), x)
    assert functional.relu(x).grad_fn.name() == "ReluBackward0"
    assert gradient[1] == 0


@pytest.mark.parametrize(
    ("baseline", "target", "words"),
    [
        ((2, 1, 1, 1), 0, r"baseline has shape \[2, 1, 1, 1\]; it needs \[1, 1, 1, 1\] or \[3, 1, 1, 1\]"),
        ((1, 2, 1, 1), 0, "baseline has shape"),
        ((1, 1, 1, 1), [0, 0], r"target has shape \[2\]"),
        ((1, 1, 1, 1), 5, "class index 5; the model has 1 classes"),
        ((1, 1, 1, 1), [0, -1, 0], "class index -1; the model has 1 classes"),
    ],
)
def test_shapes_that_do_not_fit_are_named(baseline: tuple[int, ...], target: object, words: str) -> None:
    split = split_before(nn.Flatten())
    with pytest.raises(ShapeError, match=words):
        deeplift(split, torch.ones(3, 1, 1, 1), torch.zeros(baseline), torch.as_tensor(target))
