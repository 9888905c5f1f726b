// Memory that tells when it was read or written where it should not be, or left as it was.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace normkit {

[[noreturn]] inline void fail(const char* what, const char* where) {
  std::fprintf(stderr, "%s: %s\n", where, what);
  std::exit(1);
}

// AddressSanitizer has red zones around every allocation and sees reads of them too.
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kZone = 0;
#else
constexpr int64_t kZone = 64;
#endif

/// Values all of whose bits are set, as NaN is, with a zone of the same before and after them.
template <class T>
class Watched {
 public:
  explicit Watched(int64_t count) : count_(count), all_(count + 2 * kZone) {
    if (!all_.empty()) std::memset(static_cast<void*>(all_.data()), 0xff, bytes());
  }

  T* data() { return all_.data() + kZone; }
  T& operator[](int64_t i) { return all_[kZone + i]; }
  const T& operator[](int64_t i) const { return all_[kZone + i]; }

  void check_zones(const char* where) const {
    for (int64_t i = 0; i < kZone; ++i)
      if (!is_untouched(all_[i]) || !is_untouched(all_[kZone + count_ + i]))
        fail("written outside", where);
  }

  bool operator==(const Watched& other) const {
    return all_.empty() || std::memcmp(all_.data(), other.all_.data(), bytes()) == 0;
  }

 private:
  size_t bytes() const { return all_.size() * sizeof(T); }

  static bool is_untouched(const T& value) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (const unsigned char byte : bytes)
      if (byte != 0xff) return false;
    return true;
  }

  int64_t count_;
  std::vector<T> all_;
};

}  // namespace normkit
