"""Where `lean` begins and ends, for which threads, and what `explain` tells of it."""

from __future__ import annotations

import copy
import threading
from contextlib import nullcontext

import pytest
import torch
from tests.kernels.lean.networks import IMAGES, Network, gradients
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import normkit as nk
from normkit.kernels import lean as room


def hooks() -> object:
    return torch._C._autograd._top_saved_tensors_default_hooks(False)


def test_it_ends_where_it_ends() -> None:
    assert hooks() is None
    with pytest.raises(KeyError), nk.lean():
        raise KeyError
    assert hooks() is None
    with nk.lean():
        with nk.lean():
            pass
        assert room.acts()
    assert hooks() is None
    assert not room.is_around()


def test_other_threads_are_not_inside() -> None:
    found: list[bool] = []
    with nk.lean():
        thread = threading.Thread(target=lambda: found.append(room.acts()))
        thread.start()
        thread.join()
    assert found == [False]


def test_the_backward_pass_may_be_in_another_thread(way: str) -> None:
    model = Network()
    expected = gradients(model, IMAGES, nullcontext)[1]
    with nk.lean():
        y = model(IMAGES)
    upstream = torch.randn(y.shape, generator=torch.manual_seed(1))
    thread = threading.Thread(target=y.backward, args=(upstream,))
    thread.start()
    thread.join()
    found = next(model.parameters()).grad
    assert found is not None
    assert expected is not None
    assert torch.equal(found, expected)


@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'> should not be")
def test_explain_tells_what_is_rebuilt_and_what_is_left_alone(way: str) -> None:
    layer = nk.nn.BatchNorm2d(3, act="relu")

    class Checkpointed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = checkpoint(layer, x, use_reentrant=False)
            return result

    assert "lean" not in str(nk.explain(layer, IMAGES))
    with nk.lean():
        assert str(nk.explain(layer, IMAGES)).endswith(
            "lean() rebuilds its output in the backward pass"
        )
        alone = "lean() leaves its output alone, since "
        assert f"{alone}a checkpointed region" in str(nk.explain(Checkpointed(), IMAGES))
        compiled = torch.compile(copy.deepcopy(layer), backend="eager")
        assert f"{alone}a compiled graph" in str(nk.explain(compiled, IMAGES))
        with torch.autograd.graph.save_on_cpu():
            assert f"{alone}other hooks" in str(nk.explain(layer, IMAGES))
        with torch.no_grad():
            assert f"{alone}no gradient" in str(nk.explain(layer, IMAGES))
    assert "lean" not in str(nk.explain(layer, IMAGES))
