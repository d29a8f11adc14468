#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fastdiv/fastdiv.hpp>

// Options, timing, data and output of the benchmarks. They print one JSON object per line.

namespace bench {

// Command-line options of the form --name value [value ...].
class Options {
 public:
  using Values = std::vector<std::string>;

  Options(int argc, char** argv, std::map<std::string, Values> defaults)
      : values_(std::move(defaults)) {
    Values* current = nullptr;
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word.rfind("--", 0) != 0) {
        if (current == nullptr) fail(argv[0], word);
        current->push_back(word);
        continue;
      }
      const auto option = values_.find(word.substr(2));
      if (option == values_.end()) fail(argv[0], word);
      current = &option->second;
      current->clear();
    }
  }

  const Values& words(const std::string& name) const { return values_.at(name); }
  std::vector<int> numbers(const std::string& name) const {
    std::vector<int> numbers;
    for (const std::string& word : words(name)) {
      numbers.push_back(number_from(name, word));
    }
    return numbers;
  }
  int number(const std::string& name) const {
    if (words(name).size() != 1) {
      std::fprintf(stderr, "--%s takes one number\n", name.c_str());
      std::exit(2);
    }
    return numbers(name)[0];
  }

 private:
  [[noreturn]] void fail(const char* program, const std::string& word) const {
    std::fprintf(stderr, "%s: unexpected '%s'; options and defaults:\n", program, word.c_str());
    for (const auto& [name, words] : values_) {
      std::fprintf(stderr, "  --%s", name.c_str());
      for (const std::string& value : words) {
        std::fprintf(stderr, " %s", value.c_str());
      }
      std::fprintf(stderr, "\n");
    }
    std::exit(2);
  }
  static int number_from(const std::string& name, const std::string& word) {
    char* end = nullptr;
    const long value = std::strtol(word.c_str(), &end, 10);
    if (word.empty() || *end != '\0' || value < 1 || value > 100'000'000) {
      std::fprintf(stderr, "--%s takes positive integers; got '%s'\n", name.c_str(), word.c_str());
      std::exit(2);
    }
    return static_cast<int>(value);
  }

  std::map<std::string, Values> values_;
};

// Returns the seconds of one call: the mean of as many calls as take `at_least` seconds together.
template <class F>
double seconds(F&& call, double at_least = 0.1) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  double elapsed = 0;
  int calls = 0;
  do {
    call();
    ++calls;
    elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  } while (elapsed < at_least);
  return elapsed / calls;
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Returns (largest - smallest) / median.
inline double spread(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return (*most - *least) / median(values);
}

// Returns standard normal rows, shifted.
template <class T>
std::vector<T> normal(int rows, int cols, unsigned seed, double shift = 0) {
  std::mt19937_64 bits(seed);
  std::normal_distribution<T> distribution(static_cast<T>(shift), T{1});
  std::vector<T> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
  for (T& value : values) {
    value = distribution(bits);
  }
  return values;
}

template <class T>
fastdiv::MatrixView<T> view(const std::vector<T>& values, std::ptrdiff_t rows, std::ptrdiff_t cols,
                            std::ptrdiff_t first_row = 0) {
  return {values.data() + first_row * cols, rows, cols, cols, 1};
}

template <class T>
const char* dtype() {
  return sizeof(T) == 4 ? "float32" : "float64";
}

// Returns the roofline: the seconds that the work takes at the measured peaks.
inline double roofline(const fastdiv::Peaks& peaks, double flops, double maps) {
  return flops / peaks.flops + maps / peaks.maps;
}

// One line of output.
class Json {
 public:
  Json& add(const std::string& key, const std::string& value) {
    return put(key, '"' + value + '"');
  }
  Json& add(const std::string& key, const char* value) { return add(key, std::string(value)); }
  Json& add(const std::string& key, int value) { return put(key, std::to_string(value)); }
  Json& add(const std::string& key, double value) {
    std::ostringstream text;
    text.precision(6);
    text << value;
    return put(key, text.str());
  }
  // Adds the median and the spread of repeated measurements.
  Json& add(const std::string& key, const std::vector<double>& values) {
    return add(key, median(values)).add(key + "_spread", spread(values));
  }
  void print() const {
    std::printf("{%s}\n", fields_.c_str());
    std::fflush(stdout);
  }

 private:
  Json& put(const std::string& key, const std::string& value) {
    fields_ += (fields_.empty() ? "\"" : ", \"") + key + "\": " + value;
    return *this;
  }
  std::string fields_;
};

// Returns a line that names the benchmark, the level in use and the type.
template <class T>
Json line_of(const char* benchmark) {
  Json line;
  line.add("bench", benchmark).add("isa", fastdiv::isa_name()).add("dtype", dtype<T>());
  return line;
}

}  // namespace bench
