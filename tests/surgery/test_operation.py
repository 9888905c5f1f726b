"""A model is changed as a whole or not at all."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import normkit as nk
from normkit.surgery.operation import operation


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()).eval()


def example() -> Tensor:
    return torch.randn(2, 3, 5, 4)


def compiled_in_place() -> nn.Module:
    model = network()
    model.compile(backend="eager")
    return model


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit")
        return torch.jit.script(network())


def traced() -> nn.Module:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit")
        return torch.jit.trace(network(), example())


WRAPPED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "torch.compile": (
        lambda: torch.compile(network(), backend="eager"),
        r"model\._orig_mod.* and compile it afterwards",
    ),
    "model.compile": (compiled_in_place, "not compiled in place.* and compile it afterwards"),
    "DataParallel": (lambda: nn.DataParallel(network()), r"Give model\.module, and wrap it again"),
    "a script": (scripted, "give the model that it was made from"),
    "a trace": (traced, "give the model that it was made from"),
}

VERBS: dict[str, Callable[[nn.Module], Any]] = {
    "fuse_": lambda model: nk.fuse_(model, example()),
    "fold_": lambda model: nk.fold_(model, example()),
    "insert_": lambda model: nk.insert_(model, "batch", example()),
    "swap_": lambda model: nk.swap_(model, "group", data=[example()]),
    "remove_": lambda model: nk.remove_(model, example()),
    "sync_": nk.sync_,
    "freeze_": nk.freeze_,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("make", "fix"), WRAPPED.values(), ids=WRAPPED)
def test_a_wrapped_model_is_refused_with_the_fix(
    make: Callable[[], nn.Module], fix: str, verb: str
) -> None:
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(TypeError, match=f"^{verb} changes a model before it is wrapped.*{fix}"):
        VERBS[verb](model)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_a_wrapped_part_of_a_model_is_named() -> None:
    model = nn.Sequential(nn.Identity(), nn.Sequential(nn.DataParallel(network())))
    with pytest.raises(TypeError, match=r"'1\.0' in it is a DataParallel"):
        nk.fuse_(model, example())


def test_a_model_for_several_processes_is_refused_with_the_fix() -> None:
    # Made without its constructor, which asks for a process group; that leaves traces in PyTorch.
    model = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)
    nn.Module.__init__(model)
    model.module = network()
    with pytest.raises(TypeError, match=r"give model\.module, and wrap it again afterwards"):
        nk.fuse_(model, example())
    assert len(nk.fuse_(model.module, example()).done) == 1


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"fold_ changes a torch\.nn\.Module; got a function"):
        nk.fold_(lambda x: x, example())  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_a_model_is_as_before(error: type[BaseException]) -> None:
    model = network()
    before, weight = copy.deepcopy(model.state_dict()), model[0].weight

    def fails() -> None:
        with operation("verb_", model) as journal:
            journal.become(model[1], nk.nn.BatchNorm2d)
            journal.set(model[0], "weight", nn.Parameter(torch.zeros(4, 3, 1, 1)))
            with torch.no_grad():
                weight.zero_()
                model[1].running_var.fill_(7)
            raise error

    with pytest.raises(error):
        fails()
    assert type(model[1]) is nn.BatchNorm2d
    assert model[0].weight is weight
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_values_are_given_back_only_where_they_are_to_be() -> None:
    for values in (True, False):
        model = network()
        with operation("verb_", model, values=values) as journal:
            pass
        with torch.no_grad():
            model[1].running_var.fill_(7)
        journal.undo()
        assert bool((model[1].running_var == (1 if values else 7)).all())


def test_a_model_without_parameters_is_no_error() -> None:
    with operation("verb_", nn.ReLU()) as journal:
        pass
    journal.undo()


@pytest.mark.parametrize("verb", VERBS)
def test_a_surgery_in_inference_mode_leaves_parameters_that_can_be_trained(verb: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()) if verb == "insert_" else network()
    with torch.inference_mode():
        VERBS[verb](model)
    assert not any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers()))
    y = model(example())
    y.backward(torch.randn_like(y))


def test_a_lazy_model_is_refused_until_it_has_shapes() -> None:
    model = nn.Sequential(nn.LazyConv2d(3, 1), nn.LazyBatchNorm2d(), nn.ReLU())
    x = torch.randn(4, 2, 3, 3)
    with pytest.raises(TypeError, match="call the model once before"):
        nk.fuse_(model, x)
    model(x)
    assert nk.fuse_(model, x).sites[0].done == "norm + relu in one call"
