// SPDX-License-Identifier: Apache-2.0
// Collecting problems, the check of a table's keys, and the rules for plain values.
#include "proxy/config/reader.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace limpet::config {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxShown = 60;  // bytes of a text that a problem repeats

std::string last_part(const std::string& dotted) {
  return dotted.substr(dotted.rfind('.') + 1);
}

// For comparing: "Ping-Interval" is near "ping_interval".
std::string folded(std::string_view name) {
  std::string result(name);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return result;
}

// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substituted});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

std::string joined(const std::vector<std::string>& names) {
  std::string result;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) result += i + 1 == names.size() ? " or " : ", ";
    result += '"' + names[i] + '"';
  }
  return result;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

std::string table_name(const std::string& path) {
  return path.empty() ? "the configuration" : "[" + path + "]";
}

}  // namespace

const Node* Node::find(std::string_view name) const {
  for (const Member& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::vector<std::string> split_lines(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
  return lines;
}

std::string describe(const Node& node) {
  switch (node.kind) {
  case Node::Kind::Boolean:
    return node.boolean ? "true" : "false";
  case Node::Kind::Integer:
    return std::to_string(node.integer);
  case Node::Kind::Float: {
    char out[32];
    std::snprintf(out, sizeof out, "%g", node.number);
    return out;
  }
  case Node::Kind::String:
    if (has_control(node.text)) return "a string with a control character";
    if (node.text.size() > kMaxShown) return "a string of " + std::to_string(node.text.size()) + " bytes";
    return '"' + node.text + '"';
  case Node::Kind::Date:
    return "a date or time";
  case Node::Kind::Array:
    return "a list";
  case Node::Kind::Table:
    return "a table";
  }
  return "";
}

void Reader::problem(Place place, std::string what) {
  std::replace_if(what.begin(), what.end(), is_control, '?');
  const bool shown = place.line > 0 && place.line <= lines_.size();
  problems_.push_back(Problem{file_, place.line, place.column, std::move(what), shown ? lines_[place.line - 1] : ""});
}

void Reader::expected(const Node& node, const std::string& what) {
  problem(node.place, "'" + last_part(key_) + "': expected " + what + ", found " + describe(node));
}

void Reader::unavailable(const Node& node) {
  problem(node.place, "'" + last_part(key_) + "': " + describe(node) + " is not available in this version");
}

std::vector<Problem> Reader::take_problems() {
  std::stable_sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return std::move(problems_);
}

std::string nearest(std::string_view name, const std::vector<std::string>& known) {
  if (name.size() > kMaxShown) return "";
  const std::string wanted = folded(name);
  const std::size_t near = std::min<std::size_t>(3, (name.size() + 2) / 3);
  std::string best;
  std::size_t least = near + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(wanted, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

namespace {

// The one table that knows the key; "" where there is none or more than one.
std::string only_home(const std::string& name) {
  std::string home;
  for (const std::string& key : known_keys()) {
    if (last_part(key) != name) continue;
    if (!home.empty()) return "";
    home = key.substr(0, key.rfind('.'));
  }
  return home;
}

void report_unknown(Reader& reader, const Member& member, const std::string& path,
                    const std::vector<std::string>& known) {
  const std::string shown = member.name.size() > kMaxShown ? member.name.substr(0, kMaxShown) + "..." : member.name;
  std::string what = "unknown key '" + shown + "'";
  if (const std::string near = nearest(member.name, known); !near.empty()) {
    what += ", did you mean '" + near + "'?";
  } else {
    what += " in " + table_name(path);
    if (const std::string home = only_home(member.name); !home.empty()) what += ", it belongs in [" + home + "]";
  }
  reader.problem(member.place, what);
}

}  // namespace

bool check_members(Reader& reader, const Node& node, const std::string& path, const std::vector<std::string>& known,
                   const std::vector<std::string>& required) {
  if (node.kind != Node::Kind::Table) {
    reader.expected(node, "a table");
    return false;
  }
  const std::vector<std::string> later = unavailable_keys(path);
  std::vector<std::string> all = known;
  all.insert(all.end(), later.begin(), later.end());
  for (const Member& member : node.members) {
    if (std::find(known.begin(), known.end(), member.name) != known.end()) continue;
    if (std::find(later.begin(), later.end(), member.name) == later.end()) {
      report_unknown(reader, member, path, all);
    } else if (const std::string key = path.empty() ? member.name : path + "." + member.name;
               !is_unavailable_default(key, member.value)) {
      const bool whole_table = member.value.kind == Node::Kind::Table;
      const std::string value = whole_table ? "" : " = " + describe(member.value);
      reader.problem(member.place, (whole_table ? "[" + key + "]" : "'" + member.name + "'" + value) +
                                       " is not available in this version");
    }
  }
  for (const std::string& name : required) {
    if (!node.find(name)) reader.problem(node.place, "'" + name + "' is missing in " + table_name(path));
  }
  return true;
}

Rule<bool> flag() {
  return [](Reader& reader, const Node& node, bool& into) {
    if (node.kind != Node::Kind::Boolean) {
      reader.expected(node, "true or false");
    } else {
      into = node.boolean;
    }
  };
}

Rule<std::string> text(TextCheck check) {
  return [check = std::move(check)](Reader& reader, const Node& node, std::string& into) {
    if (node.kind != Node::Kind::String || has_control(node.text) || !check.holds(node.text)) {
      reader.expected(node, check.what);
    } else {
      into = node.text;
    }
  };
}

Rule<milliseconds> duration(Zero zero) {
  return [zero](Reader& reader, const Node& node, milliseconds& into) {
    const auto value = node.kind == Node::Kind::String ? parse_duration(node.text) : std::nullopt;
    if (!value) {
      reader.expected(node, R"(a duration such as "250ms", "30s", "5m" or "1h")");
    } else if (value->count() == 0 && zero == Zero::Refused) {
      reader.expected(node, "a duration of more than 0");
    } else {
      into = *value;
    }
  };
}

Rule<std::uint64_t> size(std::uint64_t least) {
  return [least](Reader& reader, const Node& node, std::uint64_t& into) {
    const auto value = node.kind == Node::Kind::String ? parse_size(node.text) : std::nullopt;
    if (!value) {
      reader.expected(node, R"(a size such as "512B", "64KiB", "1MiB" or "0")");
    } else if (*value < least) {
      reader.expected(node, "a size of at least " + std::to_string(least) + "B");
    } else {
      into = *value;
    }
  };
}

bool check_whole(Reader& reader, const Node& node, std::int64_t least, std::int64_t most) {
  if (node.kind == Node::Kind::Integer && node.integer >= least && node.integer <= most) return true;
  const bool bounded = most != std::numeric_limits<std::int64_t>::max();
  reader.expected(node, "a whole number " + (bounded ? "from " + std::to_string(least) + " to " + std::to_string(most)
                                                     : "of at least " + std::to_string(least)));
  return false;
}

std::optional<std::size_t> check_name(Reader& reader, const Node& node, const std::vector<std::string>& names) {
  if (node.kind == Node::Kind::String) {
    const auto found = std::find(names.begin(), names.end(), node.text);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    if (is_unavailable_value(reader.key(), node.text)) {
      reader.unavailable(node);
      return std::nullopt;
    }
  }
  reader.expected(node, joined(names));
  return std::nullopt;
}

}  // namespace limpet::config
