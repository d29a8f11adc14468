#pragma once

#include <string>
#include <vector>

namespace fastdiv {

// Base values, from which kernels are computed: |x - y|^2, |x - y|_1 or (x - o).(y - o) with an
// origin o.
enum class Base { sqdist, l1, dot };

// One kernel, whose values times `weight` are added to output number `output`. With D = |x - y|^2
// and L = |x - y|_1:
//
//   name                params                k(x, y)
//   rbf                 sigma                 exp(-D / (2 sigma^2))
//   rbf_less_one        sigma                 exp(-D / (2 sigma^2)) - 1
//   matern12            sigma                 exp(-r), r = sqrt(D) / sigma
//   matern32            sigma                 (1 + s) exp(-s), s = sqrt(3) r
//   matern52            sigma                 (1 + s + s^2 / 3) exp(-s), s = sqrt(5) r
//   rational_quadratic  alpha, sigma          (1 + D / (2 alpha sigma^2))^-alpha
//   imq                 c                     c / (c + D)
//   energy              beta                  -D^(beta / 2)
//   laplacian           sigma                 exp(-L / sigma)
//   cityblock           beta                  -L^beta
//   linear                                    x.y
//   polynomial          degree, gamma, coef0  (gamma x.y + coef0)^degree
struct Term {
  std::string kernel;
  std::vector<double> params;
  double weight = 1;
  int output = 0;
};

// Terms of one base, which share one pass over its values.
struct KernelGroup {
  Base base = Base::sqdist;
  std::vector<double> scale;  // factors of the features; empty: 1
  std::vector<Term> terms;
  // Of linear kernels, per feature, or per item and feature for a stack; empty: 0. weighted_sums
  // says what it does to them.
  std::vector<double> origin{};
};

}  // namespace fastdiv
