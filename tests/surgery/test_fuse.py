"""Norm, residual and activation made one call: same numbers, gradients and statistics."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import normkit as nk
from normkit import kernels
from normkit.surgery.endings import ACTIVATION_OF
from normkit.surgery.fused import Fused, observed
from normkit.surgery.pending import Pending
from normkit.testing.problem import without_pytorchs_warnings

Then = Callable[[nn.Module, Tensor], Tensor]
"""What a model does with its norm and what that is called with."""


class Model(nn.Module):
    """A convolution, then whatever is done with a norm."""

    def __init__(self, then: Then, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6) if norm is None else norm
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.norm, self.conv(x))


def example(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(4, 3, 5, 4, dtype=dtype) * 2 + 1


def randomised(model: nn.Module) -> nn.Module:
    """A model whose norms do something: γ, β and running statistics as they may be."""
    with torch.no_grad():
        for module in model.modules():
            for name in ("weight", "bias", "running_mean"):
                tensor = getattr(module, name, None)
                if isinstance(tensor, Tensor) and tensor.ndim == 1:
                    tensor.uniform_(-1.5, 1.5)
            if isinstance(variance := getattr(module, "running_var", None), Tensor):
                variance.uniform_(0.5, 2)
    return model


def pair(then: Then, norm: nn.Module | None = None) -> tuple[nn.Module, nn.Module]:
    """The same model twice."""
    plain = randomised(Model(then, norm)).double()
    return plain, copy.deepcopy(plain)


def run(model: nn.Module, x: Tensor, upstream: int = 1) -> dict[str, Tensor]:
    """Output, gradients for a random gradient of the output, and buffers after the pass."""
    x = x.detach().clone().requires_grad_()
    model.zero_grad()
    y = model(x)
    generator = torch.Generator().manual_seed(upstream)
    y.backward(torch.randn(y.shape, generator=generator).to(y.dtype))
    told = {"y": y.detach(), "x": x.grad, **dict(model.named_buffers())}
    if isinstance(getattr(model, "norm", None), nn.InstanceNorm2d):
        told.pop("norm.num_batches_tracked", None)  # PyTorch's does not count.
    for name, parameter in model.named_parameters():
        told[f"grad of {name}"] = parameter.grad
    return {name: value.detach().clone() for name, value in told.items() if value is not None}


def check_same(plain: nn.Module, fused: nn.Module, x: Tensor, **tolerance: float) -> None:
    """Two passes, so that statistics that moved twice would be seen."""
    for _ in range(2):
        torch.testing.assert_close(run(fused, x), run(plain, x), **tolerance)


def is_fused(model: nn.Module, x: Tensor) -> bool:
    """Whether every norm of a model is computed with what comes after it: nothing is pending."""
    seen: list[bool] = []

    def see(layer: Any, _: Tensor, residual: Tensor | None, act: Any, __: Tensor) -> None:
        seen.append((residual is not None) == layer.sums and (act is not None) == layer.acts)

    with observed(see), torch.no_grad():
        copy.deepcopy(model)(x)  # Whose statistics nobody looks at.
    return bool(seen) and all(seen)


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("leaky_relu", {"negative_slope": 0.3}),
    ("elu", {"alpha": 0.5}),
    ("celu", {"alpha": 0.5}),
    ("gelu", {"approximate": "tanh"}),
    ("hardtanh", {"min_val": -0.5, "max_val": 0.25}),
    ("softplus", {"beta": 2.0, "threshold": 3.0}),
]

MODULES: list[nn.Module] = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.LeakyReLU(),
    nn.PReLU(dtype=torch.float64),
    nn.LeakyReLU(0.3),
    nn.LeakyReLU(0.3, inplace=True),
    nn.ReLU6(),
    nn.ReLU6(inplace=True),
    nn.ELU(),
    nn.ELU(0.5, inplace=True),
    nn.SELU(),
    nn.SELU(inplace=True),
    nn.CELU(0.5),
    nn.SiLU(),
    nn.SiLU(inplace=True),
    nn.Mish(),
    nn.GELU(),
    nn.GELU("tanh"),
    nn.Hardswish(),
    nn.Hardswish(inplace=True),
    nn.Hardsigmoid(),
    nn.Hardtanh(),
    nn.Hardtanh(-0.5, 0.25, inplace=True),
    nn.Softplus(),
    nn.Softplus(2, 3),
    nn.Softsign(),
    nn.Sigmoid(),
    nn.Tanh(),
]


@pytest.mark.parametrize(
    "function", ACTIVATION_OF, ids=lambda function: f"{type(function).__name__}-{function.__name__}"
)
def test_every_function_that_is_an_activation_is_fused(function: Callable[..., Tensor]) -> None:
    slopes = (
        [torch.full((), 0.3, dtype=torch.float64)] if ACTIVATION_OF[function] == "prelu" else []
    )
    plain, fused = pair(lambda norm, y: function(norm(y), *slopes))
    x = example()
    surgery = nk.fuse_(fused, x)
    assert surgery.sites[0].done == f"norm + {ACTIVATION_OF[function]} in one call"
    assert is_fused(fused, x)
    check_same(plain, fused, x)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("ending", ["", "_"])
@pytest.mark.parametrize("positional", [False, True])
def test_the_options_of_an_activation_count(
    name: str, options: dict[str, Any], ending: str, positional: bool
) -> None:
    function = getattr(F, name + ending, None)
    if function is None or (positional and name == "gelu"):
        function, positional = getattr(F, name), False  # GELU's is a keyword; some have no twin.
    call = (
        (lambda y: function(y, *options.values()))
        if positional
        else (lambda y: function(y, **options))
    )
    plain, fused = pair(lambda norm, y: call(norm(y)))
    x = example()
    nk.fuse_(fused, x)
    assert is_fused(fused, x)
    check_same(plain, fused, x)
    without = Model(lambda norm, y: getattr(F, name)(norm(y))).double()
    without.load_state_dict(plain.state_dict())
    assert not torch.allclose(without.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_that_is_an_activation_is_fused(module: nn.Module) -> None:
    plain = randomised(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), module)).double()
    fused, x = copy.deepcopy(plain), example()
    nk.fuse_(fused, x)
    assert is_fused(fused, x)
    check_same(plain, fused, x)


def add_in_place(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    out += y
    return F.relu(out, inplace=True)


def inplace_add_then_relu_as_a_method(norm: nn.Module, y: Tensor) -> Tensor:
    return norm(y).add_(y).relu_()


SUMS: dict[str, Then] = {
    "on the left": lambda norm, y: F.relu(norm(y) + y),
    "on the right": lambda norm, y: F.relu(y + norm(y)),
    "in place": add_in_place,
    "methods in place": inplace_add_then_relu_as_a_method,
    "torch.add": lambda norm, y: torch.relu(torch.add(norm(y), y)),
    "torch.add, on the right": lambda norm, y: torch.relu(torch.add(y, norm(y))),
    "a method": lambda norm, y: norm(y).add(y).relu(),
    "without an activation": lambda norm, y: norm(y) + y,
    "in place without an activation": lambda norm, y: norm(y).add_(y),
    "with another activation": lambda norm, y: F.silu(norm(y) + y),
}


@pytest.mark.parametrize("then", SUMS.values(), ids=SUMS)
def test_a_sum_is_fused_however_it_is_written(then: Then) -> None:
    plain, fused = pair(then)
    x = example()
    surgery = nk.fuse_(fused, x)
    assert "residual" in (surgery.sites[0].done or "")
    assert is_fused(fused, x)
    check_same(plain, fused, x)


def added_in_place_to_another(norm: nn.Module, y: Tensor) -> Tensor:
    other = y * 2
    other += norm(y)
    return F.relu(other)


OTHER_SUMS: dict[str, Then] = {
    "a scale on the other": lambda norm, y: F.relu(torch.add(norm(y), y, alpha=0.5)),
    "a scale on it": lambda norm, y: F.relu(torch.add(y, norm(y), alpha=0.5)),
    "named": lambda norm, y: F.relu(torch.add(input=norm(y), other=y)),
    "a number": lambda norm, y: F.relu(norm(y) + 0.5),
    "a vector": lambda norm, y: F.relu(norm(y) + y[:1, :, :1, :1]),
    "a larger one": lambda norm, y: F.relu(norm(y) + torch.stack([y, y])),
    "another precision": lambda norm, y: F.relu(norm(y) + y.float()),
    "in place to another": added_in_place_to_another,
    "itself": lambda norm, y: F.relu((n := norm(y)) + n),
}


@pytest.mark.parametrize("then", OTHER_SUMS.values(), ids=OTHER_SUMS)
def test_other_sums_stay_right(then: Then) -> None:
    plain, fused = pair(then)
    x = example()
    nk.fuse_(fused, x)
    check_same(plain, fused, x)


@pytest.mark.parametrize("then", OTHER_SUMS.values(), ids=OTHER_SUMS)
def test_other_sums_are_right_where_a_plain_one_was_watched(then: Then) -> None:
    plain, fused = pair(SUMS["on the left"])
    x = example()
    nk.fuse_(fused, x)
    plain.then = fused.then = then
    check_same(plain, fused, x)


def two_activations(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    return F.relu(out) + torch.sigmoid(out)


def a_sum_and_an_activation(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    first = F.relu(out)
    return first * (out + y)


def a_sum_read_twice(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y) + y
    return F.relu(out) * out


def changed_in_place_after_a_reading(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    first = out * 2
    F.relu_(out)
    return first + out


def activated_in_place_and_read(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    F.relu(out, inplace=True)
    return out * 3 + F.relu6(out)


def added_in_place_and_read(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    same = out
    out += y
    return F.relu(same) * out


def changed_in_part(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    out[:, 1:3] = 0.5
    return F.relu(out)


def seen_through_a_view(norm: nn.Module, y: Tensor) -> Tensor:
    out = norm(y)
    out.flatten(1)[:, :7] *= 2
    return F.relu(out)


DEPARTURES: dict[str, Then] = {
    "two activations": two_activations,
    "a sum and an activation": a_sum_and_an_activation,
    "a sum, read twice": a_sum_read_twice,
    "read, then changed": changed_in_place_after_a_reading,
    "changed, then read": activated_in_place_and_read,
    "two names": added_in_place_and_read,
    "changed in part": changed_in_part,
    "a view": seen_through_a_view,
    "twice normalised": lambda norm, y: F.relu(norm(norm(y))),
    "called twice": lambda norm, y: F.relu(norm(y)) + F.relu(norm(y * 2)),
    "both called, then used": lambda norm, y: norm(y) + norm(y * 2 + 1),
    "used in the other order": lambda norm, y: torch.sub(
        *reversed([F.relu(n) for n in reversed([norm(y), norm(y * 2 + 1)])])
    ),
    "nothing": lambda norm, y: norm(y),
    "a pooling": lambda norm, y: F.relu(F.max_pool2d(norm(y), 2)),
    "another activation": lambda norm, y: torch.cos(norm(y)),
    "concatenated": lambda norm, y: F.relu(torch.cat([norm(y), y], 1)),
    "two sums": lambda norm, y: F.relu(norm(y) + y + y * 2),
    "its shape only": lambda norm, y: y * norm(y).shape[0],
    "a mean": lambda norm, y: F.relu(norm(y)).mean((2, 3)),
    "written elsewhere": lambda norm, y: F.relu(torch.relu(norm(y), **{})),
}


@pytest.mark.parametrize("then", DEPARTURES.values(), ids=DEPARTURES)
@pytest.mark.parametrize("watched", ["on the left", "in place", "without an activation"])
def test_whatever_a_later_pass_does_it_is_right(then: Then, watched: str) -> None:
    plain, fused = pair(SUMS[watched])
    x = example()
    nk.fuse_(fused, x)
    plain.then = fused.then = then
    check_same(plain, fused, x)


class WithAuxiliaryHead(nn.Module):
    """A head that reads ahead of the activation, in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.aux = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        out = F.relu(y)
        return out.mean(1, True) + self.aux(y).sum(1, True) if self.training else out.mean(1, True)


class NormAndAct(nn.Module):
    """What replaces a norm where modules are exchanged for others."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(x))


def test_an_auxiliary_head_in_one_mode_gets_what_it_got() -> None:
    plain = randomised(WithAuxiliaryHead()).double()
    fused, naive, x = copy.deepcopy(plain), copy.deepcopy(plain), example()
    surgery = nk.fuse_(fused.eval(), x)
    assert surgery.sites[0].done == "norm + relu in one call"
    check_same(plain.train(), fused.train(), x)
    # An activation after an activation changes nothing, so evaluation shows no error.
    plain.load_state_dict(naive.state_dict())
    naive.norm = NormAndAct(naive.norm)
    torch.testing.assert_close(naive.eval()(x), plain.eval()(x))
    assert (naive.train()(x) - plain.train()(x)).abs().max() > 0.1


@pytest.mark.parametrize("then", SUMS.values(), ids=SUMS)
@pytest.mark.parametrize("training", [True, False])
def test_single_precision_differs_by_rounding_only(then: Then, training: bool) -> None:
    plain, fused = (model.float().train(training) for model in pair(then))
    x = example(torch.float32)
    surgery = nk.fuse_(fused, x)
    assert surgery.difference is not None
    assert surgery.difference < 1e-6
    assert surgery.sites[0].difference is not None
    assert surgery.sites[0].difference < 1e-6
    check_same(plain, fused, x, rtol=1e-4, atol=1e-4)


NORMS: dict[str, Callable[[], nn.Module]] = {
    "BatchNorm2d": lambda: nn.BatchNorm2d(6),
    "BatchNorm2d without affine": lambda: nn.BatchNorm2d(6, affine=False),
    "BatchNorm2d without statistics": lambda: nn.BatchNorm2d(6, track_running_stats=False),
    "BatchNorm2d, cumulative": lambda: nn.BatchNorm2d(6, momentum=None),
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(6),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=False),
    "InstanceNorm2d with statistics": lambda: nn.InstanceNorm2d(6, track_running_stats=True),
    "GroupNorm": lambda: nn.GroupNorm(3, 6),
    "LayerNorm": lambda: nn.LayerNorm((5, 4)),
    "RMSNorm": lambda: nn.RMSNorm((5, 4)),
    "nk BatchNorm2d": lambda: nk.nn.BatchNorm2d(6),
    "nk GroupNorm": lambda: nk.nn.GroupNorm(2, 6),
    "nk LayerNorm2d": lambda: nk.nn.LayerNorm2d(6),
    "nk RMSNorm2d": lambda: nk.nn.RMSNorm2d(6),
}


@pytest.mark.parametrize("make", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("with_kernels", [True, False])
def test_every_norm_is_fused(
    make: Callable[[], nn.Module], training: bool, with_kernels: bool
) -> None:
    plain, fused = (model.train(training) for model in pair(SUMS["on the left"], make()))
    x = example()
    surgery = nk.fuse_(fused, x)
    assert surgery.sites[0].done == "norm + residual + relu in one call"
    assert surgery.sites[0].layer == type(plain.norm).__name__
    assert is_fused(fused, x)
    if with_kernels:
        check_same(plain, fused, x)
    else:
        with kernels.disabled():
            check_same(plain, fused, x)


def test_every_method_of_the_catalogue_is_fused() -> None:
    for name, method in nk.catalogue().items():
        if method.on == "weights" or name == "none":
            continue
        norm = nk.make(name, 6, dims=2)
        plain = Model(SUMS["on the left"], norm)
        fused, x = copy.deepcopy(plain), example(torch.float32)
        surgery = nk.fuse_(fused, x)
        assert surgery.sites[0].done == "norm + residual + relu in one call", name
        assert is_fused(fused, x), name
        check_same(plain, fused, x, rtol=1e-3, atol=1e-3)


def test_a_layer_with_an_activation_of_its_own_is_left_alone() -> None:
    plain, fused = pair(SUMS["on the left"], nk.nn.BatchNorm2d(6, act="tanh"))
    x = example()
    surgery = nk.fuse_(fused, x)
    assert surgery.sites[0].done is None
    assert surgery.sites[0].refused == "it has an activation of its own"
    assert type(fused.norm) is nk.nn.BatchNorm2d
    check_same(plain, fused, x)


def test_a_norm_with_a_forward_pass_of_its_own_is_left_alone() -> None:
    class Doubled(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 2

    plain, fused = pair(SUMS["on the left"], Doubled(6))
    surgery = nk.fuse_(fused, example())
    assert surgery.sites[0].refused == "Doubled has a forward pass of its own"
    assert type(fused.norm) is Doubled
    check_same(plain, fused, example())


class WithAMethod(nn.BatchNorm2d):
    def spread(self) -> Tensor:
        return self.running_var.sqrt()


class WithAMethodOfNormkit(nk.nn.BatchNorm2d):
    def spread(self) -> Tensor:
        return self.running_var.sqrt()


class Named(nn.BatchNorm2d):
    """As its base."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=0.3)


def test_what_a_class_of_the_users_own_can_do_it_can_still_do() -> None:
    for cls, done in (
        (WithAMethod, None),
        (WithAMethodOfNormkit, "norm + residual + relu in one call"),
        (Named, "norm + residual + relu in one call"),
    ):
        plain, fused = pair(SUMS["on the left"], cls(6))
        surgery = nk.fuse_(fused, example())
        assert surgery.sites[0].done == done
        assert hasattr(fused.norm, "spread") == hasattr(plain.norm, "spread")
        check_same(plain, fused, example())


REFUSED: dict[str, tuple[Then, str]] = {
    "output": (lambda norm, y: norm(y), "its output is the model's"),
    "unused": (lambda norm, y: (norm(y), y)[1], "nothing that could be seen reads its output"),
    "twice": (two_activations, "several calls read its output: relu, sigmoid"),
    "itself": (lambda norm, y: (n := norm(y)) + n, "add takes its output twice"),
    "shape": (lambda norm, y: norm(y) + y[:1], "what is added to it has another shape"),
    "into": (
        added_in_place_to_another,
        "it is added in place to another tensor, which others may read",
    ),
    "pooling": (
        lambda norm, y: F.max_pool2d(norm(y), 2),
        "max_pool2d follows, which is neither a sum nor an activation",
    ),
}


@pytest.mark.parametrize(("then", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_fused_is_told_with_the_reason(then: Then, reason: str) -> None:
    plain, fused = pair(then)
    surgery = nk.fuse_(fused, example())
    assert surgery.sites[0].done == "normkit's layer"
    assert surgery.sites[0].refused == reason
    assert not isinstance(fused.norm, Fused)
    check_same(plain, fused, example())


def test_of_two_norms_that_are_added_one_takes_the_sum() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 1)
            self.one, self.other = nn.BatchNorm2d(6), nn.BatchNorm2d(6)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return F.relu(self.one(y) + self.other(y * 2))

    plain = randomised(Block()).double()
    fused, x = copy.deepcopy(plain), example()
    surgery = nk.fuse_(fused, x)
    assert [site.done for site in surgery] == [
        "norm + residual + relu in one call",
        "normkit's layer",
    ]
    assert surgery.sites[1].refused == "the sum after it goes with the norm that it is added to"
    check_same(plain, fused, x)


def test_where_chooses_by_name_and_layer() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.BatchNorm2d(6))
    surgery = nk.fuse_(model, example(torch.float32), where=lambda name, layer: name == "1")
    assert [site.name for site in surgery] == ["1"]
    assert type(model[3]) is nn.BatchNorm2d
    surgery.undo()
    layers: list[nn.Module] = []
    nk.fuse_(model, example(torch.float32), where=lambda _, layer: bool(layers.append(layer)))
    assert layers == [model[1], model[3]]


def test_identity_and_dropout_in_evaluation_do_not_come_between() -> None:
    plain = randomised(
        nn.Sequential(
            nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6), nn.Identity(), nn.Dropout(), nn.Dropout2d(),
            nn.ReLU(),
        )
    ).double()  # fmt: skip
    fused, x = copy.deepcopy(plain).eval(), example()
    surgery = nk.fuse_(fused, x)
    assert surgery.sites[0].done == "norm + relu in one call"
    assert is_fused(fused, x)
    torch.testing.assert_close(fused(x), copy.deepcopy(plain).eval()(x))
    for model in (plain, fused.train()):
        torch.manual_seed(3)
        model(x)
    torch.testing.assert_close(fused.state_dict(), plain.state_dict())


def test_names_parameters_and_modes_stay() -> None:
    plain, fused = pair(SUMS["on the left"])
    parameters, names = list(fused.parameters()), list(fused.state_dict())
    fused.conv.eval()
    fused.norm.weight.requires_grad_(False)
    surgery = nk.fuse_(fused, example())
    assert all(one is other for one, other in zip(fused.parameters(), parameters, strict=True))
    assert list(fused.state_dict()) == names
    assert isinstance(fused.norm, nn.BatchNorm2d)
    assert (fused.training, fused.conv.training, fused.norm.training) == (True, False, True)
    assert not fused.norm.weight.requires_grad
    torch.testing.assert_close(fused.state_dict(), plain.state_dict(), rtol=0, atol=0)
    plain.load_state_dict(fused.state_dict())
    fused.load_state_dict(plain.state_dict())
    assert str(surgery).splitlines()[-1].startswith("fuse_: 1 of 1 sites; the output differs by ")


def test_undone_it_is_the_model_of_before_and_keeps_later_training() -> None:
    plain, fused = pair(SUMS["in place"])
    x = example()
    attributes = {name: vars(module).keys() for name, module in fused.named_modules()}
    surgery = nk.fuse_(fused, x)
    surgery.undo()
    assert type(fused.norm) is nn.BatchNorm2d
    assert {name: vars(module).keys() for name, module in fused.named_modules()} == attributes
    torch.testing.assert_close(fused.state_dict(), plain.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(fused(x), plain(x), rtol=0, atol=0)

    surgery = nk.fuse_(fused, x)
    optimizer = torch.optim.SGD(fused.parameters(), lr=0.1)
    run(fused, x)
    optimizer.step()
    trained = copy.deepcopy(fused.state_dict())
    surgery.undo()
    torch.testing.assert_close(fused.state_dict(), trained, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="this fuse_ was undone already"):
        surgery.undo()


@pytest.mark.parametrize("then", [*SUMS.values(), two_activations], ids=[*SUMS, "two"])
def test_training_takes_the_way_that_it_took(then: Then) -> None:
    plain, fused = pair(then)
    nk.fuse_(fused, example())
    for model in (plain, fused):
        torch.manual_seed(5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for step in range(4):
            optimizer.zero_grad()
            run(model, example(), upstream=step)
            optimizer.step()
    torch.testing.assert_close(fused.state_dict(), plain.state_dict())


def test_a_second_derivative_is_right() -> None:
    plain, fused = pair(SUMS["with another activation"])
    x = example()
    nk.fuse_(fused, x)
    upstream = torch.randn(4, 6, 5, 4, dtype=torch.float64)

    def penalty(model: nn.Module) -> Tensor:
        inputs = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(inputs), inputs, upstream, create_graph=True)
        weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)).double()
        return torch.autograd.grad((gradient.square() * weights).sum(), model.conv.weight)[0]

    torch.testing.assert_close(penalty(fused), penalty(plain))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_gradients_it_is_right(context: Callable[[], Any]) -> None:
    plain, fused = pair(SUMS["in place"])
    x = example()
    nk.fuse_(fused, x)
    with context():
        y, expected = fused(x), plain(x)
        torch.testing.assert_close(y, expected)
        assert not y.requires_grad
    torch.testing.assert_close(fused.state_dict(), plain.state_dict())


def test_what_is_called_without_gradients_has_none_later() -> None:
    def then(norm: nn.Module, y: Tensor) -> Tensor:
        with torch.no_grad():
            out = norm(y)
        return F.relu(out) * y

    def otherwise(norm: nn.Module, y: Tensor) -> Tensor:
        out = norm(y)
        with torch.no_grad():
            scale = F.relu(out)
        return scale * out

    for each in (then, otherwise):
        plain, fused = pair(SUMS["on the left"])
        nk.fuse_(fused, example())
        plain.then = fused.then = each
        check_same(plain, fused, example())


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # PyTorch's RMSNorm.
@pytest.mark.parametrize("norm", ["BatchNorm2d", "GroupNorm", "LayerNorm", "RMSNorm"])
def test_it_works_under_autocast(norm: str) -> None:
    plain, fused = (model.float() for model in pair(SUMS["on the left"], NORMS[norm]()))
    x = example(torch.float32)
    nk.fuse_(fused, x)
    told = []
    for model in (plain, fused):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            told.append(run(model, x))
    torch.testing.assert_close(told[1], told[0], rtol=0.05, atol=0.1)
    assert told[0]["y"].dtype is told[1]["y"].dtype


@pytest.mark.parametrize("then", [SUMS["on the left"], SUMS["in place"], two_activations])
def test_it_compiles_as_one_graph(then: Then) -> None:
    torch._dynamo.reset()
    plain, fused = pair(then)
    x = example()
    nk.fuse_(fused, x)
    compiled = torch.compile(fused, fullgraph=True, backend="eager")
    with without_pytorchs_warnings():
        for _ in range(2):
            torch.testing.assert_close(compiled(x), plain(x))
    torch.testing.assert_close(fused.state_dict(), plain.state_dict())


@pytest.mark.parametrize("strict", [True, False])
def test_it_is_exported(strict: bool) -> None:
    plain, fused = (model.eval() for model in pair(SUMS["on the left"]))
    x = example()
    nk.fuse_(fused, x)
    with without_pytorchs_warnings():
        exported = torch.export.export(fused, (x,), strict=strict)
        torch.testing.assert_close(exported.module()(x), plain(x))


def test_it_works_with_other_parameters() -> None:
    plain, fused = pair(SUMS["on the left"])
    x = example()
    nk.fuse_(fused, x)
    upstream = torch.randn(4, 6, 5, 4, dtype=torch.float64)
    found = []
    for model in (plain, fused):
        others = {n: (p * 0.5).detach().requires_grad_() for n, p in model.named_parameters()}
        y = torch.func.functional_call(model, others, (x,))
        found.append((y, *torch.autograd.grad(y, list(others.values()), upstream)))
    torch.testing.assert_close(found[1], found[0])


def test_it_works_under_transforms() -> None:
    plain, fused = (model.eval() for model in pair(SUMS["on the left"]))
    x = example()
    nk.fuse_(fused, x)
    upstream = torch.randn(4, 6, 5, 4, dtype=torch.float64)
    found = []
    for model in (plain, fused):

        def loss(
            parameters: dict[str, Tensor], x: Tensor, up: Tensor, model: nn.Module = model
        ) -> Tensor:
            return (torch.func.functional_call(model, parameters, (x[None],)) * up).sum()

        parameters = {name: p.detach() for name, p in model.named_parameters()}
        with without_pytorchs_warnings():
            of_each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
            found.append(of_each(parameters, x, upstream))
    torch.testing.assert_close(found[1], found[0])


def test_hooks_on_the_norm_see_what_they_saw() -> None:
    plain, fused = pair(SUMS["in place"])
    x = example()
    told: dict[str, list[Tensor]] = {"plain": [], "fused": []}
    for name, model in (("plain", plain), ("fused", fused)):

        def keep(_: nn.Module, __: Any, y: Tensor, name: str = name) -> None:
            assert type(y) is Tensor
            told[name].append(y.detach().clone())

        model.norm.register_forward_hook(keep)
    nk.fuse_(fused, x)
    told["fused"].clear()
    check_same(plain, fused, x)
    torch.testing.assert_close(told["fused"], told["plain"])


def test_a_hook_may_change_what_the_norm_returns() -> None:
    plain, fused = pair(SUMS["on the left"])
    x = example()
    nk.fuse_(fused, x)
    for model in (plain, fused):
        model.norm.register_forward_hook(lambda *arguments: arguments[-1] * 2)
        model.norm.register_full_backward_hook(lambda _, into, __: (into[0] * 3,))
    check_same(plain, fused, x)


def test_hooks_on_what_is_around_see_what_they_saw() -> None:
    plain = randomised(
        nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)), nn.ReLU(inplace=True))
    ).double()
    fused, x = copy.deepcopy(plain), example()
    nk.fuse_(fused, x)
    told: list[list[Tensor]] = []
    for model in (plain, fused):
        seen: list[Tensor] = []
        told.append(seen)
        model[0].register_forward_hook(lambda _, __, y, seen=seen: seen.append(y.detach().clone()))
        model[1].register_forward_pre_hook(lambda _, y, seen=seen: seen.append(y[0].clone()))
    check_same(plain, fused, x)
    torch.testing.assert_close(told[1], told[0])


@pytest.mark.parametrize(
    "place", [0, 1, 2], ids=["on what returns it", "on what takes it", "on what hands it on"]
)
def test_a_backward_hook_around_it_sees_what_it_saw(place: int) -> None:
    plain = randomised(
        nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)), nn.Sequential(nn.ReLU())
        )
    ).double()
    fused, x = copy.deepcopy(plain), example()
    nk.fuse_(fused, x)
    told: list[list[Tensor]] = []
    for model in (plain, fused):
        seen: list[Tensor] = []
        told.append(seen)
        [model[0], model[1][0], model[1]][place].register_full_backward_hook(
            lambda _, __, g, seen=seen: seen.append(g[0])
        )
    check_same(plain, fused, x)
    torch.testing.assert_close(told[1], told[0])


def test_what_a_hook_around_it_keeps_can_be_differentiated_by() -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)), nn.ReLU())
    plain, x = copy.deepcopy(model), example(torch.float32)
    nk.fuse_(model, x)
    upstream, found = torch.randn(plain(x).shape), []
    for each in (plain, model):
        kept: list[Tensor] = []
        each[0].register_forward_hook(lambda *arguments, kept=kept: kept.append(arguments[-1]))
        found.append(torch.autograd.grad((each(x) * upstream).sum(), kept[0])[0])
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda norm: norm.running_mean.add_(1),
        lambda norm: setattr(norm, "running_mean", norm.running_mean + 1),
        lambda norm: setattr(norm, "eps", 0.5),
        lambda norm: setattr(norm.weight, "data", norm.weight.data * 2),
    ],
    ids=["a buffer", "another buffer", "an option", "a parameter's data"],
)
def test_a_change_of_the_layer_before_its_output_is_used_raises(change: Callable[..., Any]) -> None:
    model, x = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()).eval(), example(torch.float32)
    nk.fuse_(model, x)
    y = model[0](x)
    with torch.no_grad():
        change(model[0])
    with pytest.raises(RuntimeError, match="were changed before the output was used"):
        model[1](y)


def test_what_the_model_reads_of_a_layer_before_its_output_is_used_is_found_out() -> None:
    class Reading(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(x + 5)
            mean = self.norm.running_mean.clone()
            return torch.relu(y) + mean[:, None, None]

    model, x = Reading(), example(torch.float32)
    with pytest.raises(ValueError, match="fuse_ leaves what a model computes as it is"):
        nk.fuse_(model, x)
    assert type(model.norm) is nn.BatchNorm2d


def test_an_output_dropped_in_evaluation_counts_if_the_layer_was_called_in_training() -> None:
    model, x = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()), example(torch.float32)
    plain = copy.deepcopy(model)
    nk.fuse_(model, x)
    for each in (plain, model):
        y = each[0](x)
        each.eval()
        del y
    torch.testing.assert_close(model[0].running_mean, plain[0].running_mean)
    assert not model[0].training
    assert int(model[0].num_batches_tracked) == 1


class Doubling(torch.autograd.Function):
    """Takes a tensor below what PyTorch shows to Python."""

    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        return y * 2

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Tensor:
        return gradient[0] * 2


def test_a_function_with_its_own_backward_raises_rather_than_losing_the_gradient() -> None:
    plain, fused = pair(SUMS["on the left"])
    x = example()
    nk.fuse_(fused, x)
    plain.then = fused.then = lambda norm, y: Doubling.apply(norm(y))
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x))
    with pytest.raises(RuntimeError, match="past what was computed for it"):
        run(fused, x)


def test_reentrant_checkpointing_past_a_norm_raises() -> None:
    _plain, fused = pair(SUMS["on the left"])
    x = example()
    nk.fuse_(fused, x)
    fused.then = lambda norm, y: checkpoint(F.relu, norm(y), use_reentrant=True)
    with pytest.raises(RuntimeError, match="reentrant checkpointing"):
        run(fused, x)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("then", [SUMS["in place"], two_activations])
def test_checkpointing_around_it_is_right_and_counts_the_batch_once(
    reentrant: bool, then: Then
) -> None:
    plain, fused = pair(then)
    x = example()
    nk.fuse_(fused, x)

    def checkpointed(norm: nn.Module, y: Tensor) -> Tensor:
        return checkpoint(then, norm, y, use_reentrant=reentrant)

    fused.then = checkpointed
    check_same(plain, fused, x)


def test_non_reentrant_checkpointing_past_a_norm_is_right() -> None:
    plain, fused = pair(SUMS["on the left"])
    x = example()
    nk.fuse_(fused, x)
    fused.then = lambda norm, y: checkpoint(F.relu, norm(y), use_reentrant=False)
    plain.then = lambda norm, y: F.relu(norm(y))
    check_same(plain, fused, x)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_fused_model_can_be_copied_and_pickled(again: Callable[[nn.Module], nn.Module]) -> None:
    plain = randomised(nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6), nn.ReLU())).double()
    fused, x = copy.deepcopy(plain), example()
    surgery = nk.fuse_(fused, x)
    other = again(fused)
    assert type(other[1]) is type(fused[1])
    assert other[1].weight is not fused[1].weight
    assert is_fused(other, x)
    surgery.undo()
    check_same(plain, other, x)


def test_a_model_that_raises_is_as_before() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Linear(7, 2))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError):
        nk.fuse_(model, example(torch.float32))
    assert type(model[1]) is nn.BatchNorm2d
    assert "act" not in vars(model[1])
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_the_surgery_leaves_statistics_and_random_numbers_as_they_were() -> None:
    _, fused = pair(SUMS["on the left"])
    before, x = copy.deepcopy(fused.state_dict()), example()
    state = torch.get_rng_state()
    nk.fuse_(fused, x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(fused.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in fused.parameters())


def test_a_fused_layer_is_not_fused_again() -> None:
    _, fused = pair(SUMS["on the left"])
    x = example()
    nk.fuse_(fused, x)
    cls = type(fused.norm)
    surgery = nk.fuse_(fused, x)
    assert surgery.sites[0].done is None
    assert "another surgery" in (surgery.sites[0].refused or "")
    assert surgery.sites[0].layer == "BatchNorm2d"
    assert type(fused.norm) is cls


def test_what_a_fused_model_does_can_be_watched() -> None:
    plain, fused = pair(SUMS["in place"])
    x = example()
    nk.fuse_(fused, x)
    told = [(call.what, call.takes, call.in_place) for call in nk.flow(fused, x)]
    expected = [(call.what, call.takes, call.in_place) for call in nk.flow(plain, x)]
    assert told == [(what.replace("Batch", "FusedBatch"), *rest) for what, *rest in expected]


def test_a_pass_of_a_fused_model_hands_out_tensors() -> None:
    _plain, fused = pair(SUMS["on the left"])
    nk.fuse_(fused, example())
    assert type(fused(example())) is Tensor
    fused.then = lambda norm, y: norm(y)
    assert isinstance(fused(example()), Pending)  # The caller's next step may be an activation.


def test_it_holds_less_memory_and_accumulates_as_the_layers_do() -> None:
    plain = randomised(Model(SUMS["on the left"], nk.nn.BatchNorm2d(6))).double()
    fused, x = copy.deepcopy(plain), example()
    nk.fuse_(fused, x)
    with nk.lean():
        check_same(plain, fused, x)
    for model in (plain, fused):
        with nk.accumulate(model):
            for part in x.split(2):
                model(part)
        assert model.norm.num_batches_tracked == 3
    torch.testing.assert_close(fused.state_dict(), plain.state_dict())


def test_what_was_inserted_is_fused() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.ReLU()).double()
    x = example()
    nk.insert_(plain, "batch", x)
    fused = copy.deepcopy(randomised(plain))
    surgery = nk.fuse_(fused, x)
    assert [site.done for site in surgery] == ["norm + relu in one call"] * 2
    assert is_fused(fused, x)
    check_same(plain, fused, x)
