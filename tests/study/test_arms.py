"""The arms of a study: norms of the catalogue, and rivals that use none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from normkit.data import Dataset
from normkit.models.branch import ScalarMultiplier
from normkit.nn.catalogue import catalogue
from normkit.study import train
from normkit.study.arms import NOT_STUDIED, RIVALS, arms, norm_of, rival_of, takes_part
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]

ON_WEIGHTS = [method.name for method in catalogue().values() if method.on == "weights"]


def test_no_rival_has_the_name_of_a_norm() -> None:
    assert not set(RIVALS) & set(catalogue())
    assert set(arms()) | set(NOT_STUDIED) == {*catalogue(), *RIVALS}
    assert set(NOT_STUDIED) < set(catalogue())


def test_a_rivals_network_has_no_norm() -> None:
    assert [norm_of(name) for name in RIVALS] == ["none"] * len(RIVALS)
    assert [norm_of(name) for name in catalogue()] == list(catalogue())
    assert rival_of("batch") is None


def test_rivals_take_part_where_norms_are_said_to_help_training() -> None:
    joined = [claim for claim in CLAIMS if takes_part("skipinit", claim)]
    assert joined == ["convergence", "depth", "gradients", "initialisation"]


def test_methods_on_the_weights_take_no_part_in_claims_about_layers() -> None:
    missing = [claim for claim in CLAIMS if not takes_part("weight_norm", claim)]
    assert missing == ["batch_size", "decorrelation", "placement", "standardise"]


def test_norms_on_activations_take_part_in_all() -> None:
    for claim in CLAIMS:
        assert takes_part("batch", claim)
        assert takes_part("given", claim)


def _claims() -> list[str]:
    from normkit.study.claims import claims

    return sorted(claims())


CLAIMS = _claims()


@pytest.mark.parametrize("name", ["fixup", "skipinit"])
def test_branches_are_built_into_the_residual_model_alone(
    digits: Dataset, trial: Trial, name: str
) -> None:
    with torch.random.fork_rng():
        model = train.build(trial(norm=name, model="residual"), digits)
        assert any(isinstance(module, ScalarMultiplier) for module in model.modules())
        with pytest.raises(ValueError, match=f"{name} is for residual networks; the model 'plain'"):
            train.build(trial(norm=name), digits)


@pytest.mark.parametrize("name", [*RIVALS, *ON_WEIGHTS])
def test_every_rival_and_method_on_the_weights_trains(
    digits: Dataset, trial: Trial, name: str
) -> None:
    record = train.run(trial(norm=name, model="residual", steps=8), ("gradients",), digits)
    assert record.status == "ok"
    assert record.curve[-1]["train_loss"] < record.curve[0]["train_loss"] * 1.5


def test_lsuv_scales_what_the_trial_starts_from(digits: Dataset, trial: Trial) -> None:
    """Far too large weights, which train no network without norm."""
    start = {"init": "gaussian", "gain": 100.0}
    plain = train.run(trial(steps=0, **start), (), digits)
    scaled = train.run(trial(norm="lsuv", steps=0, **start), (), digits)
    assert scaled.curve[0]["train_loss"] < 10
    assert plain.curve[0]["train_loss"] is None or plain.curve[0]["train_loss"] > 1e3


def test_agc_clips_all_but_the_classifier(digits: Dataset, trial: Trial) -> None:
    spec = trial(norm="agc")
    with torch.random.fork_rng():
        model = train.build(spec, digits)
    images, _ = train.Batches(digits, "cpu").take(torch.as_tensor(digits.train[:2]))
    clipped = train.clipped_parameters(model, spec, images)
    assert len(clipped) == len(list(model.parameters())) - 2
    assert not any(parameter is model.classifier.weight for parameter in clipped)
    assert train.clipped_parameters(model, trial(), images) == []
    assert train.run(spec, (), digits).curve != train.run(trial(), (), digits).curve


@pytest.mark.parametrize("name", ON_WEIGHTS)
def test_micro_batches_leave_methods_on_the_weights_as_they_are(
    digits: Dataset, trial: Trial, name: str
) -> None:
    whole = train.run(trial(norm=name), (), digits)
    assert train.run(trial(norm=name, norm_batch=2), (), digits).curve == whole.curve
