#pragma once

namespace fastdiv {

// Pairs (i, j) of rows that count, within a sample and between two samples.
enum class Pairs {
  distinct,     // those of different rows within a sample, and all between
  all,          // all, those of a row with itself too
  off_diagonal  // i != j, within and between: samples of matched rows
};

}  // namespace fastdiv
