#include "distributions.hpp"

#include <algorithm>

namespace fastdiv {
namespace {

using std::ptrdiff_t;

ptrdiff_t count(const std::vector<ptrdiff_t>& shape) {
  ptrdiff_t n = 1;
  for (const ptrdiff_t extent : shape) {
    n *= extent;
  }
  return n;
}

template <class T>
GaussianItem<T> item_at(const Gaussians<T>& all, const std::vector<ptrdiff_t>& shape,
                        ptrdiff_t index) {
  GaussianItem<T> item = {all.mean,
                          all.parameter,
                          all.mean_strides.back(),
                          all.parameter_strides[shape.size()],
                          all.parameter_strides.back(),
                          all.scale};
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const ptrdiff_t i = axis == 0 ? index : index % shape[axis];
    index = axis == 0 ? 0 : index / shape[axis];
    item.mean += i * all.mean_strides[axis];
    item.parameter += i * all.parameter_strides[axis];
  }
  return item;
}

// Runs visit(first, count, thread) on groups of up to `group` items, `work` multiply-adds each.
template <class Visit>
bool for_each_group(Workers& workers, ptrdiff_t n, ptrdiff_t group, double work,
                    const Visit& visit) {
  // As in TileList: a unit takes about a millisecond.
  const auto groups =
      static_cast<ptrdiff_t>(std::clamp(2e6 / (work * static_cast<double>(group)), 1.0, 4096.0));
  const ptrdiff_t step = groups * group;
  return workers.for_each((n + step - 1) / step, 1, [&](std::int64_t unit, int thread) {
    const ptrdiff_t end = std::min(n, (unit + 1) * step);
    for (ptrdiff_t i = unit * step; i < end; i += group) {
      visit(i, static_cast<int>(std::min(group, end - i)), thread);
    }
  });
}

double matrix_work(ptrdiff_t dim) {
  const double d = static_cast<double>(dim);
  return d * d * (d / 2 + 10);
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
  const auto scratch = buffers<double>(workers.threads(), ops.scratch_size(d));
  return for_each_group(workers, n, ops.items, work, [&](ptrdiff_t first, int items, int thread) {
    GaussianItem<T> from_p[max_items], from_q[max_items];
    for (int i = 0; i < items; ++i) {
      from_p[i] = item_at(p, batch_shape, first + i);
      from_q[i] = item_at(q, batch_shape, first + i);
    }
    ops.full_kl(from_p, from_q, items, d, scratch[static_cast<std::size_t>(thread)].data(),
                out + first);
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
  const auto scratch = buffers<double>(workers.threads(), ops.scratch_size(d));
  return for_each_group(workers, n, ops.items, work, [&](ptrdiff_t first, int items, int thread) {
    GaussianItem<T> from[max_items];
    for (int i = 0; i < items; ++i) {
      from[i] = item_at(p, batch_shape, first + i);
    }
    ops.matrix_status(from, items, d, scratch[static_cast<std::size_t>(thread)].data(),
                      status + first);
  });
}

#define FASTDIV_INSTANTIATE(T)                                                               \
  template bool gaussian_kl(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<T>&,   \
                            const Gaussians<T>&, double*, const Options&);                   \
  template bool matrix_status(const std::vector<ptrdiff_t>&, ptrdiff_t, const Gaussians<T>&, \
                              std::uint8_t*, const Options&);
FASTDIV_INSTANTIATE(float)
FASTDIV_INSTANTIATE(double)

}  // namespace fastdiv
