// SPDX-License-Identifier: Apache-2.0
// TOML text into Nodes: the only file that includes toml++. What toml++ throws ends here. It counts columns in code
// points, we count bytes, which is why the lines of the text are needed.
#include <toml++/toml.h>

#include <algorithm>
#include <exception>

#include "proxy/config/node.h"

namespace limpet::config {

namespace {

// Deeper tables than any that we know are not followed: a dotted key may nest without bound.
constexpr unsigned kMaxDepth = 32;

bool continues_code_point(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U;
}

class Converter {
 public:
  explicit Converter(const std::vector<std::string>& lines) : lines_(lines) {}

  Place place(const toml::source_position& position) const {
    if (!position.line || position.line > lines_.size()) return Place{position.line, position.line ? 1U : 0U};
    const std::string& line = lines_[position.line - 1];
    std::size_t at = 0;
    for (unsigned column = 1; column < position.column && at < line.size(); ++column) {
      do ++at;
      while (at < line.size() && continues_code_point(line[at]));
    }
    return Place{position.line, static_cast<unsigned>(at + 1)};
  }

  Node convert(const toml::node& from, unsigned depth) const {
    Node node;
    node.place = place(from.source().begin);
    if (const auto* table = from.as_table()) {
      add_members(*table, node, depth);
    } else if (const auto* array = from.as_array()) {
      node.kind = Node::Kind::Array;
      if (depth < kMaxDepth) {
        for (const auto& item : *array) node.items.push_back(convert(item, depth + 1));
      }
    } else {
      set_value(from, node);
    }
    return node;
  }

 private:
  void add_members(const toml::table& table, Node& node, unsigned depth) const {
    if (depth >= kMaxDepth) return;
    for (const auto& [key, value] : table) {
      node.members.push_back(Member{std::string(key.str()), place(key.source().begin), convert(value, depth + 1)});
    }
    std::stable_sort(node.members.begin(), node.members.end(), [](const Member& a, const Member& b) {
      return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
    });
  }

  static void set_value(const toml::node& from, Node& node) {
    if (const auto* boolean = from.as_boolean()) {
      node.kind = Node::Kind::Boolean;
      node.boolean = boolean->get();
    } else if (const auto* integer = from.as_integer()) {
      node.kind = Node::Kind::Integer;
      node.integer = integer->get();
    } else if (const auto* number = from.as_floating_point()) {
      node.kind = Node::Kind::Float;
      node.number = number->get();
    } else if (const auto* text = from.as_string()) {
      node.kind = Node::Kind::String;
      node.text = text->get();
    } else {
      node.kind = Node::Kind::Date;
    }
  }

  const std::vector<std::string>& lines_;
};

}  // namespace

std::variant<Node, Problem> parse_toml(std::string_view text, const std::string& name) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::vector<std::string> lines = split_lines(text);
  const Converter converter(lines);
  Problem problem{name, 0, 0, "", ""};
  try {
    return converter.convert(toml::parse(text, std::string_view(name)), 0);
  } catch (const toml::parse_error& error) {
    const Place place = converter.place(error.source().begin);
    problem.line = place.line;
    problem.column = place.column;
    problem.what = "not valid TOML: " + std::string(error.description());
    if (place.line > 0 && place.line <= lines.size()) problem.source = lines[place.line - 1];
  } catch (const std::exception& error) {
    problem.what = std::string("not valid TOML: ") + error.what();
  }
  return problem;
}

}  // namespace limpet::config
