"""An output that waits: what it tells, what computes it, and that nothing gets past it."""

from __future__ import annotations

import copy
import io
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import normkit as nk
from normkit.functional import Activation
from normkit.surgery.fused import observed
from normkit.surgery.pending import Pending, act_of_call, acting


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, 6, 5, 3, dtype=torch.float64) * 2 + 1


@pytest.fixture
def plain() -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(6).double()
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.uniform_(norm.bias, -1, 1)
    return norm


@pytest.fixture
def layer(plain: nn.BatchNorm2d, x: Tensor) -> nn.Module:
    """The same as `plain`, whose output waits for a sum and an activation."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = copy.deepcopy(plain)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.norm(x) + x)

    block = Block()
    nk.fuse_(block, x)
    return block.norm


def computed(pending: Tensor) -> bool:
    assert isinstance(pending, Pending)
    return pending._work.computed


TOLD: list[Callable[[Tensor], object]] = [
    lambda y: y.shape,
    lambda y: y.size(),
    lambda y: y.size(1),
    lambda y: y.dim(),
    lambda y: y.ndim,
    lambda y: y.numel(),
    lambda y: len(y),
    lambda y: y.dtype,
    lambda y: y.device,
    lambda y: y.is_cuda,
    lambda y: y.layout,
    lambda y: y.is_floating_point(),
    lambda y: torch.is_floating_point(y),
    lambda y: isinstance(y, Tensor),
]


@pytest.mark.parametrize("told", TOLD)
def test_what_it_is_like_is_told_without_computing_it(
    told: Callable[[Tensor], object], layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    y = layer(x)
    assert told(y) == told(plain(x))
    assert not computed(y)


def saved(y: Tensor) -> Tensor:
    buffer = io.BytesIO()
    torch.save(y, buffer)
    buffer.seek(0)
    read: Tensor = torch.load(buffer)
    return read


READ: dict[str, Callable[[Tensor], Any]] = {
    "strides": lambda y: y.stride(),
    "contiguous": lambda y: y.is_contiguous(),
    "gradient": lambda y: y.requires_grad,
    "leaf": lambda y: y.is_leaf,
    "text": lambda y: repr(y.detach()),
    "numpy": lambda y: y.detach().numpy().sum(),
    "a number": lambda y: float(y.detach().sum()),
    "a list": lambda y: y.tolist(),
    "a part": lambda y: y[1:, 0].detach(),
    "parts": lambda y: torch.stack(list(y)).detach(),
    "unpacked": lambda y: [*y][2].detach(),
    "transposed": lambda y: y.mT.detach(),
    "compared": lambda y: y > 0,
    "negative": lambda y: (-y).detach(),
    "product": lambda y: (2 * y).detach(),
    "copied": lambda y: copy.deepcopy(y.detach()),
    "pickled": lambda y: pickle.loads(pickle.dumps(y.detach())),
    "saved": lambda y: saved(y.detach()),
    "data": lambda y: y.data,
    "a list of them": lambda y: torch.cat([y, y]).detach(),
    "named": lambda y: torch.mean(input=y, dim=[0]).detach(),
    "an operator": lambda y: torch.ops.aten.sin.default(y).detach(),
    "half": lambda y: y.half().detach(),
    "in an einsum": lambda y: torch.einsum("nchw,nkhw->nck", y, y).detach(),
    "moved": lambda y: y.to(torch.float32).detach(),
    "where": lambda y: torch.where(y > 0, y, y.new_zeros(())).detach(),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_whatever_reads_it_gets_what_the_layer_computes(
    read: Callable[[Tensor], Any], layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    y = layer(x)
    expected = read(plain(x))
    if isinstance(expected, str):
        assert read(y) == expected
    else:
        torch.testing.assert_close(read(y), expected)
    assert computed(y)
    assert layer.num_batches_tracked == 1


def test_it_can_be_printed(layer: nn.Module, x: Tensor) -> None:
    assert repr(layer.eval()(x)).startswith("tensor(")


def test_a_hook_and_a_kept_gradient_are_of_the_value(
    layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    upstream, found = torch.randn_like(x), []
    for norm in (layer, plain):
        y = norm(x)
        y.retain_grad()
        y.register_hook(lambda gradient: gradient * 2)
        F.relu(y).backward(upstream)
        found.append((y.grad, norm.weight.grad))
    torch.testing.assert_close(found[0], found[1])


def test_an_output_that_is_never_used_moves_the_statistics_at_once(
    layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    layer(x)
    plain(x)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())
    layer(x) + x
    plain(x)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())


def test_in_evaluation_an_output_that_is_never_used_costs_nothing(
    layer: nn.Module, x: Tensor
) -> None:
    seen: list[Tensor] = []
    with observed(lambda *call: seen.append(call[-1])):
        layer.eval()(x)
    assert seen == []


USES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "two activations": lambda y, x: F.relu(y) * torch.tanh(y),
    "an activation, then itself": lambda y, x: F.relu(y) * y,
    "itself, then an activation": lambda y, x: y * F.relu(y),
    "a sum and itself": lambda y, x: (y + x) * y,
    "an activated sum and itself": lambda y, x: F.relu(y + x) * y,
    "two sums": lambda y, x: F.relu(y + x) * F.relu(x * 2 + y),
    "a sum that is read twice": lambda y, x: (s := y + x) * F.relu(s) * torch.tanh(s),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_output_that_is_used_twice_moves_the_statistics_once(
    use: Callable[[Tensor, Tensor], Tensor], layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    torch.testing.assert_close(use(layer(x), x), use(plain(x), x))
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())
    assert layer.num_batches_tracked == 1


def test_statistics_move_in_the_order_of_the_calls(
    layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    for norm in (layer, plain):
        first, second = norm(x), norm(x * 3 + 1)
        F.relu(second)
        F.relu(first)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())
    for norm in (layer, plain):
        first = norm(x) + x
        norm(x * 3 + 1)
        F.relu(first)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())


def multiply_(tensor: Tensor) -> None:
    with torch.no_grad():
        tensor *= 2


CHANGES: dict[str, Callable[[nn.Module, Tensor, Tensor], object]] = {
    "its input": lambda layer, x, r: multiply_(x),
    "what is added": lambda layer, x, r: multiply_(r),
    "its weight": lambda layer, x, r: multiply_(layer.weight),
    "its mode": lambda layer, x, r: layer.eval(),
    "another weight": lambda layer, x, r: setattr(
        layer, "weight", nn.Parameter(layer.weight.detach() * 2)
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_before_it_is_computed_raises(
    change: Callable[[nn.Module, Tensor, Tensor], object], layer: nn.Module, x: Tensor
) -> None:
    residual = x.clone()
    y = layer(x) + residual
    change(layer, x, residual)
    with pytest.raises(RuntimeError, match="changed before the output was used"):
        F.relu(y)


def test_with_other_parameters_for_one_call_it_does_not_outlive_the_call(
    layer: nn.Module, x: Tensor
) -> None:
    others = {"weight": torch.ones(6).double(), "bias": torch.ones(6).double()}
    y = torch.func.functional_call(layer, others, (x,))
    with pytest.raises(RuntimeError, match="changed before the output was used"):
        F.relu(y)


def test_what_is_changed_after_it_was_computed_does_not_matter(
    layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    expected = F.relu(plain.eval()(x))
    with torch.no_grad():
        y = layer.eval()(x)
        y.sum()
        x *= 2
        torch.testing.assert_close(F.relu(y), expected)


def test_below_python_it_raises_rather_than_giving_nothing(layer: nn.Module, x: Tensor) -> None:
    y = layer(x)
    with (
        torch._C.DisableTorchFunctionSubclass(),
        pytest.raises(RuntimeError, match="does not show to Python"),
    ):
        y * 2


def test_a_gradient_that_would_be_lost_raises(layer: nn.Module, x: Tensor) -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, y: Tensor) -> Tensor:
            return y * 2

        @staticmethod
        def backward(ctx: Any, *gradient: Tensor) -> Tensor:
            return gradient[0] * 2

    y = Twice.apply(layer(x))
    with pytest.raises(RuntimeError, match="a gradient arrived"):
        y.backward(torch.randn_like(x))


ACTS: dict[str, tuple[Callable[[Tensor], Tensor], Activation]] = {
    "CELU": (nn.CELU(), "celu"),
    "softplus": (F.softplus, "softplus"),
    "GELU": (nn.GELU(), "gelu"),
    "ReLU6": (nn.ReLU6(inplace=True), "relu6"),
    "Hardtanh": (nn.Hardtanh(), "hardtanh"),
    "ELU": (nn.ELU(), "elu"),
}


@pytest.mark.parametrize(("function", "name"), ACTS.values(), ids=ACTS)
def test_the_kernels_are_given_names_that_they_know(
    function: Callable[[Tensor], Tensor], name: str, layer: nn.Module, x: Tensor
) -> None:
    seen: list[Activation] = []
    with observed(lambda *call: seen.append(call[3])):
        function(layer(x))
    assert seen == [name]


def test_the_kernels_are_given_the_slope(layer: nn.Module, x: Tensor) -> None:
    seen: list[Activation] = []
    with observed(lambda *call: seen.append(call[3])):
        F.leaky_relu(layer(x), 0.3)
    assert isinstance(seen[0], nn.LeakyReLU)
    assert seen[0].negative_slope == 0.3


def test_an_activation_into_another_tensor_is_written_there(
    layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    with torch.no_grad():
        out = torch.empty_like(x)
        torch.sigmoid(layer(x), out=out)
        torch.testing.assert_close(out, torch.sigmoid(plain(x)))


def test_the_activation_of_a_call_is_that_of_its_thread() -> None:
    seen: list[Activation] = []
    with acting("relu"):
        thread = threading.Thread(target=lambda: seen.append(act_of_call()))
        thread.start()
        thread.join()
        seen.append(act_of_call())
    assert [*seen, act_of_call()] == [None, "relu", None]


def test_a_channels_last_output_stays_channels_last(
    layer: nn.Module, plain: nn.Module, x: Tensor
) -> None:
    x = x.contiguous(memory_format=torch.channels_last)
    for use in (F.relu, torch.cos, lambda y: y):
        assert use(layer(x)).stride() == use(plain(x)).stride() == x.stride()


def test_an_input_that_is_no_plain_tensor_does_not_wait(layer: nn.Module, x: Tensor) -> None:
    assert type(layer(nn.Parameter(x))) is Tensor
    assert isinstance(layer(layer(x)), Pending)


def test_an_output_that_nobody_used_and_that_cannot_be_computed_is_an_error_at_the_next_call() -> (
    None
):
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drops = nn.BatchNorm2d(2), False

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(x)
            if self.drops:
                x.mul_(2)
                return x
            return torch.relu(y)

    model, x = Dropping(), torch.randn(4, 2, 3, 3)
    nk.fuse_(model, x)
    model.drops = True
    model(x.clone())
    model.drops = False
    with pytest.raises(RuntimeError, match="running statistics cannot move"):
        model(x)
    model(x)
    assert int(model.norm.num_batches_tracked) == 1


def test_an_unused_output_counts_though_the_parameters_have_changed_since() -> None:
    model, x = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()), torch.randn(4, 2, 3, 3)
    nk.fuse_(model, x)
    held = model[0](x)
    with torch.no_grad():
        model[0].weight.mul_(2)
    model(x)
    assert int(model[0].num_batches_tracked) == 2
    with pytest.raises(RuntimeError, match="were changed before the output was used"):
        held.mean()


def test_an_output_that_waits_when_its_surgery_is_undone_tells_so() -> None:
    model, x = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()), torch.randn(4, 2, 3, 3)
    surgery = nk.fuse_(model, x)
    held = model[0](x)
    surgery.undo()
    with pytest.raises(RuntimeError, match="before the output was used"):
        held.mean()
