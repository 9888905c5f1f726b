"""What a study compares: the norms of the catalogue, and rivals that do without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from normkit.nn.catalogue import catalogue


@dataclass(frozen=True)
class Rival:
    """A way to train a network without a norm on its activations.

    Attributes:
        year: of the paper.
        paper: authors, title and address.
        what: what it does, in a line.
        branch: of `normkit.models.BRANCHES`; "plain" where it leaves the network as it is.
        lsuv: whether `normkit.models.lsuv_` scales the first weights.
        clips: whether `normkit.nn.clip_grad_adaptive_` clips gradients, but the classifier's.
    """

    year: int
    paper: str
    what: str
    branch: str = "plain"
    lsuv: bool = False
    clips: bool = False


RIVALS: Mapping[str, Rival] = MappingProxyType(
    {
        "fixup": Rival(
            2019,
            "Zhang, Dauphin and Ma, Fixup Initialization, https://arxiv.org/abs/1901.09321",
            "Residual networks: first weights that shrink with the depth, scalars for norms.",
            branch="fixup",
        ),
        "skipinit": Rival(
            2020,
            "De and Smith, Batch Normalization Biases Residual Blocks, "
            "https://arxiv.org/abs/2002.10444",
            "Residual networks: every branch ends in a learned scalar, first 0.",
            branch="skipinit",
        ),
        "lsuv": Rival(
            2016,
            "Mishkin and Matas, All You Need is a Good Init, https://arxiv.org/abs/1511.06422",
            "First weights scaled until each layer's output has unit variance on a batch.",
            lsuv=True,
        ),
        "agc": Rival(
            2021,
            "Brock, De, Smith and Simonyan, High-Performance Large-Scale Image Recognition Without "
            "Normalization, https://arxiv.org/abs/2102.06171",
            "Gradients clipped against the weights that they change.",
            clips=True,
        ),
    }
)
"""Name → what is done in place of a norm."""

_OF_RIVALS = frozenset({"convergence", "initialisation", "gradients", "depth"})
"""The claims in which rivals take part; besides, the tables show what they reach and cost."""

_OF_LAYERS = frozenset({"standardise", "placement", "batch_size", "decorrelation"})
"""The claims about what a norm layer does to activations, or where it stands."""


NOT_STUDIED: Mapping[str, str] = MappingProxyType(
    {
        "sync_batch": "a trial is one process, in which it is batch",
        "split_batch": "it is for batches of several sources, and a study's have one",
        "frozen_batch": "it keeps the statistics of a trained network, and a study's start anew",
    }
)
"""Methods of the catalogue that are no arms, and why."""


def arms() -> list[str]:
    """The names of all arms, those of the catalogue first.

    >>> arms()[0], arms()[-1]
    ('none', 'agc')
    """
    return [*(name for name in catalogue() if name not in NOT_STUDIED), *RIVALS]


def takes_part(arm: str, claim: str) -> bool:
    """Whether an arm is compared in a claim.

    >>> takes_part("batch", "scale"), takes_part("lsuv", "scale"), takes_part("lsuv", "depth")
    (True, False, True)
    """
    if arm in RIVALS:
        return claim in _OF_RIVALS
    method = catalogue().get(arm)
    return method is None or method.on == "activations" or claim not in _OF_LAYERS


def is_headline(arm: str) -> bool:
    """Whether an arm can be the one that a study is about: a norm layer.

    >>> is_headline("group"), is_headline("weight_norm"), is_headline("lsuv"), is_headline("none")
    (True, False, False, False)
    """
    method = catalogue().get(arm)
    return method is not None and method.on == "activations" and arm != "none"


def norm_of(arm: str) -> str:
    """The norm that an arm's network is built with: a rival's has none.

    >>> norm_of("group"), norm_of("lsuv")
    ('group', 'none')
    """
    return "none" if arm in RIVALS else arm


def rival_of(arm: str) -> Rival | None:
    """What is done in place of a norm; None where there is one, or nothing."""
    return RIVALS.get(arm)
