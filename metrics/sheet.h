// SPDX-License-Identifier: Apache-2.0
// Sheet: one scrape being written: families in order, samples under them, and at the end their Prometheus text. It
// hides prometheus-cpp, whose headers sheet.cpp alone includes. Lives for one Registry::text(), on the control loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace limpet::metrics {

enum class Kind : std::uint8_t { Counter, Gauge, Histogram };

struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;

class Sheet {
 public:
  // `expected_size`: bytes to set aside for the text.
  explicit Sheet(std::size_t expected_size);
  ~Sheet();
  Sheet(const Sheet&) = delete;
  Sheet& operator=(const Sheet&) = delete;

  // What follows belongs to this family. A family without samples still shows its HELP and TYPE.
  void family(Kind kind, const char* name, const char* help);

  // Requires: a family() that is a counter or gauge.
  void sample(Labels labels, double value);
  // `counts` are per bucket, not cumulative; the last one is that of +Inf.
  // Requires: a family() that is a histogram; one count more than bounds.
  void histogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum);

  // All of it, in exposition format 0.0.4; the sheet is empty then.
  std::string take_text();

 private:
  struct Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace limpet::metrics
