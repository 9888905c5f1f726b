"""What enters and leaves a norm layer is seen, forwards and backwards, and nothing is disturbed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normkit.probes.passage import passages


class Small(nn.Module):
    """A convolution, a norm, an activation in place and a shortcut that passes by the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        return self.head((self.act(self.norm(x)) + x).flatten(1))


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(8, 1, 5, 5), torch.randint(3, (8,))


@pytest.fixture
def model(batch: tuple[Tensor, Tensor]) -> Small:
    return Small()


def by_hand(model: Small, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """Input, output and both gradients, with the norm's path kept apart from the shortcut's."""
    x = model.convolution(images)
    entering = x.detach().requires_grad_()
    output = F.batch_norm(entering, None, None, model.norm.weight, model.norm.bias, training=True)
    loss = F.cross_entropy(model.head((output.relu() + x.detach()).flatten(1)), labels)
    arriving, leaving = torch.autograd.grad(loss, [output, entering])
    return x, output, arriving, leaving


def test_sees_what_the_layer_sees_and_not_what_passes_it_by(
    model: Small, batch: tuple[Tensor, Tensor]
) -> None:
    [found] = passages(model, [model.norm], *batch)
    for seen, expected in zip(vars(found).values(), by_hand(model, *batch), strict=True):
        torch.testing.assert_close(seen, expected.detach())


def test_leaves_the_model_as_it_was(model: Small, batch: tuple[Tensor, Tensor]) -> None:
    model.eval()
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    passages(model, [model.norm], *batch)
    assert not model.training
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.norm._forward_hooks
    assert not model.norm._forward_pre_hooks


def test_leaves_no_hook_behind_after_an_error(model: Small, batch: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(RuntimeError):
        passages(model, [model.norm], batch[0][:, :, :2], batch[1])
    assert not model.norm._forward_hooks
    assert not model.norm._forward_pre_hooks
    assert model.norm.num_batches_tracked == 0


def test_the_input_of_a_frozen_layer_is_seen_too(
    model: Small, batch: tuple[Tensor, Tensor]
) -> None:
    model.convolution.requires_grad_(False)
    [found] = passages(model, [model.norm], *batch)
    torch.testing.assert_close(found.leaving, by_hand(model, *batch)[3])


def test_a_norm_that_is_not_called_is_an_error(model: Small, batch: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(RuntimeError, match="not called: BatchNorm1d"):
        passages(model, [model.norm, nn.BatchNorm1d(4)], *batch)


def test_a_norm_that_the_loss_does_not_see_is_an_error(batch: tuple[Tensor, Tensor]) -> None:
    class Blind(Small):
        def forward(self, x: Tensor) -> Tensor:
            x = self.convolution(x)
            self.norm(x)
            return self.head(x.flatten(1))

    model = Blind()
    with pytest.raises(RuntimeError, match="does not depend on that of BatchNorm2d"):
        passages(model, [model.norm], *batch)


def test_no_norms_give_no_passages(model: Small, batch: tuple[Tensor, Tensor]) -> None:
    assert passages(model, [], *batch) == []
