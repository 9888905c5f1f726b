"""What a surgery did, as a table and to be taken back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import normkit as nk
from normkit.surgery.journal import Journal
from normkit.surgery.surgery import Site, Surgery

SITES = (
    Site("stem", "Conv2d", done="BatchNorm2d after it", difference=0.125),
    Site("gate", "Conv2d", refused="its maps are of one position"),
    Site("block.conv", "Conv2d", done="in part", refused="the rest could not be"),
)


def surgery(difference: float | None = None) -> Surgery:
    return Surgery("insert_", SITES, Journal(), difference)


def test_it_is_printed_as_a_table() -> None:
    assert str(surgery(0.5)).splitlines() == [
        "site        layer   done                  difference  why not",
        "----------  ------  --------------------  ----------  ----------------------------",
        "stem        Conv2d  BatchNorm2d after it  1.2e-01",
        "gate        Conv2d  left as it was                    its maps are of one position",
        "block.conv  Conv2d  in part                           the rest could not be",
        "insert_: 2 of 3 sites; the output differs by 5.0e-01",
    ]


def test_a_model_that_was_not_called_has_no_difference_to_tell() -> None:
    assert str(surgery()).endswith("\ninsert_: 2 of 3 sites")


def test_its_repr_is_one_line() -> None:
    assert repr(surgery()) == "<Surgery insert_: 2 of 3 sites>"


def test_sites_are_told_apart_by_what_was_done() -> None:
    one = surgery()
    assert [site.name for site in one] == ["stem", "gate", "block.conv"]
    assert [site.name for site in one.done] == ["stem", "block.conv"]
    assert [site.name for site in one.refused] == ["gate"]


def test_without_a_site_there_is_a_table_still() -> None:
    assert str(Surgery("fuse_", (), Journal())).endswith("fuse_: 0 of 0 sites")


def test_a_site_can_be_given_its_difference() -> None:
    assert SITES[1].with_difference(0.5) == Site(
        "gate", "Conv2d", refused="its maps are of one position", difference=0.5
    )


def test_undone_twice_it_raises_and_changes_nothing() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU())
    x = torch.randn(4, 2, 3, 3)
    done = nk.insert_(model, "batch", x)
    done.undo()
    again = nk.insert_(model, "group", x)
    with pytest.raises(RuntimeError, match="this insert_ was undone already, by itself or"):
        done.undo()
    assert type(model[0].norm) is nk.nn.GroupNorm
    again.undo()


def test_several_are_undone_in_the_reverse_of_their_order(
    remember: Callable[..., Callable[[], list[str]]],
) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU())
    x = torch.randn(8, 2, 3, 3)
    steps: list[Callable[[], Surgery]] = [
        lambda: nk.insert_(model, "batch", x, data=[x]),
        lambda: nk.recalibrate_(model, [x]),
        lambda: nk.swap_(model, "ghost_batch", example=x),
        lambda: nk.swap_(model, "group", data=[x]),
        lambda: nk.fuse_(model, x),
    ]
    done = []
    for step in steps:
        differences = remember(model)
        done.append((step(), differences))
        assert differences() != []
    for one, differences in reversed(done):
        one.undo()
        assert differences() == []


@pytest.mark.parametrize(
    "verb",
    [
        lambda m, x: nk.insert_(m, "batch", x),
        lambda m, x: nk.swap_(m, "batch", example=x),
        lambda m, x: nk.remove_(m, x),
        lambda m, x: nk.sync_(m),
        lambda m, x: nk.unsync_(m, x),
        lambda m, x: nk.freeze_(m),
        lambda m, x: nk.unfreeze_(m),
        lambda m, x: nk.recalibrate_(m, [x]),
        lambda m, x: nk.lsuv_(m, x),
        lambda m, x: nk.fuse_(m, x),
        lambda m, x: nk.fold_(m.eval(), x),
        nk.flow,
    ],
    ids=[
        "insert_",
        "swap_",
        "remove_",
        "sync_",
        "unsync_",
        "freeze_",
        "unfreeze_",
        "recalibrate_",
        "lsuv_",
        "fuse_",
        "fold_",
        "flow",
    ],
)
@pytest.mark.parametrize(
    ("wrap", "fix"),
    [
        (lambda model: torch.compile(model, backend="eager"), "compile it afterwards"),
        (lambda model: nn.Sequential(nn.DataParallel(model)), r"Give model\.module"),
    ],
    ids=["compiled", "wrapped, deep inside"],
)
def test_every_verb_refuses_what_it_would_miss_the_inside_of(
    verb: Callable[[nn.Module, torch.Tensor], Surgery],
    wrap: Callable[[nn.Module], nn.Module],
    fix: str,
) -> None:
    model = wrap(nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)))
    with pytest.raises(TypeError, match=fix):
        verb(model, torch.randn(4, 2, 3, 3))


def test_to_undo_one_is_to_undo_those_since() -> None:
    model, x = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).eval(), torch.randn(4, 2, 3, 3)
    before, state = model(x), copy.deepcopy(model.state_dict())
    first = nk.swap_(model, "batch_renorm", example=x)
    nk.recalibrate_(model, [x])  # Whose handle nobody keeps.
    third = nk.fold_(model, x)
    first.undo()
    assert torch.equal(model(x), before)
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in state)
    with pytest.raises(RuntimeError, match="this fold_ was undone already, by itself or with one"):
        third.undo()


def test_one_on_the_whole_is_undone_with_one_on_a_part_before_it() -> None:
    part, x = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)).eval(), torch.randn(4, 2, 3, 3)
    model = nn.Sequential(part).eval()
    before = model(x)
    inner = nk.swap_(part, "sync_batch", example=x)
    nk.fold_(model, x)
    inner.undo()
    assert torch.equal(model(x), before)
    assert type(part[1]) is nn.BatchNorm2d


def test_nothing_is_undone_while_something_else_has_changed_a_layer() -> None:
    model, x = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU()), torch.randn(4, 2, 3, 3)
    before = copy.deepcopy(model.state_dict())
    surgery = nk.insert_(model, "batch", x)
    weight_norm(model[0])
    with pytest.raises(RuntimeError, match="something else has made it a Parametrized"):
        surgery.undo()
    assert isinstance(model[0].norm, nk.nn.BatchNorm2d)
    model[0].__class__ = type(model[0]).__bases__[0]
    del model[0].parametrizations
    model[0].register_parameter("weight", nn.Parameter(before["0.weight"].clone()))
    surgery.undo()
    assert torch.equal(
        model(x), nn.functional.conv2d(x, before["0.weight"], before["0.bias"]).relu()
    )


def test_those_on_different_parts_are_not_in_one_another_s_way() -> None:
    parts = [nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)).eval() for _ in range(2)]
    x = torch.randn(4, 2, 3, 3)
    model = nn.Sequential(*parts).eval()
    before = model(x)
    first, second = (nk.fold_(part, x) for part in parts)
    first.undo()
    second.undo()
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("example", [None, (torch.zeros(1),), {"x": 1}])
def test_an_example_is_one_tensor(example: Any) -> None:
    with pytest.raises(TypeError, match=r"one tensor x, which the model is called with .* got a"):
        nk.fuse_(nn.Sequential(nn.BatchNorm2d(2)), example)


@pytest.mark.parametrize("verb", [nk.swap_, nk.insert_], ids=["swap_", "insert_"])
def test_a_loader_that_shuffles_leaves_the_generators(verb: Callable[..., Surgery]) -> None:
    data = torch.utils.data.DataLoader(torch.randn(8, 2, 3, 3), batch_size=4, shuffle=True)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 1), *([nn.BatchNorm2d(4)] * (verb is nk.swap_)), nn.ReLU()
    )
    before = torch.get_rng_state()
    verb(model, "group", example=torch.randn(4, 2, 3, 3, generator=torch.Generator()), data=data)
    assert torch.equal(torch.get_rng_state(), before)
