// Draws random numbers, for the programs that make their inputs one by one.

#pragma once

#include <random>

inline std::mt19937 bits(5);

inline double normal() {
  return std::normal_distribution<double>()(bits);
}
