#pragma once

#include "fastdiv/clusters.hpp"
#include "fastdiv/distances.hpp"
#include "fastdiv/distributions.hpp"
#include "fastdiv/kernel_groups.hpp"
#include "fastdiv/labels.hpp"
#include "fastdiv/machine.hpp"
#include "fastdiv/matrix_view.hpp"
#include "fastdiv/pair_sums.hpp"
#include "fastdiv/quantized_products.hpp"
#include "fastdiv/threads.hpp"
#include "fastdiv/weighted_sums.hpp"

// The whole engine. In all headers T is float or double, and inputs must be finite. The samples of
// a call may be quantised, all of them: see matrix_view.hpp. Memory grows with the rows, not with
// their pairs.
//
// Every function throws std::invalid_argument on an unknown kernel, wrong parameters or shapes, and
// returns false when the hook stopped it (its output is then undefined). Results are bit-identical
// for any number of threads.
