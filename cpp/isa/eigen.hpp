#pragma once

// Includes Eigen, for batches of small matrices. No other file does.
//
// A translation unit that is compiled for several ISA levels defines FASTDIV_ISA_NAMESPACE. Eigen's
// namespace then carries the level too. Eigen is made of inline functions. If two levels shared
// them, the linker would keep the machine code of one, and an older processor would meet
// instructions that it lacks.

#define FASTDIV_JOIN_(a, b) a##_##b
#define FASTDIV_JOIN(a, b) FASTDIV_JOIN_(a, b)
#ifdef FASTDIV_ISA_NAMESPACE
#define Eigen FASTDIV_JOIN(eigen, FASTDIV_ISA_NAMESPACE)
#endif

#define EIGEN_DONT_PARALLELIZE  // OpenMP is used in workers.cpp alone
#include <Eigen/Dense>
