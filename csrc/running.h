// Running statistics, moved by those of a batch.
#pragma once

#include "tensors.h"

namespace normkit {

/// running + momentum · (batch − running), and one more batch counted.
///
/// Nothing moves unless everything stays finite.
void update_running(
    const MaybeTensor& running_mean, const MaybeTensor& running_var,
    const MaybeTensor& num_batches_tracked, const Tensor& mean, const Tensor& variance,
    double momentum);

}  // namespace normkit
