"""Every model of the zoo is made, runs in evaluation and in training, and answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from networks import LAYERS, NETWORKS
from zoo import ZOO, lived
from zoo.plain.mobilenet_v2 import mobilenet_v2
from zoo.plain.resnet import resnet50

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that would download its weights fails."""

    def connect(*_: object) -> None:
        raise AssertionError("the zoo downloads nothing")

    monkeypatch.setattr("socket.socket.connect", connect)


@pytest.mark.parametrize("name", ZOO)
def test_a_model_answers_in_evaluation_and_in_training(name: str) -> None:
    entry = ZOO[name]
    torch.manual_seed(0)
    model, example = entry.make(), entry.example()
    assert model.training
    assert entry.name == name
    assert len(example) >= 4
    for output in (model.train()(example), model(example), model.eval()(example)):
        answer = entry.output(output)
        assert len(answer) == len(example)
        assert answer.isfinite().all()
    assert torch.equal(example, entry.example())


@pytest.mark.parametrize("name", ZOO)
def test_the_answer_of_a_model_that_has_lived_depends_on_what_it_is_asked(name: str) -> None:
    entry = ZOO[name]
    model = lived(entry)
    assert not model.training
    with torch.no_grad():
        answer, again = (entry.output(model(entry.example())) for _ in range(2))
    assert torch.equal(answer, again)
    assert (answer[0] - answer[1]).abs().max() > 1e-3 * answer.abs().mean()


@pytest.mark.parametrize("name", ["mnasnet", "retinanet", "fcos", "style_transfer"])
def test_a_model_that_has_lived_has_norms_that_do_something(name: str) -> None:
    once, again, other = (lived(ZOO[name], seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(tensor, again[key]) for key, tensor in once.items())
    statistics = [key for key in once if key.endswith(("running_mean", "running_var"))]
    assert statistics
    for key in statistics:
        rest = torch.zeros_like(once[key]) if key.endswith("mean") else torch.ones_like(once[key])
        assert (once[key] - rest).abs().max() > 0.01, key
        assert not torch.equal(once[key], other[key])
    fresh = dict(ZOO[name].make().named_modules())
    for key, module in lived(ZOO[name]).named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.momentum == fresh[key].momentum


@pytest.mark.parametrize(("name", "make"), [("resnet50", resnet50), ("mobilenet_v2", mobilenet_v2)])
def test_the_whole_networks_have_the_parameters_of_torchvisions(
    name: str, make: type[nn.Module]
) -> None:
    def shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
        return {key: tensor.shape for key, tensor in state.items()}

    with torch.device("meta"):
        model, same = make(), NETWORKS[name](LAYERS["pytorch"])
    assert shapes(model.state_dict()) == shapes(same.state_dict())
    assert list(model.state_dict()) == list(same.state_dict())


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2"])
def test_the_whole_networks_compute_what_torchvisions_do(name: str) -> None:
    model = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}[name]()
    same = NETWORKS[name](LAYERS["pytorch"])
    same.load_state_dict(model.state_dict())
    x = torch.randn(2, 3, 64, 64)
    answers = []
    for network in (model, same):
        torch.manual_seed(0)  # For what drops out.
        answers.append(network(x))
    torch.testing.assert_close(*answers)


def test_one_model_cannot_be_traced() -> None:
    with pytest.raises(torch.fx.proxy.TraceError):
        torch.fx.symbolic_trace(ZOO["branchy_net"].make())
    torch.fx.symbolic_trace(ZOO["resnet_basic"].make())
