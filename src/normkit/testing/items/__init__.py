"""The items of the contract: one item, one file, whose `check(problem)` raises unless it holds."""

from __future__ import annotations

from normkit.testing.contract import Item
from normkit.testing.items import (
    accuracy,
    compiled,
    copies,
    derivatives,
    empty,
    endings,
    half,
    invariants,
    layout,
    masked,
    meta,
    modes,
    onnx,
    pickled,
    refusals,
    statistics,
    transforms,
    values,
)

ITEMS = (
    Item("values", "output and gradients are the paper's, in float32 and float64", values.check),
    Item("derivatives", "gradcheck and gradgradcheck pass", derivatives.check),
    Item("invariants", "what defines it holds for inputs of every shape", invariants.check),
    Item(
        "accuracy",
        "N(1000, 1) within ten times the input's own rounding",
        accuracy.check,
        accuracy.reason,
    ),
    Item("modes", "statistics are the paper's; evaluation leaves them", modes.check),
    Item(
        "statistics",
        "every batch counts once, a non-finite one not at all",
        statistics.check,
        statistics.reason,
    ),
    Item("masked", "what a mask leaves out is in no statistic", masked.check),
    Item("endings", "`act` and `residual`", endings.check),
    Item("empty", "an empty batch", empty.check),
    Item("layout", "channels-last in, channels-last out", layout.check, layout.reason),
    Item("half", "half precision and autocast, with float32 statistics", half.check),
    Item(
        "compiled",
        "`torch.compile(fullgraph=True)`, by Inductor for the common methods",
        compiled.check,
    ),
    Item("transforms", "`torch.func`: `grad`, `vmap`, `jacrev`, `jvp`", transforms.check),
    Item("onnx", "ONNX export, run in onnxruntime", onnx.check),
    Item("copies", "`state_dict` and `deepcopy`", copies.check),
    Item("pickled", "`pickle`", pickled.check),
    Item("meta", "meta device and `skip_init`", meta.check),
    Item("refusals", "wrong inputs and options are refused, and say why", refusals.check),
)
