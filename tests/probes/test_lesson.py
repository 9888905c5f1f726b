"""The numbers of the lesson are those of the formulas, and of the network's own backward pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normkit.functional import batch_norm, group_norm, instance_norm
from normkit.nn.catalogue import make
from normkit.nn.group import default_groups
from normkit.probes.lesson import AXES, backward, lesson, removed_share, standardised
from normkit.probes.passage import passages

EPS = 1e-5


def by_formula(method: str, x: Tensor, groups: int) -> Tensor:
    """Each method as the toolkit's own functions compute it."""
    if method == "batch":
        return batch_norm(x, None, None, training=True, eps=EPS)
    if method == "instance":
        return instance_norm(x, eps=EPS)
    return group_norm(x, groups, eps=EPS)


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    scale = torch.rand(6, 8, 1, dtype=torch.float64) * 4 + 1
    return torch.randn(6, 8, 9, dtype=torch.float64) * scale + 3


@pytest.mark.parametrize(("method", "groups"), [*((m, 1) for m in AXES), ("group", 4)])
class TestAMethod:
    def test_standardises_as_the_toolkits_own_function(
        self, x: Tensor, method: str, groups: int
    ) -> None:
        found = standardised(x, AXES[method], groups, EPS)
        torch.testing.assert_close(found.values, by_formula(method, x, groups))
        torch.testing.assert_close(
            (x - found.mean) / (found.variance + EPS).sqrt(), found.values, rtol=0, atol=1e-12
        )

    def test_sends_back_what_autograd_sends_back(self, x: Tensor, method: str, groups: int) -> None:
        upstream = torch.randn_like(x)
        entering = x.clone().requires_grad_()
        [expected] = torch.autograd.grad(by_formula(method, entering, groups), entering, upstream)
        found = standardised(x, AXES[method], groups, EPS)
        sent = backward(upstream, found, AXES[method], groups, EPS)
        torch.testing.assert_close(sent, expected)


def test_unknown_axes_are_an_error(x: Tensor) -> None:
    with pytest.raises(ValueError, match="batch, sample or instance; got 'channel'"):
        standardised(x, "channel", 1, EPS)


def test_the_share_taken_out_is_one_less_what_is_left(x: Tensor) -> None:
    found = standardised(x, "batch", 1, 0.0)
    upstream = torch.randn_like(x)
    sent = backward(upstream, found, "batch", 1, 0.0) * found.variance.sqrt()
    for channel in range(x.shape[1]):
        left = sent[:, channel].square().sum() / upstream[:, channel].square().sum()
        share = removed_share(upstream[:, channel], found.values[:, channel])
        assert float(share) == pytest.approx(1 - float(left))


def test_nothing_is_taken_out_of_no_gradient() -> None:
    assert float(removed_share(torch.zeros(4), torch.randn(4))) == 0.0


def network(norm: str, side: int = 7) -> tuple[nn.Module, list[nn.Module]]:
    """A norm after each of two convolutions, and γ and β that are not one and zero."""
    norms = [make(norm, 4, dims=2), make(norm, 8, dims=2)]
    for layer in norms:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), norms[0], nn.ReLU(), nn.Conv2d(4, 8, 3), norms[1], nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * (side - 4) ** 2, 3),
    )  # fmt: skip
    return model, norms


def batch(side: int = 7) -> tuple[Tensor, Tensor]:
    return torch.randn(10, 1, side, side), torch.randint(3, (10,))


@pytest.fixture(params=["batch", "layer", "group", "instance"])
def norm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestALesson:
    @pytest.fixture
    def taught(self, norm: str) -> tuple[dict[str, Any], Tensor, Tensor, nn.Module]:
        """The lesson, and the layer with what enters it and the gradient that arrives."""
        torch.manual_seed(1)
        model, norms = network(norm)
        images, labels = batch()
        found = lesson(model, norms, images, labels, default_groups)
        passage = passages(model, norms, images, labels)[1]
        return found, passage.input.double(), passage.arriving.double(), norms[1]

    def test_looks_at_the_middle_layer(self, taught: Any) -> None:
        found, x, *_ = taught
        assert (found["layer"], found["layers"], found["shape"]) == (2, 2, list(x.shape))

    def test_has_the_moments_of_its_channel_over_the_batch(self, taught: Any) -> None:
        found, x, *_ = taught
        values = x[:, found["channel"]]
        assert found["count"] == values.numel()
        assert found["sum"] == pytest.approx(float(values.sum()))
        assert found["mean"] == pytest.approx(float(values.mean()))
        assert found["variance"] == pytest.approx(float(values.var(correction=0)))
        assert found["squares"] == pytest.approx(found["variance"] * found["count"])

    def test_follows_the_same_values_through_every_stage(self, taught: Any) -> None:
        found, x, arriving, layer = taught
        c = found["channel"]
        entering = x.clone().requires_grad_()
        weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
        output = batch_norm(entering, None, None, weight, bias, training=True)
        [leaving] = torch.autograd.grad(output, entering, arriving)
        normalised = batch_norm(x, None, None, training=True)
        for stage, whole in (
            ("input", x),
            ("normalised", normalised),
            ("output", output),
            ("arriving", arriving),
            ("leaving", leaving),
        ):
            picked = torch.stack([whole[:6, c, i, j] for i, j in found["positions"]], 1)
            assert found["values"][stage] == [
                pytest.approx(row, rel=1e-6, abs=1e-12) for row in picked.tolist()
            ]

    def test_backward_takes_out_the_mean_and_what_goes_along_with_the_values(
        self, taught: Any
    ) -> None:
        found, x, arriving, layer = taught
        c = found["channel"]
        scaled = float(layer.weight.detach()[c]) * arriving[:, c]
        before, after = found["backward"]["scaled"], found["backward"]["leaving"]
        normalised = batch_norm(x, None, None, training=True)[:, c]
        assert before["sum"] == pytest.approx(float(scaled.sum()))
        assert before["product"] == pytest.approx(float((scaled * normalised).mean()))
        expected = torch.corrcoef(torch.stack([scaled.flatten(), normalised.flatten()]))[0, 1]
        assert before["correlation"] == pytest.approx(float(expected))
        assert abs(before["correlation"]) > 1e-2
        assert abs(after["sum"]) < 1e-12
        # Not zero, since ε is added to the variance and x̂ is a little too small.
        assert abs(after["correlation"]) < 1e-3

    def test_every_method_has_the_statistics_of_its_own_sets(self, taught: Any) -> None:
        found, x, *_ = taught
        c, groups = found["channel"], found["methods"]["group"]["groups"]
        assert groups == 4
        parts = {
            "batch": [x[:, c]] * 6,
            "layer": [x[n] for n in range(6)],
            "instance": [x[n, c] for n in range(6)],
            "group": [x[n, c // 2 * 2 : c // 2 * 2 + 2] for n in range(6)],
        }
        for method, sets in parts.items():
            told = found["methods"][method]
            assert told["count"] == sets[0].numel()
            assert told["sets"] * told["count"] == x.numel()
            assert told["means"] == pytest.approx([float(part.mean()) for part in sets])
            assert told["variances"] == pytest.approx(
                [float(part.var(correction=0)) for part in sets]
            )
            after = by_formula(method, x, groups if method == "group" else 1)[:, c]
            assert told["after"]["mean"] == pytest.approx(float(after.mean()), abs=1e-12)
            assert told["after"]["variance"] == pytest.approx(float(after.var(correction=0)))
            spread = after.mean((1, 2)).std(correction=0)
            assert told["after"]["spread"] == pytest.approx(float(spread), abs=1e-12)

    def test_draws_the_maps_as_they_are(self, taught: Any) -> None:
        found, x, *_ = taught
        maps = found["maps"]
        assert (maps["first"], maps["size"]) == (0, [3, 3])
        assert torch.equal(torch.tensor(maps["values"]), x[:6, :8].flatten(2).float())


def test_batch_norms_own_passes_agree_with_the_formulas() -> None:
    torch.manual_seed(2)
    model, norms = network("batch")
    found = lesson(model, norms, *batch(), default_groups)
    assert found["largest_difference"]["output"] < 1e-5
    assert found["largest_difference"]["leaving"] < 1e-6
    assert found["running"] == [0.0, 1.0]


def test_larger_maps_are_averaged_where_they_are_drawn() -> None:
    model, norms = network("batch", side=14)
    found = lesson(model, norms, *batch(14), default_groups)
    assert found["shape"][2:] == [10, 10]
    assert found["maps"]["size"] == [8, 8]
    assert {len(cells) for row in found["maps"]["values"] for cells in row} == {64}


def test_a_layer_of_single_positions_is_taken_only_where_there_is_no_other() -> None:
    model, norms = network("batch", side=5)
    images, labels = batch(5)
    assert lesson(model, norms, images, labels, default_groups)["layer"] == 1
    model[1] = nn.Identity()
    found = lesson(model, norms[1:], images, labels, default_groups)
    assert found["positions"] == [[0, 0]]
    # A value that is a set of its own comes out as zero.
    assert found["methods"]["instance"]["after"]["variance"] == 0.0


def test_where_no_norm_has_maps_there_is_nothing_to_tell() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    found = lesson(model, [model[1]], torch.randn(8, 4), torch.randint(2, (8,)), default_groups)
    assert found == {"layers": 1}


def test_a_norm_of_another_kind_is_no_batch_norm() -> None:
    for norm, is_batch in ((nn.BatchNorm2d(4), True), (nn.GroupNorm(2, 4), False)):
        net = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(36, 2))
        found = lesson(net, [norm], torch.randn(8, 1, 5, 5), torch.randint(2, (8,)), lambda _: 2)
        assert (found["type"], found["is_batch"]) == (type(norm).__name__, is_batch)


def test_weights_of_single_positions_are_no_weights_of_a_channel() -> None:
    norm = nn.LayerNorm([4, 3, 3])
    nn.init.constant_(norm.weight, 3.0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(36, 2))
    found = lesson(net, [norm], torch.randn(8, 1, 5, 5), torch.randint(2, (8,)), lambda _: 2)
    assert (found["gamma"], found["beta"], found["affine"]) == (1.0, 0.0, False)


class ChannelsLast(nn.Module):
    """A layer norm over the channels, brought to the last axis for it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def test_channels_on_the_last_axis_are_found_there() -> None:
    place = ChannelsLast(4)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), place, nn.Flatten(), nn.Linear(4 * 9, 2))
    images = torch.randn(8, 1, 5, 5)
    found = lesson(net, [place.norm], images, torch.randint(2, (8,)), lambda _: 2)
    assert found["shape"] == [8, 4, 3, 3]
    mean = net[0](images).detach()[:, found["channel"]].mean()
    assert found["mean"] == pytest.approx(float(mean), abs=1e-5)


def test_values_that_are_not_finite_are_not_told() -> None:
    model, norms = network("batch")
    nn.init.constant_(norms[1].weight, float("inf"))
    assert lesson(model, norms, *batch(), default_groups) == {"layers": 2, "layer": 2}


def test_the_model_is_as_before() -> None:
    model, norms = network("batch")
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    lesson(model.eval(), norms, *batch(), default_groups)
    assert not model.training
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
