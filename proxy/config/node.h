// SPDX-License-Identifier: Apache-2.0
// Node: a TOML document as plain values with the place of each, so that everything about the configuration but the one
// file that parses TOML (toml.cpp) can be read and tested without toml++. Also made by hand, from command-line
// flags. Lives as long as one reading of a configuration, on the control path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/config/config.h"

namespace limpet::config {

struct Place {
  unsigned line = 0;    // from 1; 0: nowhere
  unsigned column = 0;  // from 1, in bytes
};

struct Member;

struct Node {
  enum class Kind : std::uint8_t { Boolean, Integer, Float, String, Date, Array, Table };

  Kind kind = Kind::Table;
  Place place;  // of the value; of a table with a header: of the header
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;            // of a Float
  std::string text;             // of a String
  std::vector<Node> items;      // of an Array
  std::vector<Member> members;  // of a Table, in the order of the file

  // The value of a table's key; nullptr where there is none or this is no table.
  const Node* find(std::string_view name) const;
};

struct Member {
  std::string name;
  Place place;  // of the key
  Node value;
};

inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The text cut into lines, without line ends and byte order mark; a problem shows the one that it is about.
std::vector<std::string> split_lines(std::string_view text);

// The document, or its first syntax error. `name` is what the problem calls the file.
std::variant<Node, Problem> parse_toml(std::string_view text, const std::string& name);

}  // namespace limpet::config
