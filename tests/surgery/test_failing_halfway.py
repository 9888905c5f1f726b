"""A verb that fails, at whatever step, has changed nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

import normkit as nk
from normkit.surgery import fold, insert, remove, swap
from normkit.surgery.journal import Journal

Verb = Callable[[nn.Module, list[Optimizer]], object]


class InjectedError(Exception):
    """Raised at the step whose turn it is."""


class Steps:
    """Counts the steps of a verb, and raises at one of them."""

    def __init__(self) -> None:
        self.taken = 0
        self.fails_at: int | None = None

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.fails_at:
            raise InjectedError

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function as two steps: one before it does what it does, one after."""

        def stepping(*arguments: Any, **options: Any) -> Any:
            self.step()
            result = function(*arguments, **options)
            self.step()
            return result

        return stepping


STEPS = Steps()


class Net(nn.Module):
    """Two convolutions, with norms or without, whose every forward pass is three steps."""

    def __init__(self, norm: Callable[[int], nn.Module] | None) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, bias=norm is None)
        self.first_norm = nn.Identity() if norm is None else norm(4)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.second = nn.Conv2d(4, 4, 3, bias=norm is None)
        self.second_norm = nn.Identity() if norm is None else norm(4)

    def forward(self, x: Tensor) -> Tensor:
        STEPS.step()
        x = self.drop(self.act(self.first_norm(self.first(x))))
        STEPS.step()
        x = torch.relu(self.second_norm(self.second(x)))
        STEPS.step()
        return x


X = torch.randn(4, 2, 7, 7, generator=torch.Generator().manual_seed(5))
DATA = [X, X.flip(0)[:3] * 2 + 1]


@dataclass(frozen=True)
class Case:
    verb: Verb
    norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d
    evaluates: bool = False
    prepare: Callable[[nn.Module], object] | None = None


CASES = {
    "insert_": Case(lambda m, o: nk.insert_(m, "batch", X, optimizers=o), norm=None),
    "insert_ on data": Case(
        lambda m, o: nk.insert_(m, "batch", X, data=DATA, optimizers=o), norm=None
    ),
    "swap_": Case(lambda m, o: nk.swap_(m, "group", example=X, optimizers=o)),
    "swap_ on data": Case(lambda m, o: nk.swap_(m, "filter_response", data=DATA, optimizers=o)),
    "swap_ to the same": Case(lambda m, o: nk.swap_(m, "ghost_batch", example=X, optimizers=o)),
    "swap_ to batch on data": Case(
        lambda m, o: nk.swap_(m, "batch", data=DATA, optimizers=o),
        norm=lambda channels: nk.nn.GroupNorm(2, channels, act=nn.PReLU()),
    ),
    "remove_": Case(lambda m, o: nk.remove_(m, X, optimizers=o)),
    "fuse_": Case(lambda m, o: nk.fuse_(m, X)),
    "fold_": Case(lambda m, o: nk.fold_(m, X, optimizers=o), evaluates=True),
    "freeze_": Case(lambda m, o: nk.freeze_(m)),
    "unfreeze_": Case(lambda m, o: nk.unfreeze_(m), prepare=nk.freeze_),
    "sync_": Case(lambda m, o: nk.sync_(m)),
    "unsync_": Case(lambda m, o: nk.unsync_(m, X), norm=nk.nn.SyncBatchNorm),
    "recalibrate_": Case(lambda m, o: nk.recalibrate_(m, DATA)),
    "lsuv_": Case(lambda m, o: nk.lsuv_(m, X), norm=None),
}


@pytest.fixture(autouse=True)
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("keep_values", "become", "set", "call"):
        monkeypatch.setattr(Journal, name, STEPS.around(getattr(Journal, name)))
    for room in (insert, swap, remove, fold):
        monkeypatch.setattr(room, "mend_", STEPS.around(room.mend_))
    monkeypatch.setattr(STEPS, "taken", 0)
    monkeypatch.setattr(STEPS, "fails_at", None)


def made(case: Case) -> tuple[nn.Module, list[Optimizer]]:
    """A model in training, or about to be evaluated, with what its optimizers remember."""
    torch.manual_seed(3)
    model = Net(case.norm)
    parameters = list(model.named_parameters())
    biases = [parameter for name, parameter in parameters if name.endswith("bias")]
    weights = [parameter for name, parameter in parameters if name.endswith("weight")]
    optimizers = [
        SGD(
            [{"params": weights[:1]}, {"params": weights[1:], "lr": 0.02}],
            lr=0.01,
            momentum=0.9,
        ),
        Adam(biases, lr=0.01) if biases else SGD(weights, lr=0.01),
    ]
    y = model(X)
    y.backward(torch.randn(y.shape))
    for optimizer in optimizers:
        optimizer.step()
    # What is read between a convolution and its norm is not folded.
    for module in [model.act, model.drop] if case.evaluates else model.modules():
        module.register_forward_hook(lambda module, arguments, output: None)
    if case.prepare is not None:
        case.prepare(model)
    # A layer may be in another mode than its model.
    model.first_norm.eval()
    return model.train(not case.evaluates) if case.evaluates else model, optimizers


@pytest.mark.parametrize("name", CASES)
def test_a_verb_that_fails_at_any_step_leaves_all_as_it_was(
    name: str, remember: Callable[..., Callable[[], list[str]]]
) -> None:
    case = CASES[name]
    for step in count(1):
        STEPS.fails_at = None
        model, optimizers = made(case)
        differences = remember(model, *optimizers)
        STEPS.taken, STEPS.fails_at = 0, step
        try:
            case.verb(model, optimizers)
        except InjectedError:
            assert differences() == [], f"it failed at step {step}"
            continue
        assert STEPS.taken < step, "a step failed, and nobody was told"
        break
    # It had steps to fail at, and what it did when it did not fail would have been seen.
    assert step > 4
    assert differences() != []
