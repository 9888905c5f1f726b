"""An exported ONNX model computes the same in onnxruntime, for batches of any size."""

from __future__ import annotations

import logging
import warnings

import torch

from normkit.testing.problem import Problem, close


def check(problem: Problem) -> None:
    """Exports the layer in evaluation with a free batch size, with activation and residual."""
    import onnxruntime

    layer = problem.layer_in_use(act="relu").eval()
    x, residual = problem.sample(torch.float32), problem.sample(torch.float32)
    batch = torch.export.Dim("batch")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The exporter's own, of its own dependencies.
            program = torch.onnx.export(
                layer,
                (x, residual),
                dynamo=True,
                verbose=False,
                dynamic_shapes=({0: batch}, {0: batch}),
            )
    finally:
        logger.setLevel(level)
    if program is None:
        raise AssertionError("the exporter returned nothing")
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [node.name for node in session.get_inputs()]
    for samples in (problem.shape[0], 2):
        given = [problem.sample(torch.float32, (samples, *problem.shape[1:])) for _ in names]
        (y,) = session.run(None, {n: g.numpy() for n, g in zip(names, given, strict=True)})
        with torch.no_grad():
            expected = layer(*given)
        close(torch.from_numpy(y), expected, 1e-4, 1e-4, f"{samples} samples")
