"""The operators of `torch.ops.normkit`: what they take and return, on every device."""

from __future__ import annotations

_MAPS = "Tensor input, Tensor? residual, Tensor? weight, Tensor? bias"
_ENDING = "int act, float slope"
_RUNNING = "Tensor(a!)? running_mean, Tensor(b!)? running_var, Tensor(c!)? num_batches_tracked"
_KEPT = "Tensor mean, Tensor variance, Tensor? signs"
_CHANNELS = "int size, bool trailing, bool centred, float eps"
_WANTED = "bool wants_input, bool wants_residual"
_NORMALISED = "(Tensor output, Tensor mean, Tensor variance, Tensor signs)"
_GRADIENTS = "(Tensor of_input, Tensor of_weight, Tensor of_bias, Tensor of_residual)"

SCHEMAS: dict[str, str] = {
    "batch_norm": f"({_MAPS}, float eps, {_ENDING}, bool keeps_signs) -> {_NORMALISED}",
    "batch_norm_moving": f"({_MAPS}, {_RUNNING}, float momentum, float eps, {_ENDING}, "
    f"bool keeps_signs) -> {_NORMALISED}",
    "batch_norm_backward": f"(Tensor upstream, {_MAPS}, {_KEPT}, float eps, {_ENDING}, {_WANTED}) "
    f"-> {_GRADIENTS}",
    "group_norm": f"({_MAPS}, int groups, float eps, {_ENDING}, bool keeps_signs) -> {_NORMALISED}",
    "group_norm_backward": f"(Tensor upstream, {_MAPS}, {_KEPT}, int groups, float eps, {_ENDING}, "
    f"{_WANTED}) -> {_GRADIENTS}",
    "apply_statistics": f"({_MAPS}, Tensor mean, Tensor variance, float eps, {_ENDING}, "
    "bool keeps_signs) -> (Tensor output, Tensor signs)",
    "apply_statistics_backward": f"(Tensor upstream, {_MAPS}, {_KEPT}, float eps, {_ENDING}, "
    f"{_WANTED}) -> {_GRADIENTS}",
    "batch_moments": "(Tensor input) -> (Tensor mean, Tensor variance)",
    "sync_batch_norm_backward": f"(Tensor upstream, {_MAPS}, {_KEPT}, Tensor tilt, Tensor offset, "
    f"float eps, {_ENDING}, bool wants_residual) -> (Tensor of_input, Tensor of_residual)",
    "channel_norm": f"({_MAPS}, {_CHANNELS}, {_ENDING}) -> Tensor",
    "channel_norm_backward": f"(Tensor upstream, {_MAPS}, {_CHANNELS}, {_ENDING}, {_WANTED}) "
    f"-> {_GRADIENTS}",
    "update_running": f"({_RUNNING}, Tensor mean, Tensor variance, float momentum) -> ()",
    "fresh_like": "(Tensor like) -> Tensor",
}
"""By the operator's name. The variance over a batch is unbiased, as running statistics take it;
over samples, and that of `batch_moments`, it is biased. What is not asked for is returned empty.
`batch_moments` and `sync_batch_norm_backward`, for several processes, are in Triton alone."""

ON_CPU_ALONE = ("fresh_like",)
