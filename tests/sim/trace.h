// SPDX-License-Identifier: Apache-2.0
// Trace: one line per event, with a column per thread of the proxy and per backend; tests/sim/README.md has the legend.
// Without an output it costs a test of a pointer.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"

namespace limpet::sim {

class Trace {
 public:
  explicit Trace(std::FILE* to) : to_(to) {}

  void stop() { to_ = nullptr; }
  bool is_on() const { return to_ != nullptr; }
  // `columns`: as the legend says, without blanks at the ends.
  void line(Duration since_start, const std::string& columns, std::string_view text) {
    if (to_ == nullptr) return;
    const auto ns = since_start.count();
    std::fprintf(to_, "%4lld.%09lld | %s | %.*s\n", static_cast<long long>(ns / 1'000'000'000),
                 static_cast<long long>(ns % 1'000'000'000), columns.c_str(), static_cast<int>(text.size()),
                 text.data());
  }

 private:
  std::FILE* to_;
};

// What may stand in a trace: printable, on one line, the beginning of what is long.
inline std::string shown(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, 60)) {
    const auto byte = static_cast<unsigned char>(c);
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", byte);
    out += byte >= 0x20 && byte < 0x7f ? std::string(1, c) : c == '\n' ? "\\n" : c == '\r' ? "\\r" : hex;
  }
  return bytes.size() > 60 ? out + "…" : out;
}

}  // namespace limpet::sim
