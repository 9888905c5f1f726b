"""Every item of the contract finds the fault that it is there to find."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from normkit import nn
from normkit.testing import Problem, cases, contract, problems

BATCH = next(problem for problem in problems("batch") if problem.id == "batch-2d")


class Wrong(nn.BatchNorm2d):
    """Batch normalization, with one thing changed by each subclass."""


class WrongGradient(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        y = super().forward(x, residual, mask)
        return y + (y.detach() - y) * 0.01


class WrongSecondDerivative(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        class Once(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                ctx.save_for_backward(x)
                return x * x * 0.1

            @staticmethod
            @torch.autograd.function.once_differentiable
            def backward(ctx: Any, upstream: Tensor) -> Tensor:
                return upstream * ctx.saved_tensors[0] * 0.2

        return super().forward(x, residual, mask) + Once.apply(x)


class Doubled(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        return super().forward(x, residual, mask) * 2


class Cancelling(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        mean = x.mean((0, 2, 3), keepdim=True)
        variance = (x * x).mean((0, 2, 3), keepdim=True) - mean * mean
        return (x - mean) / (variance.clamp(min=0) + self.eps).sqrt()


class Biased(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.running_mean.lerp_(x.mean((0, 2, 3)), 0.1)
                self.running_var.lerp_(x.var((0, 2, 3), correction=0), 0.1)
                self.num_batches_tracked.add_(1)
        return super().forward(x, residual, mask)


class Poisoned(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        y = super().forward(x, residual, mask)
        if self.training:
            self.running_mean.add_(x.mean() * 0)
        return y


class Unmasked(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        return super().forward(x, residual)


class Activating(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        act, self.act = self.act, None
        y = super().forward(x, None, mask)
        self.act = act
        y = nn.Identity(act=act)(y)
        return y if residual is None else y + residual


class CountsEmpty(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        y = super().forward(x, residual, mask)
        if len(x) == 0:
            self.num_batches_tracked.add_(1)
        return y


class Contiguous(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        return super().forward(x, residual, mask).contiguous()


class InHalf(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        mean = x.mean((0, 2, 3), keepdim=True)
        variance = (x - mean).square().mean((0, 2, 3), keepdim=True)
        y = (x - mean) * (variance + self.eps).rsqrt()
        return y * self.weight.to(x.dtype).reshape(-1, 1, 1)


class Breaking(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        torch._dynamo.graph_break()
        return super().forward(x, residual, mask)


class Detaching(Wrong):
    """Right in eager, silently without a tangent under `jvp`."""

    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        if torch._C._functorch.maybe_current_level() is not None:
            x = x.detach() + (x - x.detach()) * 0.5
        return super().forward(x, residual, mask)


class WrongInExport(Wrong):
    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        y = super().forward(x, residual, mask)
        return y + 1 if torch.compiler.is_exporting() else y


class Forgetful(Wrong):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.scale = torch.rand(1).item()

    def forward(self, x: Tensor, residual: Tensor | None = None, mask: Any = None) -> Tensor:
        return super().forward(x, residual, mask) * self.scale


class Local(Wrong):
    """Forgets in a pickle alone."""

    def __reduce__(self) -> Any:
        return Local, (self.num_features,)


class OnTheCpu(Wrong):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register_buffer("extra", torch.zeros(1, device="cpu"))


class Swallowing(Wrong):
    def __init__(self, num_features: int, act: Any = None, **options: Any) -> None:
        options.pop("epsilon", None)
        super().__init__(num_features, act=act, **options)


class Theirs(torch.nn.BatchNorm2d):
    """PyTorch's own, with an activation."""

    def __init__(self, *args: Any, act: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.act = nn.Identity(act=act)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return self.act(super().forward(x), residual)


FAULTS = [
    ("values", WrongGradient, "d/d input, torch.float32, training"),
    ("values", Doubled, "output, torch.float32, training"),
    ("derivatives", WrongGradient, "Jacobian mismatch"),
    ("derivatives", WrongSecondDerivative, "Jacobian mismatch"),
    ("invariants", Doubled, r"standardised, for an input of shape .*: variance"),
    ("accuracy", Cancelling, "contiguous: the error is"),
    ("modes", Biased, "state after training"),
    ("statistics", Poisoned, "state after a batch with nan in it"),
    ("statistics", Theirs, "state after a batch with nan in it"),
    ("masked", Unmasked, "samples: "),
    ("endings", Activating, "with a residual"),
    ("empty", CountsEmpty, "state"),
    ("layout", Contiguous, "the output has strides"),
    ("half", InHalf, "torch.float16, parameters in float32"),
    ("compiled", Breaking, "graph_break"),
    ("transforms", Detaching, "grad"),
    ("transforms", Theirs, "mutate a captured Tensor"),
    ("onnx", WrongInExport, "5 samples"),
    ("copies", Forgetful, "output, state_dict"),
    ("pickled", Local, "state, pickle"),
    ("meta", OnTheCpu, "extra has memory on cpu"),
    ("refusals", Swallowing, "an unknown keyword is not refused"),
]


@pytest.mark.parametrize(
    ("item", "layer", "told"), FAULTS, ids=[f"{item}-{layer.__name__}" for item, layer, _ in FAULTS]
)
def test_a_fault_is_found(item: str, layer: type[torch.nn.Module], told: str) -> None:
    (case,) = cases(dataclasses.replace(BATCH, layer=layer, inductor=False), items=[item])
    with pytest.raises((AssertionError, RuntimeError), match=told):
        case.check()


def test_every_item_has_a_fault_that_it_finds() -> None:
    assert {item for item, _, _ in FAULTS} == set(contract())


class Mine(torch.nn.Module):
    """A layer of someone else's, which knows nothing of normkit."""

    def __init__(self, num_features: int, **options: Any) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x * 1


def _plain(x: Tensor, state: Any, training: bool) -> Tensor:
    return x


def test_an_exemption_that_is_not_needed_is_refused() -> None:
    exempt = dataclasses.replace(BATCH, not_applicable={"values": "a reason"})
    (case,) = cases(exempt, items=["values"])
    assert case.reason == "a reason"
    with pytest.raises(AssertionError, match="take it out of not_applicable"):
        case.check()


def test_an_exemption_that_is_needed_is_accepted() -> None:
    exempt = dataclasses.replace(BATCH, layer=Doubled, not_applicable={"values": "a reason"})
    (case,) = cases(exempt, items=["values"])
    case.check()
    # Without the exemption the same layer fails.
    (case,) = cases(dataclasses.replace(exempt, not_applicable={}), items=["values"])
    with pytest.raises(AssertionError, match="output"):
        case.check()


def test_an_unknown_item_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unknown item of the contract 'vlaues'.*'values'"):
        cases(BATCH, items=["vlaues"])
    with pytest.raises(ValueError, match="unknown item of the contract 'speed'"):
        cases(dataclasses.replace(BATCH, not_applicable={"speed": "slow"}))


def test_an_unknown_method_has_no_problems() -> None:
    with pytest.raises(ValueError, match=r"unknown method 'bach'.*'batch'"):
        problems("bach")


def test_checking_leaves_the_random_state() -> None:
    before = torch.get_rng_state()
    cases(BATCH, items=["modes"])[0].check()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_missing_dependency_is_no_failure_of_the_layer() -> None:
    class Importing(Wrong):
        def forward(self, *args: Any, **options: Any) -> Tensor:
            raise ImportError("no module named so")

    exempt = dataclasses.replace(BATCH, layer=Importing, not_applicable={"empty": "a reason"})
    (case,) = cases(exempt, items=["empty"])
    with pytest.raises(ImportError, match="no module"):
        case.check()


def test_a_problem_must_state_what_defines_its_method() -> None:
    (case,) = cases(dataclasses.replace(BATCH, invariants={}), items=["invariants"])
    with pytest.raises(AssertionError, match="state what defines the method"):
        case.check()


def test_what_cannot_apply_is_not_among_the_cases() -> None:
    features = next(problem for problem in problems("rms") if problem.id == "rms-features")
    tried = {case.item.name for case in cases(features)}
    assert not {"layout", "statistics"} & tried
    assert "masked" in tried


def test_a_layer_of_someone_elses_is_taken() -> None:
    problem = Problem("mine", Mine, _plain)
    for case in cases(problem, items=["values", "copies"]):
        case.check()
    wrong = dataclasses.replace(problem, reference=lambda x, state, training: 2 * x)
    (case,) = cases(wrong, items=["values"])
    with pytest.raises(AssertionError, match="output"):
        case.check()
