// Several threads for every loop, however little there is for them to do.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace normkit {

/// Hands a loop's work to new threads; the grain, which is there for speed, is not heeded.
struct Threads {
  int64_t most;

  template <class F>
  void operator()(int64_t count, int64_t, const F& f) const {
    const int64_t share = std::max<int64_t>((count + most - 1) / most, 1);
    if (count <= share) {
      if (count > 0) f(0, count);
      return;
    }
    std::vector<std::thread> threads;
    for (int64_t begin = share; begin < count; begin += share)
      threads.emplace_back([&f, begin, end = std::min(begin + share, count)] { f(begin, end); });
    f(0, share);
    for (std::thread& thread : threads) thread.join();
  }
};

}  // namespace normkit
