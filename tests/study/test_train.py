"""A trial is a pure function of its specification and its data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from normkit.data import Dataset, prepare
from normkit.study import train
from normkit.study.probing import PROBES
from normkit.study.record import Record
from normkit.study.spec import TrialSpec

Trial = Callable[..., TrialSpec]


@pytest.fixture(scope="module")
def baseline(digits: Dataset, trial: Trial) -> Record:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train.run(trial(), (), digits)
    finally:
        torch.set_num_threads(threads)


def without_times(record: Record) -> dict[str, Any]:
    return {**vars(record), "times": None}


def test_the_same_specification_gives_the_same_record_bit_for_bit(
    digits: Dataset, trial: Trial
) -> None:
    spec = trial(dropout=0.2, test="end")
    first = train.run(spec, tuple(PROBES), digits)
    torch.rand(17)  # the state that the caller's generator is in does not matter
    second = train.run(spec, tuple(PROBES), digits)
    assert without_times(first) == without_times(second)


def test_another_seed_gives_other_numbers(digits: Dataset, trial: Trial, baseline: Record) -> None:
    assert train.run(trial(seed=1), (), digits).curve != baseline.curve


@pytest.mark.parametrize("norm", ["none", "batch", "group"])
def test_probes_do_not_change_the_training(digits: Dataset, trial: Trial, norm: str) -> None:
    # Dropout draws random numbers in the probes' forward passes too.
    spec = trial(norm=norm, dropout=0.3, test="end")
    plain = train.run(spec, (), digits)
    probed = train.run(spec, tuple(PROBES), digits)
    assert plain.training() == probed.training()
    assert plain.probes == {}
    assert set(probed.probes) == set(PROBES)


def test_probes_look_before_and_after_training(digits: Dataset, trial: Trial) -> None:
    found = train.run(trial(), ("gradients",), digits).probes["gradients"]
    assert list(found) == ["start", "end"]
    assert len(found["start"]["norms"]) == 2
    assert found["start"] != found["end"]


def test_a_trial_without_steps_only_looks_at_the_start(digits: Dataset, trial: Trial) -> None:
    record = train.run(trial(steps=0), ("gradients",), digits)
    assert list(record.probes["gradients"]) == ["start"]
    assert record.final == {}
    assert record.status == "ok"


def test_the_callers_random_state_is_untouched(digits: Dataset, trial: Trial) -> None:
    before = torch.get_rng_state()
    train.run(trial(dropout=0.2), ("gradients",), digits)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_curve_is_measured_at_the_checkpoints(trial: Trial, baseline: Record) -> None:
    assert baseline.column("step") == train.checkpoints(trial().steps)
    assert len(baseline.times["at_checkpoints"]) == len(baseline.curve)
    assert baseline.final["train_loss"] == baseline.curve[-1]["train_loss"]


def test_training_lowers_the_training_loss(digits: Dataset, trial: Trial) -> None:
    losses = train.run(trial(steps=20), (), digits).column("train_loss")
    assert losses[-1] < losses[0] - 0.1


def test_other_data_than_the_specification_names_are_refused(digits: Dataset, trial: Trial) -> None:
    with pytest.raises(ValueError, match="runs on the data it names; it names 0123456789ab…"):
        train.run(trial(data="0123456789abcdef"), (), digits)


@pytest.mark.parametrize("kind", ["train", "cost"])
def test_fewer_images_than_a_batch_are_refused(digits: Dataset, trial: Trial, kind: str) -> None:
    spec = trial(batch=65, kind=kind, arms=("none",))
    with pytest.raises(ValueError, match="there are 60 training images and a batch is 65"):
        train.run(spec, (), digits)


def test_a_reduced_set_smaller_than_a_batch_is_refused(digits: Dataset, trial: Trial) -> None:
    with pytest.raises(ValueError, match="there are 7 training images and a batch is 8: use a"):
        train.run(trial(images=7), (), digits)


def test_an_unknown_probe_is_refused_with_the_close_match(digits: Dataset, trial: Trial) -> None:
    with pytest.raises(ValueError, match=r"unknown probe 'gradient'. Did you mean 'gradients'\?"):
        train.run(trial(), ("gradient",), digits)


@pytest.fixture(scope="module")
def diverged(digits: Dataset, trial: Trial) -> Record:
    spec = trial(norm="none", rate=1e30, steps=20, test="curve")
    return train.run(spec, ("gradients", "standardise"), digits)


class TestDivergence:
    def test_is_a_status(self, diverged: Record) -> None:
        assert diverged.status == "diverged"

    def test_ends_the_training(self, diverged: Record) -> None:
        assert diverged.column("step")[-1] < 20

    def test_counts_as_not_trained(self, diverged: Record) -> None:
        assert diverged.accuracy == 0.0

    def test_is_stored_as_null_never_as_nan(self, diverged: Record) -> None:
        stored = json.dumps(without_times(diverged) | {"spec": None}, allow_nan=False)
        assert json.loads(stored)["curve"][-1]["train_loss"] is None

    def test_leaves_no_finite_loss_of_an_earlier_step_in_the_end(self, diverged: Record) -> None:
        losses = [diverged.final[f"{part}_loss"] for part in ("train", "validation", "test")]
        assert losses == [None, None, None]

    def test_is_not_measured_by_probes(self, diverged: Record) -> None:
        assert list(diverged.probes["gradients"]) == ["start"]

    def test_in_the_very_last_step_is_noticed(self, digits: Dataset, trial: Trial) -> None:
        # The loss of step 1 is still finite; the weights that the step leaves are not.
        spec = trial(norm="none", rate=1e38, steps=1)
        record = train.run(spec, ("gradients", "standardise"), digits)
        assert record.status == "diverged"
        assert list(record.probes["standardise"]) == ["start"]


class TestTheTestPart:
    @pytest.fixture
    def read(self, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> set[int]:
        """The positions of all images that a trial has taken."""
        positions: set[int] = set()
        take = train.Batches.take

        def watched(
            self: train.Batches, indices: Tensor, change: Any = None
        ) -> tuple[Tensor, Tensor]:
            positions.update(indices.tolist())
            return take(self, indices, change)

        monkeypatch.setattr(train.Batches, "take", watched)
        return positions

    def test_is_never_read_while_tuning(
        self, digits: Dataset, trial: Trial, read: set[int]
    ) -> None:
        record = train.run(trial(test="never"), ("gradients", "standardise"), digits)
        assert read
        assert not read & set(digits.test.tolist())
        assert "test_error" not in record.final

    @pytest.mark.parametrize("when", ["end", "curve"])
    def test_is_read_whole_where_a_trial_is_judged(
        self, digits: Dataset, trial: Trial, read: set[int], when: str
    ) -> None:
        record = train.run(trial(test=when), (), digits)
        assert set(digits.test.tolist()) <= read
        assert record.final["test_error"] is not None
        assert ("test_error" in record.curve[0]) == (when == "curve")

    def test_does_not_change_the_training(
        self, digits: Dataset, trial: Trial, baseline: Record
    ) -> None:
        record = train.run(trial(test="end"), (), digits)
        assert record.curve == baseline.curve


class TestAReducedSetOfImages:
    def test_is_the_same_for_every_seed_and_norm(self, digits: Dataset, trial: Trial) -> None:
        one, other = (
            train.training_indices(spec, digits)
            for spec in (trial(images=16, seed=0), trial(images=16, seed=9, norm="none"))
        )
        assert torch.equal(one, other)
        assert len(one) == 16

    def test_is_a_part_of_the_training_images(self, digits: Dataset, trial: Trial) -> None:
        assert set(train.training_indices(trial(images=16), digits).tolist()) < set(
            digits.train.tolist()
        )

    def test_mixes_the_classes_of_data_that_come_sorted(
        self, trial: Trial, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("sorted")
        labels = np.repeat(np.arange(4), 50)
        images = np.random.default_rng(0).random((200, 4, 4), dtype=np.float32)
        np.savez(folder / "sorted.npz", x=images, y=labels)
        data = prepare(f"npz:{folder / 'sorted.npz'}", cache=folder / "cache")
        chosen = train.training_indices(trial(data=data.fingerprint, images=24), data)
        _, found = data.tensors()
        assert set(found[chosen].tolist()) == {0, 1, 2, 3}

    def test_is_all_that_training_sees(
        self, digits: Dataset, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: set[int] = set()
        shuffled = train.Batches.shuffled

        def watched(self: train.Batches, *arguments: Any) -> Any:
            for indices in shuffled(self, *arguments):
                seen.update(indices.tolist())
                yield indices

        monkeypatch.setattr(train.Batches, "shuffled", watched)
        spec = trial(images=16)
        train.run(spec, (), digits)
        assert seen == set(train.training_indices(spec, digits).tolist())


@pytest.mark.parametrize("penalty", [{"l1": 1e-2}, {"l2": 1e-1}, {"dropout": 0.5}])
def test_a_penalty_changes_the_training(
    digits: Dataset, trial: Trial, baseline: Record, penalty: dict[str, float]
) -> None:
    assert train.run(trial(**penalty), (), digits).curve != baseline.curve


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_weights_are_penalised_but_no_norm_parameters_and_biases(
    digits: Dataset, trial: Trial, monkeypatch: pytest.MonkeyPatch, penalty: str
) -> None:
    models: list[nn.Module] = []
    build = train.build

    def kept(spec: TrialSpec, data: Dataset) -> nn.Module:
        models.append(build(spec, data))
        return models[-1]

    # With all gradients of the loss at zero, only the penalty moves a parameter.
    monkeypatch.setattr(train, "build", kept)
    monkeypatch.setattr(
        train.F, "cross_entropy", lambda logits, labels, **_: 0.0 * logits.double().sum()
    )
    spec = trial(steps=1, momentum=0.0).but(**{penalty: 0.5})
    train.run(spec, (), digits)
    with torch.random.fork_rng():
        before = dict(build(spec, digits).named_parameters())
    for name, parameter in models[0].named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved == (parameter.dim() > 1), name


def test_the_uneven_tail_of_an_epoch_is_left_out(digits: Dataset) -> None:
    batches = train.Batches(digits, "cpu").shuffled(
        torch.arange(10), 4, torch.Generator().manual_seed(0)
    )
    first_epoch = [next(batches), next(batches)]
    assert [len(batch) for batch in first_epoch] == [4, 4]
    assert len(torch.cat(first_epoch).unique()) == 8
    assert len(next(batches)) == 4


def test_measuring_leaves_the_training_mode_and_the_statistics(
    digits: Dataset, trial: Trial
) -> None:
    with torch.random.fork_rng():
        model = train.build(trial(), digits).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train.measure(model, train.Batches(digits, "cpu"), torch.as_tensor(digits.validation))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_measuring_takes_the_mean_over_all_images(digits: Dataset, trial: Trial) -> None:
    class Constant(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([[2.0] + [0.0] * 9]).expand(len(images), 10)

    indices = torch.as_tensor(digits.train)
    loss, accuracy = train.measure(Constant(), train.Batches(digits, "cpu"), indices)
    _, labels = digits.tensors()
    share = float((labels[indices] == 0).double().mean())
    normaliser = np.log(np.exp(2.0) + 9)
    assert accuracy == pytest.approx(share)
    assert loss == pytest.approx(normaliser - 2.0 * share, rel=1e-6)


def test_a_trial_says_what_it_ran(digits: Dataset, trial: Trial, baseline: Record) -> None:
    assert baseline.spec == trial()
    assert dataclasses.asdict(baseline)["spec"]["norm"] == "batch"


def test_a_norm_batch_of_the_whole_batch_changes_nothing(
    digits: Dataset, trial: Trial, baseline: Record
) -> None:
    whole = train.run(trial(norm_batch=8, test="end"), (), digits)
    losses = [point["train_loss"] for point in baseline.curve]
    assert [point["train_loss"] for point in whole.curve] == pytest.approx(losses, rel=1e-3)


def test_a_smaller_norm_batch_changes_the_training_of_batch_norm_alone(
    digits: Dataset, trial: Trial, baseline: Record
) -> None:
    assert train.run(trial(norm_batch=2), (), digits).curve != baseline.curve
    group = train.run(trial(norm="group"), (), digits)
    assert train.run(trial(norm="group", norm_batch=2), (), digits).curve == group.curve


def test_an_input_scale_is_seen_by_training_and_test(digits: Dataset, trial: Trial) -> None:
    plain = train.run(trial(norm="none", steps=0), (), digits)
    scaled = train.run(trial(norm="none", steps=0, input_scale=100.0), (), digits)
    assert scaled.curve[0]["train_loss"] != plain.curve[0]["train_loss"]
