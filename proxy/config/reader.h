// SPDX-License-Identifier: Apache-2.0
// How a table of the configuration is read: a TableReader<T> is a list of fields, one per key, each with the rule that
// turns a Node into a member of T. That one list serves the unknown-key check, the nearest key and known_keys(). A rule
// that fails reports a problem and leaves the default, so that reading goes on and every problem is found. Control path
// only.
#pragma once

#include <concepts>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/config/node.h"

namespace limpet::config {

// Collects the problems of one reading, and knows which key is being read.
class Reader {
 public:
  Reader(std::string file, std::vector<std::string> lines) : file_(std::move(file)), lines_(std::move(lines)) {}

  void problem(Place place, std::string what);
  // "'weight': expected a whole number from 1 to 256, found a string" about the current key.
  void expected(const Node& node, const std::string& what);
  // A value that is to come and this version lacks.
  void unavailable(const Node& node);

  const std::string& key() const { return key_; }  // dotted
  void enter(std::string key) { key_ = std::move(key); }

  // Sorted by place.
  std::vector<Problem> take_problems();

 private:
  const std::string file_;
  const std::vector<std::string> lines_;

  std::string key_;
  std::vector<Problem> problems_;
};

// "\"abc\"", "42", "true", "a list", "a table": how a problem names what it found.
std::string describe(const Node& node);

// The known key that `name` was meant to be; "" where none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& known);

// Keys and values that are to come and this version lacks: known, refused unless they are the default.
// The names of such keys in the table `path`.
std::vector<std::string> unavailable_keys(std::string_view path);
bool is_unavailable_default(std::string_view dotted_key, const Node& value);
bool is_unavailable_value(std::string_view dotted_key, std::string_view value);

template <typename V>
using Rule = std::function<void(Reader&, const Node&, V&)>;

template <typename T>
struct Field {
  std::string name;
  bool required = false;
  std::vector<std::string> below;  // the dotted keys within, of a table
  Rule<T> read;
};

// The part that does not depend on what is read into: reports unknown keys, those of later versions and missing ones;
// false where the node is no table at all.
bool check_members(Reader& reader, const Node& node, const std::string& path, const std::vector<std::string>& known,
                   const std::vector<std::string>& required);

template <typename T>
class TableReader {
 public:
  // `path` is the table's dotted name, "" for the root.
  TableReader(std::string path, std::vector<Field<T>> fields) : path_(std::move(path)), fields_(std::move(fields)) {}

  void read(Reader& reader, const Node& node, T& into) const {
    std::vector<std::string> known;
    std::vector<std::string> required;
    for (const Field<T>& field : fields_) {
      known.push_back(field.name);
      if (field.required) required.push_back(field.name);
    }
    if (!check_members(reader, node, path_, known, required)) return;
    for (const Field<T>& field : fields_) {
      const Node* value = node.find(field.name);
      if (!value) continue;
      reader.enter(dotted(field.name));
      field.read(reader, *value, into);
    }
  }

  // Dotted, from the root.
  std::vector<std::string> keys() const {
    std::vector<std::string> result;
    for (const Field<T>& field : fields_) {
      if (field.below.empty()) result.push_back(dotted(field.name));
      result.insert(result.end(), field.below.begin(), field.below.end());
    }
    return result;
  }

 private:
  std::string dotted(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }

  const std::string path_;
  const std::vector<Field<T>> fields_;
};

// Fields.

enum class Need : std::uint8_t { Optional, Required };

template <typename T, typename V>
Field<T> field(std::string name, V T::*member, Rule<std::type_identity_t<V>> rule, Need need = Need::Optional) {
  return Field<T>{
      std::move(name), need == Need::Required, {}, [member, rule](Reader& reader, const Node& node, T& into) {
        rule(reader, node, into.*member);
      }};
}

// [name]
template <typename T, typename V>
Field<T> table(std::string name, V T::*member, TableReader<V> inner) {
  auto below = inner.keys();
  return Field<T>{std::move(name), false, std::move(below),
                  [member, inner = std::move(inner)](Reader& reader, const Node& node, T& into) {
                    inner.read(reader, node, into.*member);
                  }};
}

// [name] whose keys are members of the outer table's struct.
template <typename T>
Field<T> part(std::string name, TableReader<T> inner) {
  auto below = inner.keys();
  return Field<T>{
      std::move(name), false, std::move(below),
      [inner = std::move(inner)](Reader& reader, const Node& node, T& into) { inner.read(reader, node, into); }};
}

// [[name]]: as many elements as the file has, broken ones included, so that positions in Node and struct agree.
template <typename T, typename V>
Field<T> tables(std::string name, std::vector<V> T::*member, TableReader<V> inner) {
  auto below = inner.keys();
  return Field<T>{std::move(name), false, std::move(below),
                  [member, inner = std::move(inner)](Reader& reader, const Node& node, T& into) {
                    const std::string key = reader.key();
                    if (node.kind != Node::Kind::Array) {
                      reader.expected(node, "an array of tables, [[" + key + "]]");
                      return;
                    }
                    for (const Node& item : node.items) {
                      reader.enter(key);
                      inner.read(reader, item, (into.*member).emplace_back());
                    }
                  }};
}

// Rules.

// What a text must be: `holds` and, for the message, its description.
struct TextCheck {
  std::function<bool(const std::string&)> holds;
  std::string what;
};

Rule<bool> flag();
// Without a check any text, the empty one included. Control characters are refused always.
Rule<std::string> text(TextCheck check = {[](const std::string&) { return true; }, "a string"});

enum class Zero : std::uint8_t { Allowed, Refused };
Rule<std::chrono::milliseconds> duration(Zero zero);
Rule<std::uint64_t> size(std::uint64_t least);

// Reports and answers false unless the node is an integer from `least` to `most`.
bool check_whole(Reader& reader, const Node& node, std::int64_t least, std::int64_t most);

template <std::unsigned_integral V>
Rule<V> whole(std::int64_t least, std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
  return [least, most](Reader& reader, const Node& node, V& into) {
    if (check_whole(reader, node, least, most)) into = static_cast<V>(node.integer);
  };
}

// Which of the names a text is; reports and answers nothing for any other.
std::optional<std::size_t> check_name(Reader& reader, const Node& node, const std::vector<std::string>& names);

template <typename E>
Rule<E> one_of(std::vector<std::pair<std::string, E>> choices) {
  return [choices = std::move(choices)](Reader& reader, const Node& node, E& into) {
    std::vector<std::string> names;
    for (const auto& choice : choices) names.push_back(choice.first);
    if (const auto index = check_name(reader, node, names)) into = choices[*index].second;
  };
}

template <typename V>
Rule<std::vector<V>> list_of(Rule<V> item, std::string what) {
  return [item = std::move(item), what = std::move(what)](Reader& reader, const Node& node, std::vector<V>& into) {
    if (node.kind != Node::Kind::Array) {
      reader.expected(node, what);
      return;
    }
    for (const Node& element : node.items) item(reader, element, into.emplace_back());
  };
}

}  // namespace limpet::config
