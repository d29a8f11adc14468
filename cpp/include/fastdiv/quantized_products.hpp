#pragma once

#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// out[i*w.rows + j] = x_i . w_j of quantised rows: the exact product rounded to double and float.
bool quantized_products(MatrixView<double> x, MatrixView<double> w, float* out,
                        const Options& options = {});

}  // namespace fastdiv
