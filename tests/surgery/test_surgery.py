"""What a surgery did, as a table and to be taken back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

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
    with pytest.raises(RuntimeError, match=r"this insert_ was undone already\. Nothing was chang"):
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
