// SPDX-License-Identifier: Apache-2.0
// Formatting for people. Widths count bytes that are not UTF-8 continuation bytes: good enough for names and keys.
#include "proxy/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace limpet::cli {

namespace {

// The length of the valid, printable UTF-8 sequence that `text` starts with; 0 where it starts with none.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = at(1);
  if (first == 0xe0 && second < 0xa0) return 0;  // overlong
  if (first == 0xed && second > 0x9f) return 0;  // surrogates
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  if (first == 0xc2 && second < 0xa0) return 0;                                     // C1 control characters
  if (first == 0xe2 && second == 0x80 && at(2) >= 0xaa && at(2) <= 0xae) return 0;  // bidirectional overrides
  if (first == 0xe2 && second == 0x81 && at(2) >= 0xa6 && at(2) <= 0xa9) return 0;
  return length;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string format(const char* pattern, double value) {
  char text[32];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

}  // namespace

Console standard_console() {
  Console console{std::cout, std::cerr};
  const char* term = std::getenv("TERM");
  console.terminal = isatty(STDOUT_FILENO) == 1 && !(term != nullptr && std::string_view(term) == "dumb");
  const char* no_color = std::getenv("NO_COLOR");
  console.color = console.terminal && (no_color == nullptr || *no_color == '\0');
  winsize size{};
  if (console.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
    console.columns = size.ws_col;
  return console;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    std::size_t length = byte < 0x20 || byte == 0x7f ? 0 : utf8_length(text);
    if (length == 0) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
      length = 1;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string grouped(std::uint64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string counted(std::uint64_t n, std::string_view noun) {
  return grouped(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

std::string rough_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 9.95) return format(seconds < 0.05 ? "%.0fs" : "%.1fs", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
  const auto two = [](std::uint64_t a, const char* unit_a, std::uint64_t b, const char* unit_b) {
    return std::to_string(a) + unit_a + (b == 0 ? "" : " " + std::to_string(b) + unit_b);
  };
  if (whole < 60) return std::to_string(whole) + "s";
  if (whole < 3600) return two(whole / 60, "m", whole % 60, "s");
  if (whole < 86400) return two(whole / 3600, "h", whole % 3600 / 60, "m");
  return two(whole / 86400, "d", whole % 86400 / 3600, "h");
}

std::string rough_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  constexpr std::string_view kUnits = "KMGTPE";
  for (value /= 1024; value >= 1023.95 && unit + 1 < kUnits.size(); value /= 1024) ++unit;
  return format("%.1f", value) + kUnits[unit];
}

std::string by_protocol(const std::map<std::string, std::uint64_t>& sessions) {
  std::string text;
  for (const auto& [protocol, n] : sessions) {
    if (n == 0) continue;
    text += (text.empty() ? "" : ", ") + grouped(n) + " " + protocol;
  }
  return text.empty() ? "none" : text;
}

std::uint64_t total(const std::map<std::string, std::uint64_t>& sessions) {
  std::uint64_t sum = 0;
  for (const auto& [protocol, n] : sessions) sum += n;
  return sum;
}

void print_table(std::ostream& out, std::string_view indent, const std::vector<std::string>& head,
                 const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> lines = {head};
  for (const auto& row : rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const auto& cell : row) line.push_back(printable(cell));
  }
  std::vector<std::size_t> widths(head.size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < head.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  for (const auto& line : lines) {
    std::string text(indent);
    for (std::size_t i = 0; i < head.size(); ++i) {
      text += line[i];
      text.append(widths[i] - width(line[i]) + 2, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  }
}

}  // namespace limpet::cli
