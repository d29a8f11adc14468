#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <type_traits>

#include "core/buffer.hpp"
#include "core/workers.hpp"
#include "distributions/batch.hpp"
#include "distributions/dense_gaussians.hpp"
#include "fastdiv/distributions.hpp"
#include "isa/isa.hpp"

namespace fastdiv {
namespace {

using std::ptrdiff_t;

template <class T>
GaussianItem<T> item_at(const Gaussians<T>& all, const std::vector<ptrdiff_t>& shape,
                        ptrdiff_t index) {
  return {all.mean + offset(shape, all.mean_strides, index),
          all.parameter + offset(shape, all.parameter_strides, index),
          all.mean_strides.back(),
          all.parameter_strides[shape.size()],
          all.parameter_strides.back(),
          all.scale};
}

// Calls visit(first, count, thread) on groups of up to `group` items. Each item takes `work`
// multiply-adds.
template <class Visit>
bool for_each_group(Workers& workers, ptrdiff_t n, ptrdiff_t group, double work,
                    const Visit& visit) {
  const ptrdiff_t step = items_per_unit(work * static_cast<double>(group)) * group;
  return workers.for_each((n + step - 1) / step, 1, [&](std::int64_t unit, int thread) {
    const ptrdiff_t end = std::min(n, (unit + 1) * step);
    for (ptrdiff_t i = unit * step; i < end; i += group) {
      visit(i, static_cast<int>(std::min(group, end - i)), thread);
    }
  });
}

// Calls visit(i, loop) on large items, which are computed in blocks. Many items run side by side.
// Few items, or huge ones that Ctrl-C has to interrupt, run one after the other on all threads.
template <class Visit>
bool for_each_dense(Workers& workers, ptrdiff_t n, ptrdiff_t dim, const Visit& visit) {
  const Loop serial = [](std::int64_t units, const std::function<void(std::int64_t)>& work) {
    for (std::int64_t unit = 0; unit < units; ++unit) {
      work(unit);
    }
    return true;
  };
  constexpr ptrdiff_t huge = 1024;  // dimension
  if (n >= workers.threads() && dim <= huge) {
    return workers.for_each(n, 1, [&](std::int64_t i, int) { visit(i, serial); });
  }
  const Loop parallel = [&](std::int64_t units, const std::function<void(std::int64_t)>& work) {
    return workers.for_each(units, 0, [&](std::int64_t unit, int) { work(unit); });
  };
  for (ptrdiff_t i = 0; i < n; ++i) {
    if (!visit(i, parallel) || !workers.finish_part(1.0 / static_cast<double>(n))) {
      return false;
    }
  }
  return true;
}

// Returns the multiply-adds of an item with a full matrix.
double matrix_work(ptrdiff_t dim) {
  const double d = static_cast<double>(dim);
  return d * d * (d / 2 + 10);
}

// Calls visit(p items, q items, first, count, scratch) on groups of small matrices. Each item takes
// `work` multiply-adds. Throws if a visit returns false, as its iterations did not converge.
template <class T, class Visit>
bool for_each_small(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim, ptrdiff_t most_dim,
                    const Gaussians<T>& p, const Gaussians<T>& q, double work,
                    const Options& options, const Visit& visit) {
  if (dim > most_dim || (is_diagonal(p.scale) && is_diagonal(q.scale))) {
    throw std::invalid_argument("the covariances must be full and small");
  }
  const GaussianOps<T>& ops = isa().gaussian<T>();
  const ptrdiff_t n = count(batch_shape);
  Workers workers(options, work * static_cast<double>(n));
  const auto scratch = buffers<double>(workers.threads(), ops.scratch_size(static_cast<int>(dim)));
  std::atomic<bool> converged{true};
  const auto visit_group = [&](ptrdiff_t first, int items, int thread) {
    GaussianItem<T> p_items[max_items], q_items[max_items];
    for (int i = 0; i < items; ++i) {
      p_items[i] = item_at(p, batch_shape, first + i);
      q_items[i] = item_at(q, batch_shape, first + i);
    }
    if (!visit(p_items, q_items, first, items, scratch[static_cast<std::size_t>(thread)].data())) {
      converged = false;
    }
  };
  const bool finished = for_each_group(workers, n, ops.items, work, visit_group);
  if (!converged) {
    throw std::runtime_error("the singular values of a matrix did not converge");
  }
  return finished;
}

// Returns the multiply-adds of Jacobi rotations of `length` numbers in some 8 sweeps.
double jacobi_work(ptrdiff_t dim, ptrdiff_t length) {
  const double d = static_cast<double>(dim);
  return 8 * d * d * (3 * static_cast<double>(length) + 10);
}

}  // namespace

template <class T>
bool gaussian_kl(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim, const Gaussians<T>& p,
                 const Gaussians<T>& q, double* out, const Options& options) {
  const GaussianOps<T>& ops = isa().gaussian<T>();
  const ptrdiff_t n = count(batch_shape);
  if (is_diagonal(p.scale) && is_diagonal(q.scale)) {
    const double work = 10 * static_cast<double>(dim);
    Workers workers(options, work * static_cast<double>(n));
    return for_each_group(workers, n, 1, work, [&](ptrdiff_t i, int, int) {
      out[i] = ops.diagonal_kl(item_at(p, batch_shape, i), item_at(q, batch_shape, i), dim);
    });
  }
  const double work = matrix_work(dim);
  Workers workers(options, work * static_cast<double>(n));
  const int d = static_cast<int>(dim);
  if (dim > most_factored_dim) {
    return for_each_dense(workers, n, dim, [&](ptrdiff_t i, const Loop& loop) {
      return dense_kl(loop, item_at(p, batch_shape, i), item_at(q, batch_shape, i), d, out + i);
    });
  }
  const auto scratch = buffers<double>(workers.threads(), ops.scratch_size(d));
  return for_each_group(workers, n, ops.items, work, [&](ptrdiff_t first, int items, int thread) {
    GaussianItem<T> p_items[max_items], q_items[max_items];
    for (int i = 0; i < items; ++i) {
      p_items[i] = item_at(p, batch_shape, first + i);
      q_items[i] = item_at(q, batch_shape, first + i);
    }
    ops.full_kl(p_items, q_items, items, d, scratch[static_cast<std::size_t>(thread)].data(),
                out + first);
  });
}

template <class T, class Out>
bool diagonal_kl_and_gradients(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim,
                               const Gaussians<T>& p, const Gaussians<T>& q,
                               const DiagonalGradients<Out>& out, bool& sound,
                               const Options& options) {
  if (!is_diagonal(p.scale) || !is_diagonal(q.scale)) {
    throw std::invalid_argument("the parameters must be those of diagonal Gaussians");
  }
  const GaussianOps<T>& ops = isa().gaussian<T>();
  const auto gradients = [&] {
    if constexpr (std::is_same_v<Out, double>) {
      return ops.diagonal_gradients;
    } else {
      return ops.rounded_gradients;
    }
  }();
  const ptrdiff_t n = count(batch_shape);
  const double work = 30 * static_cast<double>(dim);
  Workers workers(options, work * static_cast<double>(n));
  std::atomic<bool> all_sound{true};
  const bool finished = for_each_group(workers, n, 1, work, [&](ptrdiff_t i, int, int) {
    bool item_sound = true;
    const Out value = static_cast<Out>(gradients(
        item_at(p, batch_shape, i), item_at(q, batch_shape, i), dim, out.means + i * dim,
        out.by_p + i * dim, out.by_q == nullptr ? nullptr : out.by_q + i * dim, item_sound));
    out.values[i] = value;
    if (!item_sound || !std::isfinite(value)) {
      all_sound = false;
    }
  });
  sound = all_sound;
  return finished;
}

template <class T>
bool gaussian_renyi(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim, const Gaussians<T>& p,
                    const Gaussians<T>& q, double alpha, double above_one, double* out,
                    const Options& options) {
  const auto op = isa().gaussian<T>().full_renyi;
  return for_each_small(batch_shape, dim, most_factored_dim, p, q, 3 * matrix_work(dim), options,
                        [&](const auto* a, const auto* b, ptrdiff_t first, int n, double* scratch) {
                          op(a, b, n, static_cast<int>(dim), alpha, above_one, scratch,
                             out + first);
                          return true;
                        });
}

template <class T>
bool gaussian_coupling(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim,
                       const Gaussians<T>& p, const Gaussians<T>& q, double share, double rest,
                       double* out, const Options& options) {
  const auto op = isa().gaussian<T>().full_coupling;
  return for_each_small(batch_shape, dim, most_factored_dim, p, q, matrix_work(dim), options,
                        [&](const auto* a, const auto* b, ptrdiff_t first, int n, double* scratch) {
                          op(a, b, n, static_cast<int>(dim), share, rest, scratch, out + first);
                          return true;
                        });
}

template <class T>
bool gaussian_wasserstein2(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim,
                           const Gaussians<T>& p, const Gaussians<T>& q, double* out,
                           const Options& options) {
  const auto op = isa().gaussian<T>().full_wasserstein2;
  return for_each_small(batch_shape, dim, most_turned_dim, p, q, jacobi_work(dim, 2 * dim), options,
                        [&](const auto* a, const auto* b, ptrdiff_t first, int n, double* scratch) {
                          return op(a, b, n, static_cast<int>(dim), scratch, out + first);
                        });
}

template <class T>
bool covariance_roots(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim,
                      const Gaussians<T>& p, double* out, const Options& options) {
  const auto op = isa().gaussian<T>().covariance_roots;
  return for_each_small(batch_shape, dim, most_turned_dim, p, p, jacobi_work(dim, dim), options,
                        [&](const auto* a, const auto*, ptrdiff_t first, int n, double* scratch) {
                          return op(a, n, static_cast<int>(dim), scratch, out + first * dim * dim);
                        });
}

template <class T>
bool matrix_status(const std::vector<ptrdiff_t>& batch_shape, ptrdiff_t dim, const Gaussians<T>& p,
                   std::uint8_t* status, const Options& options) {
  const GaussianOps<T>& ops = isa().gaussian<T>();
  const ptrdiff_t n = count(batch_shape);
  const double work = matrix_work(dim);
  Workers workers(options, work * static_cast<double>(n));
  const int d = static_cast<int>(dim);
  if (dim > most_factored_dim) {
    return for_each_dense(workers, n, dim, [&](ptrdiff_t i, const Loop& loop) {
      return dense_status(loop, item_at(p, batch_shape, i), d, status + i);
    });
  }
  const auto scratch = buffers<double>(workers.threads(), ops.scratch_size(d));
  return for_each_group(workers, n, ops.items, work, [&](ptrdiff_t first, int items, int thread) {
    GaussianItem<T> p_items[max_items];
    for (int i = 0; i < items; ++i) {
      p_items[i] = item_at(p, batch_shape, first + i);
    }
    ops.matrix_status(p_items, items, d, scratch[static_cast<std::size_t>(thread)].data(),
                      status + first);
  });
}

#define FASTDIV_INSTANTIATE(T)                                                                   \
  template bool gaussian_kl(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<T>&,       \
                            const Gaussians<T>&, double*, const Options&);                       \
  template bool gaussian_renyi(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<T>&,    \
                               const Gaussians<T>&, double, double, double*, const Options&);    \
  template bool gaussian_coupling(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<T>&, \
                                  const Gaussians<T>&, double, double, double*, const Options&); \
  template bool gaussian_wasserstein2(const std::vector<ptrdiff_t>&, ptrdiff_t,                  \
                                      const Gaussians<T>&, const Gaussians<T>&, double*,         \
                                      const Options&);                                           \
  template bool covariance_roots(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<T>&,  \
                                 double*, const Options&);                                       \
  template bool matrix_status(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<T>&,     \
                              std::uint8_t*, const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

#define FASTDIV_INSTANTIATE_GRADIENTS(T, Out)                                       \
  template bool diagonal_kl_and_gradients(const std::vector<ptrdiff_t>&, ptrdiff_t, \
                                          const Gaussians<T>&, const Gaussians<T>&, \
                                          const DiagonalGradients<Out>&, bool&, const Options&);
FASTDIV_INSTANTIATE_GRADIENTS(float, float)
FASTDIV_INSTANTIATE_GRADIENTS(float, double)
FASTDIV_INSTANTIATE_GRADIENTS(double, double)

}  // namespace fastdiv
