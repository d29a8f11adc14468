#pragma once

#include "fastdiv/matrix_view.hpp"
#include "fastdiv/threads.hpp"

namespace fastdiv {

// Multiply quantised rows: out[i*w.rows + j] = x_i . w_j, exact but for the rounding to double and
// float.
bool quantized_products(MatrixView<double> x, MatrixView<double> w, float* out,
                        const Options& options = {});

}  // namespace fastdiv
