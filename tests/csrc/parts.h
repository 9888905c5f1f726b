// The parts that a matrix is cut to for the threads.
#pragma once

#include <string>

#include "loops/matrix.h"
#include "memory.h"

namespace normkit {

/// Parts are all rows of every sample, in turn, and as even as they can be.
inline void check_parts(const Matrix& m, const char* where) {
  const std::vector<Part> parts = parts_of(m);
  const int64_t of_sample = static_cast<int64_t>(parts.size()) / m.samples;
  const int64_t rows = parts[0].end;
  if (static_cast<int64_t>(parts.size()) != m.samples * of_sample || of_sample > 64)
    fail("a number of parts that is not the same for all samples, or too large", where);
  for (int64_t i = 0; i < m.samples * of_sample; ++i) {
    const Part& part = parts[i];
    const int64_t begin = i % of_sample * rows;
    if (part.sample != i / of_sample || part.begin != begin || begin >= part.end ||
        part.end != std::min(begin + rows, m.rows()))
      fail("a part that does not begin where the one before ends", where);
  }
  // What the last is short of is less than a row for each.
  if (of_sample * rows - m.rows() >= of_sample) fail("parts that are not even", where);
}

inline void check_parts() {
  for (const int64_t samples : {1, 2, 3, 7, 40})
    for (const int64_t channels : {1, 3, 255, 512, 5000})
      for (const int64_t positions : {1, 47, 49, 97, 1000, 6272, 50000}) {
        const Shape s{samples, channels, positions};
        const std::string where = "parts of " + std::to_string(samples) + " x " +
                                  std::to_string(channels) + " x " + std::to_string(positions);
        check_parts(Matrix::over_batch(s), where.c_str());
        check_parts(Matrix::over_samples(s, 1), where.c_str());
      }
}

}  // namespace normkit
