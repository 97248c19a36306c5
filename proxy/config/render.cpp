// SPDX-License-Identifier: Apache-2.0
// How a problem looks on a terminal: FILE:LINE:COL, the source line and a caret below the right character. Tabs are
// shown as spaces, and what a terminal might obey is not shown at all.
#include "proxy/config/config.h"

namespace limpet::config {

namespace {

constexpr std::size_t kTab = 4;
constexpr std::size_t kIndent = 4;

// The line as it is shown, and in `caret` the width of what stands before byte `column` (from 1).
std::string shown_line(const std::string& line, unsigned column, std::size_t& caret) {
  std::string shown;
  std::size_t width = 0;
  caret = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (i + 1 == column) caret = width;
    const auto byte = static_cast<unsigned char>(line[i]);
    if (byte == '\t') {
      const std::size_t spaces = kTab - width % kTab;
      shown.append(spaces, ' ');
      width += spaces;
    } else if (byte < 0x20 || byte == 0x7f) {
      shown += '?';
      ++width;
    } else {
      shown += line[i];
      if ((byte & 0xc0U) != 0x80U) ++width;  // the first byte of a code point
    }
  }
  if (column > line.size()) caret = width;
  return shown;
}

}  // namespace

std::string render(const Problem& problem, bool color) {
  const std::string bold = color ? "\033[1m" : "";
  const std::string red = color ? "\033[1;31m" : "";
  const std::string plain = color ? "\033[0m" : "";
  std::string place = problem.file;
  if (problem.line > 0) place += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
  std::string text = bold + place + ": " + plain + red + "error: " + plain + bold + problem.what + plain + "\n";
  if (problem.line == 0 || problem.source.empty()) return text;
  std::size_t caret = 0;
  const std::string source = shown_line(problem.source, problem.column, caret);
  const std::string indent(kIndent, ' ');
  return text + indent + source + "\n" + indent + std::string(caret, ' ') + red + "^" + plain + "\n";
}

}  // namespace limpet::config
