// SPDX-License-Identifier: Apache-2.0
// Where a command prints: results to `out`, everything else to `err`. Also how a value from elsewhere (a key, a name, a
// client's header) becomes text that is safe to print, and how numbers and times read. Tests print into strings.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace limpet::cli {

struct Console {
  std::ostream& out;
  std::ostream& err;
  bool terminal = false;  // `out` is one: a progress bar may redraw itself
  bool color = false;     // also NO_COLOR is unset
  unsigned columns = 80;
};

// stdout and stderr as they are.
Console standard_console();

// Control bytes and invalid UTF-8 as \xNN: keys come from clients and must not steer the operator's terminal.
std::string printable(std::string_view text);

std::string grouped(std::uint64_t n);                         // 1234567 -> "1,234,567"
std::string counted(std::uint64_t n, std::string_view noun);  // "1 session", "2,000 sessions"
std::string rough_duration(double seconds);                   // "0.4s" "12s" "3m 4s" "2h 5m" "3d 4h"
std::string rough_bytes(std::uint64_t bytes);                 // "512" "1.5K" "3.2M"

// {websocket: 3, sse: 1} -> "3 websocket, 1 sse"; "none" where it is empty.
std::string by_protocol(const std::map<std::string, std::uint64_t>& sessions);
std::uint64_t total(const std::map<std::string, std::uint64_t>& sessions);

// Left-aligned columns as wide as their widest cell, two blanks between them; no blanks at the end of a line. Cells are
// printed through printable(). Every row has as many cells as `head`.
void print_table(std::ostream& out, std::string_view indent, const std::vector<std::string>& head,
                 const std::vector<std::vector<std::string>>& rows);

}  // namespace limpet::cli
