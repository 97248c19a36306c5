// SPDX-License-Identifier: Apache-2.0
// See forwarded.h. Bytes of hostile origin go in. What forwarded_element() makes holds no control character but a tab
// and quotes what is no token (RFC 7239 §4); what the other two return is the sender's and may be anything.
#include "proxy/wire/http/forwarded.h"

#include <algorithm>
#include <optional>

#include "proxy/wire/grammar.h"

namespace limpet::wire {

namespace {

constexpr std::size_t kMaxPortDigits = 5;

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPortDigits && std::all_of(text.begin(), text.end(), is_digit);
}

std::string_view quotable_or_empty(std::string_view value) {
  return std::any_of(value.begin(), value.end(), is_control) ? std::string_view() : value;
}

void append_value(std::string& out, std::string_view value) {
  if (std::all_of(value.begin(), value.end(), is_token_char)) {
    out += value;
    return;
  }
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void append_pair(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (!out.empty()) out += ';';
  out += name;
  out += '=';
  append_value(out, value);
}

// Takes what a list's element consists of from the left of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Empty where none stands there.
  std::string_view token() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_token_char);
    const auto token = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(token.size());
    return token;
  }
  // A token or a quoted string; nothing where neither is whole.
  std::optional<std::string> value() {
    if (!take('"')) {
      const auto found = token();
      return found.empty() ? std::nullopt : std::optional<std::string>(found);
    }
    std::string text;
    while (!take('"')) {
      take('\\');
      if (rest_.empty() || (is_control(rest_.front()) && rest_.front() != '\t')) return std::nullopt;
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    return text;
  }

 private:
  std::string_view rest_;
};

// Appends the elements of one field; false where it is malformed.
bool read_elements(std::string_view field, std::vector<ForwardedHop>& hops) {
  Reader reader(field);
  while (true) {
    reader.skip_blanks();
    if (reader.done()) return true;
    if (reader.take(',')) continue;  // empty elements are allowed (RFC 9110 §5.6.1.2)
    ForwardedHop hop;
    do {
      const auto name = reader.token();
      if (name.empty() || !reader.take('=')) return false;
      auto value = reader.value();
      if (!value) return false;
      if (equals_ignoring_case(name, "for")) hop.node = std::move(*value);
      if (equals_ignoring_case(name, "proto")) hop.proto = std::move(*value);
    } while (reader.take(';'));
    hops.push_back(std::move(hop));
    reader.skip_blanks();
    if (!reader.done() && !reader.take(',')) return false;
  }
}

}  // namespace

std::vector<ForwardedHop> forwarded_hops(const Fields& fields) {
  std::vector<ForwardedHop> hops;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields.known(i) == FieldName::Forwarded && !read_elements(fields[i].value, hops)) return {};
  }
  return hops;
}

std::vector<std::string> forwarded_for_hops(const Fields& fields) {
  std::vector<std::string> hops;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Field field = fields[i];
    if (fields.known(i) != FieldName::XForwardedFor) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view hop = trimmed(rest.substr(0, comma));
      if (!hop.empty()) hops.emplace_back(hop);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return hops;
}

std::string strip_port(std::string_view hop) {
  if (hop.starts_with('[')) {
    const std::size_t end = hop.find(']');
    if (end == std::string_view::npos || end == 1) return std::string(hop);
    const std::string_view after = hop.substr(end + 1);
    const bool is_host = after.empty() || (after.front() == ':' && is_port(after.substr(1)));
    return std::string(is_host ? hop.substr(1, end - 1) : hop);
  }
  const std::size_t colon = hop.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_port(hop.substr(colon + 1))) return std::string(hop);
  return std::string(hop.substr(0, colon));
}

std::string forwarded_element(std::string_view for_ip, std::string_view host, std::string_view proto) {
  std::string node(quotable_or_empty(for_ip));
  if (node.empty()) node = "unknown";
  if (!node.starts_with('[') && std::count(node.begin(), node.end(), ':') > 1) node = "[" + node + "]";

  std::string element;
  append_pair(element, "for", node);
  append_pair(element, "host", quotable_or_empty(host));
  append_pair(element, "proto", quotable_or_empty(proto));
  return element;
}

bool is_secure_proto(std::string_view proto) {
  proto = trimmed(proto.substr(0, proto.find(',')));
  return equals_ignoring_case(proto, "https") || equals_ignoring_case(proto, "wss");
}

}  // namespace limpet::wire
