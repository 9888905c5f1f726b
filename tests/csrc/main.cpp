// The loops of csrc, run on shapes that are awkward for them and compared with the formulas.
//
// It is built without LibTorch, so that a sanitizer sees all of it.

#include <cstdio>
#include <random>
#include <string>

#include "loops/columns.h"
#include "loops/planes.h"
#include "loops/positions.h"
#include "loops/rows.h"
#include "memory.h"
#include "parts.h"
#include "reference.h"
#include "threads.h"

namespace normkit {
namespace {

constexpr double kEps = 1e-5;

template <class T>
struct Precision;
template <>
struct Precision<double> {
  static constexpr const char* name = "double";
  static constexpr Exact computed = 1e-11L, stored = 0;
};
template <>
struct Precision<float> {
  static constexpr const char* name = "float";
  static constexpr Exact computed = 1e-5L, stored = 0;
};
template <>
struct Precision<bfloat16> {
  static constexpr const char* name = "bfloat16";
  static constexpr Exact computed = 1e-5L, stored = 1.0L / 256;
};
template <>
struct Precision<float16> {
  static constexpr const char* name = "float16";
  static constexpr Exact computed = 1e-5L, stored = 1.0L / 2048;
};

template <class T>
Exact exact(const T& value) {
  return static_cast<Exact>(widened(value));
}

/// One call: a method, an activation, and what is given to it and wanted of it.
struct Call {
  Method method;
  Activation act;
  bool has_residual, wants_input, wants_residual;
  double shift;  // of the input

  bool keeps_signs() const {
    return has_residual && has_two_slopes(act) && !method.is_over_channels();
  }
};

std::string told(const Call& call, const char* type) {
  static const char* const methods[] = {"batch", "groups", "given", "channels", "root mean square"};
  const Method& m = call.method;
  std::string text = type;
  text += m.layout == Layout::planes ? ", planes, (" : ", rows, (";
  text += std::to_string(m.shape.samples) + ", " + std::to_string(m.shape.channels) + ", " +
          std::to_string(m.shape.positions) + "), " + methods[static_cast<int>(m.over)];
  if (m.over == Over::groups) text += " " + std::to_string(m.groups);
  text += ", activation " + std::to_string(static_cast<int64_t>(call.act.kind));
  if (call.has_residual) text += ", residual";
  return text;
}

template <class T>
struct Inputs {
  Watched<T> x, residual, upstream;
  std::vector<double> weight, bias, mean, variance;

  Inputs(const Method& m, double shift)
      : x(m.shape.values()), residual(m.shape.values()), upstream(m.shape.values()) {
    std::mt19937 bits(7);
    std::normal_distribution<double> normal;
    const auto random = [&](double scale) {
      return static_cast<computed<T>>(normal(bits) * scale);
    };
    for (int64_t c = 0; c < m.shape.channels; ++c) {
      weight.push_back(random(1));
      bias.push_back(random(1));
      mean.push_back(random(1));
      variance.push_back(0.5 + std::abs(random(1)));
    }
    m.each([&](int64_t i, int64_t c, int64_t) {
      x[i] = narrowed<T>(random(1 + c % 3) + static_cast<computed<T>>(2 * mean[c] + shift));
      residual[i] = narrowed<T>(random(2));
      upstream[i] = narrowed<T>(random(1));
    });
  }

  Affines affines() const { return {weight.data(), bias.data()}; }
};

/// What a call writes: nothing of it is set, or has a place where it is not wanted.
template <class T>
struct Outputs {
  Watched<double> mean, variance;
  Watched<T> output, of_input, of_residual;
  Watched<uint32_t> signs;
  std::vector<double> of_weight, of_bias;

  Outputs(const Call& call, int64_t words)
      : mean(call.method.regions()),
        variance(call.method.regions()),
        output(call.method.shape.values()),
        of_input(call.wants_input ? call.method.shape.values() : 0),
        of_residual(call.wants_residual ? call.method.shape.values() : 0),
        signs(call.keeps_signs() ? words : 0),
        of_weight(call.method.shape.channels),
        of_bias(call.method.shape.channels) {}

  bool operator==(const Outputs& other) const {
    return mean == other.mean && variance == other.variance && output == other.output &&
           of_input == other.of_input && of_residual == other.of_residual &&
           signs == other.signs && of_weight == other.of_weight && of_bias == other.of_bias;
  }

  void check_zones(const char* where) const {
    mean.check_zones(where);
    variance.check_zones(where);
    output.check_zones(where);
    of_input.check_zones(where);
    of_residual.check_zones(where);
    signs.check_zones(where);
  }
};

Regions regions_of(const Method& m) {
  return m.over == Over::groups ? Regions::over_samples(m.shape, m.groups)
                                : Regions::over_batch(m.shape);
}

Matrix matrix_of(const Method& m) {
  return m.over == Over::groups ? Matrix::over_samples(m.shape, m.groups)
                                : Matrix::over_batch(m.shape);
}

int64_t words_of(const Method& m) {
  return m.layout == Layout::planes ? regions_of(m).all_sign_words() : matrix_of(m).all_sign_words();
}

template <class T>
void run(const Call& call, Inputs<T>& in, Outputs<T>& out, const Threads& threads) {
  const Method& m = call.method;
  const Forward<T> to{
      in.x.data(), call.has_residual ? in.residual.data() : nullptr, out.output.data(),
      call.keeps_signs() ? out.signs.data() : nullptr, call.act};
  // What the derivative of the activation does not depend on is not given.
  const bool asks_residual =
      call.has_residual && !call.keeps_signs() && call.act.kind != Kind::none;
  const Backward<T> from{
      in.upstream.data(),
      in.x.data(),
      asks_residual ? in.residual.data() : nullptr,
      call.keeps_signs() ? out.signs.data() : nullptr,
      call.wants_input ? out.of_input.data() : nullptr,
      call.wants_residual ? out.of_residual.data() : nullptr,
      call.act};
  const Statistics statistics{out.mean.data(), out.variance.data()};
  const AffineGradients into{out.of_weight.data(), out.of_bias.data()};
  const Affines affines = in.affines();
  const bool in_planes = m.layout == Layout::planes;
  if (m.is_over_channels()) {
    const Centred centred = m.over == Over::channels ? Centred::yes : Centred::no;
    const int64_t rows = m.regions(), width = m.shape.channels;
    if (in_planes) {
      normalise_positions(m.shape, affines, kEps, centred, to, threads);
      differentiate_positions(m.shape, affines, kEps, centred, from, into, threads);
    } else {
      normalise_each_row(rows, width, affines, kEps, centred, to, threads);
      differentiate_each_row(rows, width, affines, kEps, centred, from, into, threads);
    }
  } else if (m.over == Over::given) {
    std::copy(in.mean.begin(), in.mean.end(), out.mean.data());
    std::copy(in.variance.begin(), in.variance.end(), out.variance.data());
    if (in_planes) {
      apply_planes(m.shape, affines, kEps, to, statistics, threads);
      differentiate_applied_planes(m.shape, affines, kEps, from, statistics, into, threads);
    } else {
      apply_rows(m.shape, affines, kEps, to, statistics, threads);
      differentiate_applied_rows(m.shape, affines, kEps, from, statistics, into, threads);
    }
  } else if (in_planes) {
    normalise_planes(regions_of(m), affines, kEps, to, statistics, threads);
    differentiate_planes(regions_of(m), affines, kEps, from, statistics, into, threads);
  } else {
    normalise_rows(matrix_of(m), affines, kEps, to, statistics, threads);
    differentiate_rows(matrix_of(m), affines, kEps, from, statistics, into, threads);
  }
}

/// Fails unless values are those of the formula, to `size` times the precision and rounded once.
template <class Values, class Expected>
void compare(
    int64_t count, const Values& got, const Expected& expected, Exact precision, Exact rounding,
    Exact size, const char* what, const char* where) {
  for (int64_t i = 0; i < count; ++i) {
    const Exact error = std::abs(exact(got[i]) - expected[i]);
    if (error <= precision * (1 + size) + rounding * std::abs(expected[i])) continue;
    std::fprintf(
        stderr, "%s: %s[%ld] is %Lg, not %Lg\n", where, what, static_cast<long>(i),
        exact(got[i]), expected[i]);
    std::exit(1);
  }
}

/// The formulas on the same input; near a bend of the activation the upstream gradient becomes 0.
template <class T>
Reference reference_of(const Call& call, Inputs<T>& in) {
  const Method& m = call.method;
  const auto x = [&](int64_t i) { return exact(in.x[i]); };
  const auto residual = [&](int64_t i) -> Exact {
    return call.has_residual ? exact(in.residual[i]) : 0;
  };
  Reference result;
  if (m.over == Over::given) {
    result.mean.assign(in.mean.begin(), in.mean.end());
    result.variance.assign(in.variance.begin(), in.variance.end());
  } else {
    take_statistics(m, x, result);
  }
  normalise(m, x, residual, in.affines(), kEps, call.act, result);
  for (int64_t i = 0; i < m.shape.values(); ++i)
    if (is_near_bend(call.act, result.before[i])) in.upstream[i] = narrowed<T>(0);
  const auto upstream = [&](int64_t i) { return exact(in.upstream[i]); };
  differentiate(m, x, upstream, in.affines(), call.act, result);
  return result;
}

template <class T>
void check(const Call& call) {
  const Method& m = call.method;
  const std::string name = told(call, Precision<T>::name);
  const char* where = name.c_str();
  const int64_t values = m.shape.values();
  Inputs<T> in(m, call.shift);
  const Reference expected = reference_of(call, in);
  Outputs<T> out(call, words_of(m));
  run(call, in, out, Threads{3});
  out.check_zones(where);
  const Exact precision = Precision<T>::computed, rounding = Precision<T>::stored;
  if (!m.is_over_channels()) {
    compare(
        m.regions(), out.mean, expected.mean, precision, 0, 1 + call.shift / 1000, "mean", where);
    compare(m.regions(), out.variance, expected.variance, precision, 0, 9, "variance", where);
  }
  compare(values, out.output, expected.output, precision, rounding, 9, "output", where);
  compare(
      m.shape.channels, out.of_weight, expected.of_weight, precision, 0,
      expected.size_of_weight + std::sqrt(static_cast<Exact>(values)), "of_weight", where);
  compare(
      m.shape.channels, out.of_bias, expected.of_bias, precision, 0,
      expected.size_of_bias + std::sqrt(static_cast<Exact>(values)), "of_bias", where);
  if (call.wants_residual)
    compare(values, out.of_residual, expected.of_residual, precision, rounding, 9,
            "of_residual", where);
  // Where dz is stored in between, it is rounded twice.
  const Exact twice = call.wants_residual ? rounding : 0;
  if (call.wants_input)
    compare(values, out.of_input, expected.of_input, precision + twice, rounding,
            expected.size_of_input, "of_input", where);
#if !defined(__SANITIZE_THREAD__)
  Outputs<T> again(call, words_of(m));
  run(call, in, again, Threads{1});
  if (!(again == out)) fail("the result depends on the number of threads", where);
#endif
}

const std::vector<Activation> kActivations = {
    {Kind::none},
    {Kind::relu},
    {Kind::leaky_relu, 0.2},
    {Kind::relu6},
    {Kind::silu},
    {Kind::gelu},
    {Kind::hardswish},
};

/// Up to so many values all activations are tried with and without residual; above, two of these
/// endings, and far above one, of the methods that then have a way of their own.
///
/// ThreadSanitizer takes long, and what it looks for does not depend on the activation.
#if defined(__SANITIZE_THREAD__)
constexpr int64_t kSmall = 0;
#else
constexpr int64_t kSmall = 1200;
#endif
constexpr int64_t kLarge = 100000;

template <class T>
int64_t check_method(const Method& m) {
  static int64_t turn = 0;
  const bool is_shifted =
      sizeof(T) == 4 && m.over != Over::given && m.over != Over::root_mean_square;
  const bool is_small = m.shape.values() <= kSmall;
  const int64_t endings = static_cast<int64_t>(2 * kActivations.size());
  const int64_t count = is_small ? endings : m.shape.values() > kLarge ? 1 : 2;
  for (int64_t k = 0; k < count; ++k) {
    // Going round by steps that have no factor in common with what is gone round.
    const int64_t ending = is_small ? k : turn * 5 % endings;
    const Activation act = kActivations[ending / 2];
    const bool has_residual = ending % 2 == 1;
    const bool wants_input = turn % 3 != 2;
    // Without an activation it is the upstream gradient, which nobody asks a kernel for.
    const bool wants_residual = has_residual && act.kind != Kind::none && turn % 5 < 3;
    // So far from zero that the mean itself is rounded to a float.
    const double shift = is_shifted && turn % 4 == 1 ? 30000 : 0;
    check<T>({m, act, has_residual, wants_input, wants_residual, shift});
    ++turn;
  }
  return count;
}

template <class T>
int64_t check_all(const std::vector<Shape>& shapes) {
  int64_t tried = 0;
  for (const Shape& s : shapes)
    for (const Layout layout : {Layout::planes, Layout::rows}) {
      std::vector<Method> methods{
          {s, layout, Over::batch},
          {s, layout, Over::given},
          {s, layout, Over::channels},
          {s, layout, Over::root_mean_square},
          {s, layout, Over::groups, 1}};
      for (const int64_t groups : {int64_t{3}, s.channels})
        if (groups > 1 && s.channels % groups == 0)
          methods.push_back({s, layout, Over::groups, groups});
      for (const Method& m : methods)
        if (m.values_of_region() > 1 && (m.shape.values() < kLarge || m.has_few_regions()))
          tried += check_method<T>(m);
    }
  return tried;
}

}  // namespace
}  // namespace normkit

int main() {
  normkit::check_parts();
  const std::vector<normkit::Shape> shapes = {
      {4, 6, 1},        // Features.
      {1, 1, 49},       // One sample, one channel.
      {2, 3, 49},       // Less than the lanes of a processor, and not a multiple of them.
      {3, 17, 7},       // Channels that are not a multiple of anything.
      {9, 3, 64},       // Samples enough for each to be one thread's.
      {1, 17, 64},
      {2, 8, 64},       // Planes that fill a run,
      {2, 11, 49},      // one more than a run holds,
      {2, 40, 20},      // and a last run of fewer.
      {2, 3, 196},
      {3, 1, 513},      // A run and one more.
      {1, 2, 1025},
      {40, 3, 196},     // Planes of several blocks.
      {2, 300, 128},    // Rows that are not folded, several blocks of them.
      {9, 17, 196},
      {2, 600, 9},      // Rows of several runs.
      {1, 3, 5509},     // A last row that is shorter, and a block of its own.
      {2, 1, 40000},    // Planes longer than a block.
  };
  // Fewer regions than threads may want, each larger than a cache; of long planes and of short ones.
  // And more bundles of channels than a thread takes together.
  const std::vector<normkit::Shape> large = {{3, 2, 90000}, {2700, 4, 49}, {16, 402, 49}};
  int64_t tried = 0;
  tried += normkit::check_all<float>(shapes);
  tried += normkit::check_all<float>(large);
  tried += normkit::check_all<normkit::bfloat16>(shapes);
#if !defined(__SANITIZE_THREAD__)
  tried += normkit::check_all<double>(shapes);
  tried += normkit::check_all<normkit::float16>(shapes);
#endif
  std::printf("%ld calls\n", static_cast<long>(tried));
}
