"""γ and β are those of the least squares, over all batches."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import normkit as nk
from normkit.surgery.calibrate import Fit, calibrate_
from normkit.surgery.states import state_of

Differences = Callable[[], list[str]]


def batch_norm() -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(4).eval()
    with torch.no_grad():
        for vector in (norm.weight, norm.running_var):
            vector.uniform_(0.5, 2)
        for vector in (norm.bias, norm.running_mean):
            vector.normal_()
    return norm


def images(count: int = 40) -> Tensor:
    return torch.randn(count, 4, 5, 5) * torch.rand(count, 4, 1, 1) * 3 + 0.5


def by_numpy(z: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """γ and β of y ≈ γ · z + β for each channel, in float64."""
    found = []
    for channel in range(z.shape[1]):
        of_z = z[:, channel].detach().double().flatten().numpy()
        of_y = y[:, channel].detach().double().flatten().numpy()
        columns = np.stack([of_z, np.ones_like(of_z)], axis=1)
        found.append(np.linalg.lstsq(columns, of_y, rcond=None)[0])
    gammas, betas = np.stack(found, axis=1)
    return gammas, betas


@pytest.mark.parametrize("sizes", [[40], [16, 16, 8], [1, 38, 1]], ids=str)
@pytest.mark.parametrize("method", ["group", "layer", "channel_layer", "instance", "group_rms"])
def test_they_are_those_of_numpys_least_squares(method: str, sizes: list[int]) -> None:
    model, x = nn.Sequential(batch_norm()), images()
    wanted = model(x)
    nk.swap_(model, method, data=x.split(sizes))
    plain = copy.deepcopy(model[0])
    plain.weight = None
    plain.bias = None
    z, has_beta = plain(x), model[0].bias is not None
    if has_beta:
        gammas, betas = by_numpy(z, wanted)
        np.testing.assert_allclose(model[0].bias.detach().numpy(), betas, rtol=1e-4, atol=1e-5)
    else:
        gammas = ((z * wanted).sum((0, 2, 3)) / (z * z).sum((0, 2, 3))).detach().numpy()
    np.testing.assert_allclose(model[0].weight.detach().numpy(), gammas, rtol=1e-4, atol=1e-5)


def test_a_term_without_gamma_is_taken_off_first() -> None:
    # Global response normalization is x + γ · x · n(x) + β.
    model, x = nn.Sequential(batch_norm()), images()
    wanted = model(x)
    nk.swap_(model, "global_response", data=x.split(16))
    plain = copy.deepcopy(model[0])
    for name, value in (("weight", 1.0), ("bias", 0.0)):
        getattr(plain, name).data.fill_(value)
    gammas, betas = by_numpy(plain(x) - x, wanted - x)
    np.testing.assert_allclose(model[0].weight.detach().flatten().numpy(), gammas, rtol=1e-4)
    np.testing.assert_allclose(
        model[0].bias.detach().flatten().numpy(), betas, rtol=1e-4, atol=1e-5
    )


def test_the_share_left_over_is_that_of_the_residuals() -> None:
    model, x = nn.Sequential(nn.Conv2d(4, 4, 1), nk.nn.GroupNorm(2, 4)), images()
    fit = Fit(model[0], model[1])
    calibrate_("a verb", model, [fit], state_of([]), list(x.split(16)))
    wanted = model[0](x)
    residuals = (model(x) - wanted).double().square().sum()
    spread = (wanted - wanted.mean((0, 2, 3), keepdim=True)).double().square().sum()
    assert fit.left_over == pytest.approx(float((residuals / spread).sqrt().detach()), rel=1e-4)
    assert fit.told == f"calibrated, {fit.left_over:.0%} of the output's spread left over"


def test_a_site_that_no_batch_reached_is_told() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = batch_norm()

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) if len(x) > 4 else x

    model = Branching()
    (site,) = nk.swap_(model, "group", example=images(8), data=[images(2)])
    assert site.done == "GroupNorm of 2 groups; not calibrated: no batch reached it"


def test_each_norm_is_fitted_on_what_those_before_it_let_through() -> None:
    model = nn.Sequential(batch_norm(), nn.Conv2d(4, 4, 1), batch_norm()).eval()
    x = images()
    wanted = model(x)
    nk.swap_(model, "group", data=[x])
    plain = copy.deepcopy(model[2])
    plain.weight = plain.bias = None
    gammas, betas = by_numpy(plain(model[1](model[0](x))), wanted)
    np.testing.assert_allclose(model[2].weight.detach().numpy(), gammas, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model[2].bias.detach().numpy(), betas, rtol=1e-4, atol=1e-5)


def test_a_channel_that_is_constant_gets_its_value() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), batch_norm()).eval()
    with torch.no_grad():
        model[0].weight.zero_()
    x = images()
    wanted = model(x)
    nk.swap_(model, "instance", data=[x])
    torch.testing.assert_close(model(x), wanted, rtol=1e-5, atol=1e-5)
    assert model[1].weight.isfinite().all()


def test_statistics_and_fit_belong_together_over_several_batches() -> None:
    # The second batch moves the statistics that the first was normalised with.
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU()).eval()
    x = torch.cat([images(20), images(20) * 5 + 10])
    wanted = model(x)
    surgery = nk.insert_(model, "batch", x, data=x.split(20))
    torch.testing.assert_close(model(x), wanted, rtol=1e-5, atol=1e-4)
    assert all("calibrated, 0% of" in str(site.done) for site in surgery.sites)


def test_dropout_is_off_and_the_mode_stays() -> None:
    model = nn.Sequential(nn.Dropout(0.5), batch_norm()).train()
    x = images()
    wanted = copy.deepcopy(model).eval()(x)
    nk.swap_(model, "group", data=[x])
    assert model.training
    plain = copy.deepcopy(model[1])
    plain.weight = plain.bias = None
    gammas, _ = by_numpy(plain(x), wanted)
    np.testing.assert_allclose(model[1].weight.detach().numpy(), gammas, rtol=1e-4)


def test_data_do_not_move_what_is_not_fitted(remember: Callable[..., Differences]) -> None:
    model = nn.Sequential(batch_norm(), nn.BatchNorm2d(4).train())
    differences = remember(model[1])
    x = images()
    random = torch.get_rng_state()
    nk.swap_(model, "group", data=[x], where=lambda name, _: name == "0")
    assert [each for each in differences() if "random" not in each] == []
    assert torch.equal(torch.get_rng_state(), random)


def test_a_convolution_of_ones_own_with_an_attribute_act_is_run_as_it_is() -> None:
    class Activating(nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(4, 4, 1)
            self.act = nn.Tanh()

        def forward(self, input: Tensor) -> Tensor:  # noqa: A002
            return self.act(super().forward(input))

    model = nn.Sequential(Activating(), nn.ReLU()).eval()
    x = images()
    wanted = model(x)
    nk.insert_(model, "batch", x, data=[x])
    torch.testing.assert_close(model(x), wanted, rtol=1e-5, atol=1e-5)


def test_hooks_do_not_see_what_the_fit_tries() -> None:
    model = nn.Sequential(batch_norm())
    seen: list[Tensor] = []
    model[0].register_forward_hook(lambda _, __, y: seen.append(y.detach().clone()))
    x = images()
    nk.swap_(model, "batch_channel", data=[x])
    # Watched once, compared before and after, and for a fit once as it was and once as it is.
    assert len(seen) <= 7
    assert all(y.isfinite().all() for y in seen)


def test_an_empty_batch_does_not_count() -> None:
    with_it, without = (nn.Sequential(nn.BatchNorm2d(4)).eval() for _ in range(2))
    x = torch.randn(8, 4, 3, 3)
    nk.swap_(with_it, "group", example=x, data=[x[:0], x, x[:0]])
    nk.swap_(without, "group", example=x, data=[x])
    assert torch.equal(with_it[0].weight, without[0].weight)
    assert torch.equal(with_it[0].bias, without[0].bias)


def test_a_batch_that_is_not_finite_is_refused_and_nothing_changed() -> None:
    model, x = nn.Sequential(nn.BatchNorm2d(4)).eval(), torch.randn(8, 4, 3, 3)
    with pytest.raises(ValueError, match="a batch has values in it that are not finite"):
        nk.swap_(model, "group", data=[x, x * torch.nan])
    assert type(model[0]) is nn.BatchNorm2d
    assert torch.equal(model[0].weight, torch.ones(4))


def test_a_batch_that_does_not_reach_a_norm_leaves_its_groups() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(16)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) if x.mean() > -50 else x

    model, x = Branching().eval(), torch.randn(16, 16, 4, 4)
    alone = copy.deepcopy(model)
    nk.swap_(model, "group", data=[x, x - 100])
    nk.swap_(alone, "group", data=[x])
    assert model.norm.num_groups == alone.norm.num_groups
    torch.testing.assert_close(model(x), alone(x))
