"""What comes after a call: the sum and the activation that could be computed with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from normkit.surgery.dataflow import Call, Flow
from normkit.surgery.endings import ACTIVATION_OF, IN_PLACE_SUMS, SUMS

_MODULES = {
    torch.nn.ReLU: "relu",
    torch.nn.LeakyReLU: "leaky_relu",
    torch.nn.PReLU: "prelu",
    torch.nn.ReLU6: "relu6",
    torch.nn.ELU: "elu",
    torch.nn.SELU: "selu",
    torch.nn.CELU: "celu",
    torch.nn.SiLU: "silu",
    torch.nn.Mish: "mish",
    torch.nn.GELU: "gelu",
    torch.nn.Hardswish: "hardswish",
    torch.nn.Hardsigmoid: "hardsigmoid",
    torch.nn.Hardtanh: "hardtanh",
    torch.nn.Softplus: "softplus",
    torch.nn.Softsign: "softsign",
    torch.nn.Sigmoid: "sigmoid",
    torch.nn.Tanh: "tanh",
}


@dataclass
class Following:
    """What follows a norm.

    Attributes:
        sum: the sum that takes what it returned, or None.
        act: the activation that takes that, or None.
        reason: why there is no more, or None.
    """

    sum: Call | None = None
    act: Call | None = None
    reason: str | None = None


def activation_name(call: Call) -> str | None:
    """The name of the activation that a call is; None where it is none.

    A module is one if it is of PyTorch's class, with whatever options.
    """
    if call.module is not None:
        return _MODULES.get(type(call.module))
    return None if call.function is None else ACTIVATION_OF.get(call.function)


def following(flow: Flow, call: Call, taken: set[int]) -> Following:
    """What of that which follows a call could be computed with it.

    Args:
        flow: of the model.
        call: of a norm.
        taken: sums that go with another norm already; the one that is found is added.
    """
    reader, reason = _only_reader(flow, call)
    if reader is None:
        return Following(reason=reason)
    if activation_name(reader) is not None:
        return Following(act=reader)
    if reader.function not in SUMS:
        return Following(reason=f"{reader} follows, which is neither a sum nor an activation")
    if len(reader.takes) != 2 or reader.input_shapes[0] != reader.input_shapes[1]:
        return Following(reason="what is added to it has another shape")
    if reader.index in taken:
        return Following(reason="the sum after it goes with the norm that it is added to")
    if reader.function in IN_PLACE_SUMS and reader.takes[0] != call.index:
        return Following(reason="it is added in place to another tensor, which others may read")
    taken.add(reader.index)
    after, _ = _only_reader(flow, reader)
    if after is not None and activation_name(after) is not None:
        return Following(sum=reader, act=after)
    return Following(sum=reader)


def _only_reader(flow: Flow, call: Call) -> tuple[Call | None, str | None]:
    readers = flow.readers(call)
    if call.is_output:
        return None, "its output is the model's"
    if not readers:
        return None, "nothing that could be seen reads its output"
    if len(readers) > 1:
        return None, f"several calls read its output: {', '.join(map(str, readers))}"
    if readers[0].takes.count(call.index) > 1:
        return None, f"{readers[0]} takes its output twice"
    return readers[0], None
