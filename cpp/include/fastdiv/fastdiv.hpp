#pragma once

#include "fastdiv/clusters.hpp"
#include "fastdiv/distances.hpp"
#include "fastdiv/distributions.hpp"
#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/labels.hpp"
#include "fastdiv/machine.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/pair_sums.hpp"
#include "fastdiv/pairs.hpp"
#include "fastdiv/quantized_products.hpp"
#include "fastdiv/threads.hpp"
#include "fastdiv/weighted_sums.hpp"

// Includes the whole engine and states the rules that all its functions keep.
//
// T is float or double. Inputs must be finite. Memory grows with the rows, not with their pairs.
// The samples of one call are either all quantised or all plain (see matrix_view.hpp).
//
// A function throws std::invalid_argument on an unknown kernel, wrong parameters or wrong shapes.
// It returns false when the hook stopped it, and its output is then undefined.
// Results are bit-identical for any number of threads.
