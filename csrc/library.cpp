// The operators, as torch.ops.normkit has them.

#include "channel_norm.h"
#include "normalise.h"
#include "running.h"

STABLE_TORCH_LIBRARY_FRAGMENT(normkit, m) {
  m.def(
      "batch_norm(Tensor input, Tensor? residual, Tensor? weight, Tensor? bias, float eps, "
      "int act, float slope, bool keeps_signs) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "batch_norm_moving(Tensor input, Tensor? residual, Tensor? weight, Tensor? bias, "
      "Tensor(a!)? running_mean, Tensor(b!)? running_var, Tensor(c!)? num_batches_tracked, "
      "float momentum, float eps, int act, float slope, bool keeps_signs) "
      "-> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "batch_norm_backward(Tensor upstream, Tensor input, Tensor? residual, Tensor? weight, "
      "Tensor? bias, Tensor mean, Tensor variance, Tensor? signs, float eps, int act, "
      "float slope, bool wants_input, bool wants_residual) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "group_norm(Tensor input, Tensor? residual, Tensor? weight, Tensor? bias, int groups, "
      "float eps, int act, float slope, bool keeps_signs) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "group_norm_backward(Tensor upstream, Tensor input, Tensor? residual, Tensor? weight, "
      "Tensor? bias, Tensor mean, Tensor variance, Tensor? signs, int groups, float eps, "
      "int act, float slope, bool wants_input, bool wants_residual) "
      "-> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "apply_statistics(Tensor input, Tensor? residual, Tensor? weight, Tensor? bias, "
      "Tensor mean, Tensor variance, float eps, int act, float slope, bool keeps_signs) "
      "-> (Tensor, Tensor)");
  m.def(
      "apply_statistics_backward(Tensor upstream, Tensor input, Tensor? residual, "
      "Tensor? weight, Tensor? bias, Tensor mean, Tensor variance, Tensor? signs, float eps, "
      "int act, float slope, bool wants_input, bool wants_residual) "
      "-> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "channel_norm(Tensor input, Tensor? residual, Tensor? weight, Tensor? bias, int size, "
      "bool trailing, bool centred, float eps, int act, float slope) -> Tensor");
  m.def(
      "channel_norm_backward(Tensor upstream, Tensor input, Tensor? residual, Tensor? weight, "
      "Tensor? bias, int size, bool trailing, bool centred, float eps, int act, float slope, "
      "bool wants_input, bool wants_residual) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def("fresh_like(Tensor like) -> Tensor");
  m.def(
      "update_running(Tensor(a!)? running_mean, Tensor(b!)? running_var, "
      "Tensor(c!)? num_batches_tracked, Tensor mean, Tensor variance, "
      "float momentum) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(normkit, CPU, m) {
  using namespace normkit;
  m.impl("batch_norm", TORCH_BOX(&batch_norm));
  m.impl("batch_norm_moving", TORCH_BOX(&batch_norm_moving));
  m.impl("batch_norm_backward", TORCH_BOX(&batch_norm_backward));
  m.impl("group_norm", TORCH_BOX(&group_norm));
  m.impl("group_norm_backward", TORCH_BOX(&group_norm_backward));
  m.impl("apply_statistics", TORCH_BOX(&apply_statistics));
  m.impl("apply_statistics_backward", TORCH_BOX(&apply_statistics_backward));
  m.impl("channel_norm", TORCH_BOX(&channel_norm));
  m.impl("channel_norm_backward", TORCH_BOX(&channel_norm_backward));
  m.impl("fresh_like", TORCH_BOX(&fresh_like));
  m.impl("update_running", TORCH_BOX(&update_running));
}
