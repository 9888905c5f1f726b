// The operators of torch.ops.normkit on a CPU; normkit/kernels/schemas.py says what they take.

#include "channel_norm.h"
#include "normalise.h"
#include "running.h"

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
