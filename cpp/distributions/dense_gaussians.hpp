#pragma once

#include <cstdint>
#include <functional>

#include "isa/distribution_ops.hpp"

namespace fastdiv {

// Runs work(unit) for units [0, n), on one or several threads. Returns false when it was stopped.
using Loop =
    std::function<bool(std::int64_t n, const std::function<void(std::int64_t unit)>& work)>;

// Sets *out to KL(p || q) of two Gaussians of many dimensions, by blocked factorisations on the
// matrix product of the tile engine. Sets it to NaN where a matrix is not positive definite.
// Returns false when it was stopped.
template <class T>
bool dense_kl(const Loop& loop, const GaussianItem<T>& p, const GaussianItem<T>& q, int dim,
              double* out);

// Sets *status to the status of the parameter matrix of a Gaussian of many dimensions. Returns
// false when it was stopped.
template <class T>
bool dense_status(const Loop& loop, const GaussianItem<T>& p, int dim, std::uint8_t* status);

}  // namespace fastdiv
