// Tests functions of Gaussians, at sizes around every edge, against loops over single items.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fastdiv/distributions.hpp>

#include "draws.hpp"
#include "harness.hpp"
#include "threads.hpp"

namespace {

using fastdiv::Scale;
using std::ptrdiff_t;

// A square matrix.
struct Matrix {
  int dim;
  std::vector<double> values;
  explicit Matrix(int d) : dim(d), values(static_cast<std::size_t>(d * d)) {}
  double& operator()(int i, int j) { return values[static_cast<std::size_t>(i * dim + j)]; }
  double operator()(int i, int j) const { return values[static_cast<std::size_t>(i * dim + j)]; }
};

// Returns l^-1 b of lower triangular matrices.
Matrix solved(const Matrix& l, const Matrix& b) {
  Matrix x(l.dim);
  for (int j = 0; j < l.dim; ++j) {
    for (int i = j; i < l.dim; ++i) {
      double sum = b(i, j);
      for (int k = j; k < i; ++k) {
        sum -= l(i, k) * x(k, j);
      }
      x(i, j) = sum / l(i, i);
    }
  }
  return x;
}

// Returns the parameter of that name for a covariance l l^T. `l` is diagonal for diagonal scales.
template <class T>
std::vector<T> parameter(const Matrix& l, Scale scale) {
  const int d = l.dim;
  std::vector<T> values;
  if (fastdiv::is_diagonal(scale)) {
    for (int i = 0; i < d; ++i) {
      const double s = l(i, i);
      values.push_back(static_cast<T>(scale == Scale::std      ? s
                                      : scale == Scale::var    ? s * s
                                      : scale == Scale::logstd ? std::log(s)
                                                               : 2 * std::log(s)));
    }
    return values;
  }
  if (scale == Scale::scale_tril) {
    for (const double value : l.values) {
      values.push_back(static_cast<T>(value));
    }
    return values;
  }
  Matrix identity(d);
  for (int i = 0; i < d; ++i) {
    identity(i, i) = 1;
  }
  const bool precision = scale == Scale::precision;
  const Matrix inverse = precision ? solved(l, identity) : identity;
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) {
      double sum = 0;
      for (int k = precision ? std::max(i, j) : 0; k < (precision ? d : std::min(i, j) + 1); ++k) {
        sum += precision ? inverse(k, i) * inverse(k, j) : l(i, k) * l(j, k);
      }
      values.push_back(static_cast<T>(sum));
    }
  }
  return values;
}

Matrix random_factor(int d, bool diagonal) {
  Matrix l(d);
  for (int i = 0; i < d; ++i) {
    l(i, i) = 0.7 + std::abs(normal());
    for (int j = 0; j < i && !diagonal; ++j) {
      l(i, j) = normal() / d;
    }
  }
  return l;
}

// A batch of n items, one after the other.
template <class T>
struct Batch {
  std::vector<Matrix> factors;
  std::vector<T> means, parameters;
  fastdiv::Gaussians<T> view;

  Batch(int n, int d, Scale scale) {
    const bool diagonal = fastdiv::is_diagonal(scale);
    for (int item = 0; item < n; ++item) {
      factors.push_back(random_factor(d, diagonal));
      const auto entries = parameter<T>(factors.back(), scale);
      parameters.insert(parameters.end(), entries.begin(), entries.end());
      for (int i = 0; i < d; ++i) {
        means.push_back(static_cast<T>(normal()));
      }
    }
    view = {means.data(), {d, 1}, parameters.data(), {}, scale};
    view.parameter_strides =
        diagonal ? std::vector<ptrdiff_t>{d, 1} : std::vector<ptrdiff_t>{ptrdiff_t{d} * d, d, 1};
  }
};

double expected_kl(const Matrix& l_p, const Matrix& l_q, const std::vector<double>& difference) {
  const int d = l_p.dim;
  const Matrix m = solved(l_q, l_p);
  double twice = -d;
  std::vector<double> z(difference);
  for (int i = 0; i < d; ++i) {
    twice -= 2 * std::log(m(i, i));
    double& z_i = z[static_cast<std::size_t>(i)];
    for (int j = 0; j < i; ++j) {
      z_i -= l_q(i, j) * z[static_cast<std::size_t>(j)];
    }
    z_i /= l_q(i, i);
    twice += z_i * z_i;
    for (int j = 0; j <= i; ++j) {
      twice += m(i, j) * m(i, j);
    }
  }
  return twice / 2;
}

constexpr Scale scales[] = {Scale::std, Scale::var,        Scale::logstd,   Scale::logvar,
                            Scale::cov, Scale::scale_tril, Scale::precision};

template <class T>
void gaussians(int n, int d, Scale scale_p, Scale scale_q) {
  const Batch<T> p(n, d, scale_p), q(n, d, scale_q);
  const std::vector<double> kl =
      with_threads(static_cast<std::size_t>(n), [&](const fastdiv::Options& options, double* out) {
        return fastdiv::gaussian_kl<T>({n}, d, p.view, q.view, out, options);
      });
  std::vector<double> zeros(kl.size(), std::numeric_limits<double>::quiet_NaN());
  check(fastdiv::gaussian_kl<T>({n}, d, p.view, p.view, zeros.data()), "kl finishes");
  for (const double value : zeros) {
    check(value == 0, "equal distributions are at 0");
  }
  const double tolerance = sizeof(T) == 4 ? 2e-4 : 1e-9;  // also covers the rounded parameters
  for (int item = 0; item < n; ++item) {
    std::vector<double> difference;
    for (int i = 0; i < d; ++i) {
      const auto at = static_cast<std::size_t>(item * d + i);
      difference.push_back(static_cast<double>(p.means[at]) - static_cast<double>(q.means[at]));
    }
    const auto at = static_cast<std::size_t>(item);
    const double expected = expected_kl(p.factors[at], q.factors[at], difference);
    check(std::abs(kl[at] - expected) <= tolerance * (expected + 1), "kl of a pair");
  }
}

// Checks the Renyi divergence, the coupling and the transport of pairs of which one is full: by
// those of equal distributions, the symmetry of order 1/2 and one dimension.
template <class T>
void overlaps(int n, int d, Scale scale_p, Scale scale_q) {
  const Batch<T> p(n, d, scale_p), q(n, d, scale_q);
  const auto size = static_cast<std::size_t>(n);
  const double share = 0.5 / d;
  const auto renyi = [&](const auto& a, const auto& b, double above_one) {
    return with_threads(size, [&](const fastdiv::Options& options, double* out) {
      return fastdiv::gaussian_renyi<T>({n}, d, a, b, 1 + above_one, above_one, out, options);
    });
  };
  const auto transport = [&](const auto& a, const auto& b) {
    return with_threads(size, [&](const fastdiv::Options& options, double* out) {
      return fastdiv::gaussian_wasserstein2<T>({n}, d, a, b, out, options);
    });
  };
  const auto coupling = [&](const auto& a, const auto& b) {
    return with_threads(size, [&](const fastdiv::Options& options, double* out) {
      return fastdiv::gaussian_coupling<T>({n}, d, a, b, share, 0.5, out, options);
    });
  };
  if (!fastdiv::is_diagonal(scale_p)) {
    for (const auto& values : {renyi(p.view, p.view, -0.3), renyi(p.view, p.view, 0.3),
                               coupling(p.view, p.view), transport(p.view, p.view)}) {
      for (const double value : values) {
        check(value == 0, "equal distributions are at 0");
      }
    }
  }
  const auto there = renyi(p.view, q.view, -0.5), back = renyi(q.view, p.view, -0.5);
  const auto distance = transport(p.view, q.view), other = transport(q.view, p.view);
  const auto spread = coupling(p.view, q.view);
  for (int item = 0; item < n; ++item) {
    const auto at = static_cast<std::size_t>(item);
    check(there[at] > 0 && std::abs(there[at] - back[at]) <= 1e-9 * there[at], "order one half");
    check(distance[at] > 0 && std::abs(distance[at] - other[at]) <= 1e-9 * distance[at],
          "transport is symmetric");
    check(spread[at] > 0, "a spread is positive");
    if (d == 1) {
      const double a = p.factors[at](0, 0), b = q.factors[at](0, 0);
      const double shift = static_cast<double>(p.means[at]) - static_cast<double>(q.means[at]);
      const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;
      const double squared = shift * shift + (a - b) * (a - b);
      check(std::abs(distance[at] - squared) <= tolerance * (squared + a * a + b * b),
            "transport in one dimension");
      const double half = shift * shift / (a * a + b * b) / 2 + std::log((a / b + b / a) / 2);
      check(std::abs(there[at] - half) <= tolerance * (half + 1), "overlap in one dimension");
    }
  }
}

// Checks that roots of covariances of deficient rank multiply to them.
template <class T>
void roots(int n, int d, int rank) {
  std::vector<T> covariances;
  for (int item = 0; item < n; ++item) {
    std::vector<double> columns;
    for (int k = 0; k < d * rank; ++k) {
      columns.push_back(std::round(8 * normal()) / 8);  // so that products are exact
    }
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) {
        double sum = 0;
        for (int k = 0; k < rank; ++k) {
          sum += columns[static_cast<std::size_t>(i * rank + k)] *
                 columns[static_cast<std::size_t>(j * rank + k)];
        }
        covariances.push_back(static_cast<T>(sum));
      }
    }
  }
  const fastdiv::Gaussians<T> view{
      covariances.data(), {0, 0}, covariances.data(), {ptrdiff_t{d} * d, d, 1}, Scale::cov};
  const auto found =
      with_threads(covariances.size(), [&](const fastdiv::Options& options, double* out) {
        return fastdiv::covariance_roots<T>({n}, d, view, out, options);
      });
  for (int item = 0; item < n; ++item) {
    const auto at = [&](int i, int j) {
      return found[static_cast<std::size_t>((item * d + i) * d + j)];
    };
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) {
        double sum = 0;
        for (int k = 0; k < d; ++k) {
          sum += at(i, k) * at(j, k);
        }
        const auto entry = static_cast<std::size_t>((item * d + i) * d + j);
        check(std::abs(sum - static_cast<double>(covariances[entry])) < 1e-11, "a root");
      }
    }
  }
}

void mixtures() {
  const std::vector<double> means{1, 2, 5, 6}, weights{0.25, 0.75}, center{4, 5};
  const std::vector<double> covariances{1, 9, 0.5, 2, 3, 9, -1, 4};  // only lower triangles count
  const fastdiv::Gaussians<double> components{
      means.data(), {2, 1}, covariances.data(), {4, 2, 1}, Scale::cov};
  std::vector<double> out(4);
  check(fastdiv::mixture_covariances<double>({2}, 2, components, {weights.data(), 1, 2, 2, 1},
                                             center.data(), out.data()),
        "moments finish");
  const double expected[] = {2.5 + 3, -0.625 + 3, -0.625 + 3, 3.5 + 3};
  for (int k = 0; k < 4; ++k) {
    check(std::abs(out[static_cast<std::size_t>(k)] - expected[k]) < 1e-14, "a covariance");
  }
}

// Returns d log(sigma) / d parameter.
double chain(double sigma, Scale scale) {
  return scale == Scale::std      ? 1 / sigma
         : scale == Scale::var    ? 0.5 / (sigma * sigma)
         : scale == Scale::logstd ? 1
                                  : 0.5;
}

// Returns places for three gradients of `size` numbers and for the values.
template <class Out>
fastdiv::DiagonalGradients<Out> results_in(Out* out, std::size_t size) {
  return {out + 3 * size, out, out + size, out + 2 * size};
}

template <class T>
void gradients(int n, int d, Scale scale_p, Scale scale_q) {
  const Batch<T> p(n, d, scale_p), q(n, d, scale_q);
  const auto size = static_cast<std::size_t>(n * d);
  const auto values = static_cast<std::size_t>(n);
  bool sound = false;
  const std::vector<double> all =
      with_threads(3 * size + values, [&](const fastdiv::Options& options, double* out) {
        return fastdiv::diagonal_kl_and_gradients<T, double>({n}, d, p.view, q.view,
                                                             results_in(out, size), sound, options);
      });
  check(sound, "valid parameters");
  std::vector<double> kl(values);
  check(fastdiv::gaussian_kl<T>({n}, d, p.view, q.view, kl.data()), "kl finishes");
  for (std::size_t item = 0; item < values; ++item) {
    const double error = std::abs(all[3 * size + item] - kl[item]);
    check(error <= (sizeof(T) == 4 ? 1e-5 : 1e-12) * kl[item], "values are those of gaussian_kl");
  }
  std::vector<T> rounded(3 * size + values);
  check(fastdiv::diagonal_kl_and_gradients<T, T>({n}, d, p.view, q.view,
                                                 results_in(rounded.data(), size), sound),
        "gradients finish");
  for (std::size_t at = 0; at < all.size(); ++at) {
    check(rounded[at] == static_cast<T>(all[at]), "rounded results");
  }
  std::vector<double> without_q(3 * size + values);
  auto out = results_in(without_q.data(), size);
  out.by_q = nullptr;
  check(fastdiv::diagonal_kl_and_gradients<T, double>({n}, d, p.view, q.view, out, sound),
        "gradients finish");
  std::copy_n(all.begin() + static_cast<ptrdiff_t>(2 * size), size,
              without_q.begin() + static_cast<ptrdiff_t>(2 * size));
  check(same_bits(without_q, all), "gradients do not depend on what is wanted");
  const double tolerance = sizeof(T) == 4 ? 2e-4 : 1e-9;
  for (std::size_t at = 0; at < size; ++at) {
    const auto item = at / static_cast<std::size_t>(d);
    const int i = static_cast<int>(at % static_cast<std::size_t>(d));
    const double sigma_p = p.factors[item](i, i);
    const double sigma_q = q.factors[item](i, i);
    const double difference = static_cast<double>(p.means[at]) - static_cast<double>(q.means[at]);
    const double less_1 = sigma_p * sigma_p / (sigma_q * sigma_q) - 1;
    const double z = difference / sigma_q;
    const double expected[] = {z / sigma_q, less_1 * chain(sigma_p, scale_p),
                               -(less_1 + z * z) * chain(sigma_q, scale_q)};
    for (std::size_t which = 0; which < 3; ++which) {
      const double error = std::abs(all[which * size + at] - expected[which]);
      check(error <= tolerance * (1 + std::abs(expected[which])), "the gradient of a pair");
    }
  }
}

// Tells whether the last parameter of p makes a batch sound, if q is one Gaussian for all items.
template <class T>
bool sound_with(T last, int n, int d, Scale scale) {
  Batch<T> p(n, d, scale);
  Batch<T> q(1, d, scale);
  q.view.mean_strides[0] = q.view.parameter_strides[0] = 0;
  p.parameters.back() = last;
  std::vector<T> out(static_cast<std::size_t>(3 * n * d + n));
  bool sound = false;
  check(fastdiv::diagonal_kl_and_gradients<T, T>(
            {n}, d, p.view, q.view, results_in(out.data(), static_cast<std::size_t>(n * d)), sound),
        "gradients finish");
  return sound;
}

template <class T>
void soundness(int n, int d) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  for (const Scale scale : {Scale::std, Scale::var, Scale::logstd, Scale::logvar}) {
    const bool is_log = scale == Scale::logstd || scale == Scale::logvar;
    check(sound_with(T{1}, n, d, scale), "valid parameters");
    check(sound_with(T{-1}, n, d, scale) == is_log, "negative parameters");
    check(sound_with(T{0}, n, d, scale) == is_log, "parameters of 0");
    for (const T bad : {infinity, -infinity, std::numeric_limits<T>::quiet_NaN()}) {
      check(!sound_with(bad, n, d, scale), "parameters that are not finite");
    }
  }
}

template <class T>
void statuses(int n, int d) {
  const int bad = n / 2;
  for (const Scale scale : {Scale::cov, Scale::scale_tril, Scale::precision}) {
    Batch<T> good(n, d, scale);
    const auto status = [&] {
      std::vector<std::uint8_t> out(static_cast<std::size_t>(n), 99);
      check(fastdiv::matrix_status<T>({n}, d, good.view, out.data()), "status finishes");
      for (int item = 0; item < n; ++item) {
        check(item == bad || out[static_cast<std::size_t>(item)] == fastdiv::matrix_is_fine,
              "the others are fine");
      }
      return out[static_cast<std::size_t>(bad)];
    };
    const bool triangular = scale == Scale::scale_tril;
    T* a = good.parameters.data() + bad * d * d;
    check(status() == fastdiv::matrix_is_fine, "a matrix is fine");
    const T last = a[d * d - 1];
    a[d * d - 1] = 0;
    check(status() == (triangular ? fastdiv::zero_on_diagonal : fastdiv::not_positive_definite),
          "a matrix is singular");
    a[d * d - 1] = last;
    a[d - 1] += T{1};
    check(status() == (triangular ? fastdiv::not_lower_triangular : fastdiv::not_symmetric),
          "a matrix is not what it should be");
    a[d * d - 1] = std::numeric_limits<T>::infinity();
    check(status() == fastdiv::not_finite, "a matrix is not finite");
  }
}

// Tests a batch of two axes, one of them repeated, one reversed.
void strides() {
  const int d = 3;
  const Batch<double> p(2, d, Scale::cov), q(5, d, Scale::logstd);
  fastdiv::Gaussians<double> left = p.view, right = q.view;
  left.mean_strides = {d, 0, 1};
  left.parameter_strides = {d * d, 0, d, 1};
  right.mean += 4 * d;
  right.parameter += 4 * d;
  right.mean_strides = {0, -d, 1};
  right.parameter_strides = {0, -d, 1};
  std::vector<double> all(10), one(1);
  check(fastdiv::gaussian_kl<double>({2, 5}, d, left, right, all.data()), "kl finishes");
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 5; ++j) {
      fastdiv::Gaussians<double> a = p.view, b = q.view;
      a.mean += i * d;
      a.parameter += i * d * d;
      b.mean += (4 - j) * d;
      b.parameter += (4 - j) * d;
      check(fastdiv::gaussian_kl<double>({1}, d, a, b, one.data()), "kl finishes");
      check(all[static_cast<std::size_t>(i * 5 + j)] == one[0], "strides of a batch");
    }
  }
}

void products() {
  const int n = 50, m = 150, k = 7;
  std::vector<double> a, b, a_offset(n, 30.0), b_offset(m, 40.0);
  for (int i = 0; i < (n + m) * k; ++i) {
    (i < n * k ? a : b).push_back(normal());
  }
  b_offset[3] = -30;  // cancels
  for (int c = 0; c < k; ++c) {
    b[static_cast<std::size_t>(3 * k + c)] = 0;
  }
  std::vector<double> out(static_cast<std::size_t>(n) * m);
  check(fastdiv::kl_from_products({a.data(), n, k, k, 1}, {b.data(), m, k, k, 1}, a_offset.data(),
                                  b_offset.data(), 1e-12, out.data()),
        "products finish");
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < m; ++j) {
      double sum = 30 + b_offset[static_cast<std::size_t>(j)];
      for (int c = 0; c < k; ++c) {
        sum += a[static_cast<std::size_t>(i * k + c)] * b[static_cast<std::size_t>(j * k + c)];
      }
      const double value = out[static_cast<std::size_t>(i * m + j)];
      check(j == 3 ? std::isnan(value) : std::abs(value - sum / 2) < 1e-11, "products of a pair");
    }
  }
}

void stop() {
  const Batch<double> p(1, 64, Scale::cov);
  fastdiv::Options options;
  options.n_threads = 2;
  int calls = 0;
  options.hook = [&calls](double done) {
    ++calls;
    check(done >= 0 && done <= 1, "progress is a fraction");
    return false;
  };
  // Repeating one pair takes many times as long as the hook waits.
  std::vector<double> out(160000);
  const fastdiv::Gaussians<double> same{
      p.view.mean, {0, 1}, p.view.parameter, {0, 64, 1}, Scale::cov};
  const bool finished = fastdiv::gaussian_kl<double>({160000}, 64, same, same, out.data(), options);
  check(!finished && calls == 1, "the hook stops a call");
}

template <class T>
void everything() {
  for (const int d : {1, 3, 4, 9}) {
    for (const int n : {9, 1, 8}) {  // 8 at once, and one
      if (few_sizes && n != 9) {
        break;
      }
      for (const Scale p : scales) {
        for (const Scale q : scales) {
          gaussians<T>(n, d, p, q);
        }
      }
    }
  }
  for (const int d : {1, 7, 64, 131}) {
    for (const Scale p : scales) {
      for (const Scale q : scales) {
        if (fastdiv::is_diagonal(p) && fastdiv::is_diagonal(q)) {
          gradients<T>(5, d, p, q);
        }
      }
    }
  }
  for (const int d : {1, 3, 4, 9}) {
    for (const Scale p : scales) {
      for (const Scale q : scales) {
        if (!fastdiv::is_diagonal(p) || !fastdiv::is_diagonal(q)) {
          overlaps<T>(few_sizes ? 3 : 9, d, p, q);
        }
      }
    }
  }
  overlaps<T>(2, 33, Scale::cov, Scale::precision);
  roots<T>(9, 1, 1);
  roots<T>(9, 6, 3);
  roots<T>(3, 20, 20);
  soundness<T>(3, 5);
  soundness<T>(1, 70);
  gaussians<T>(2, 300, Scale::logvar, Scale::logvar);
  gaussians<T>(2, 300, Scale::logvar, Scale::std);
  // Blocks: of one item on all threads, and of many items.
  gaussians<T>(1, 257, Scale::precision, Scale::cov);
  gaussians<T>(3, 257, Scale::logvar, Scale::scale_tril);
  statuses<T>(9, 2);
  statuses<T>(9, 5);
  if (!few_sizes) {
    gaussians<T>(1, 256, Scale::cov, Scale::precision);  // the largest of the interleaved items
    gaussians<T>(1, 257, Scale::cov, Scale::std);
    gaussians<T>(3, 257, Scale::scale_tril, Scale::precision);
    statuses<T>(3, 257);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [] {
    for_each_dtype([](auto zero) { everything<decltype(zero)>(); });
    strides();
    mixtures();
    products();
    stop();
  });
}
