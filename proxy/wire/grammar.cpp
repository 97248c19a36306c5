// SPDX-License-Identifier: Apache-2.0
// See grammar.h. What is too long to be inline: lists (RFC 9110 §5.6.1), in which a quoted string may hold commas.
// Forgiving where HTTP is: empty elements are skipped, and what is no token is just not the one looked for.
// Pure functions over bytes of hostile origin.
#include "proxy/wire/grammar.h"

namespace limpet::wire {

namespace {

// Where the first element of a list ends; a comma within a quoted string ends none (RFC 9110 §5.6.4).
std::size_t element_size(std::string_view list) {
  bool is_quoted = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '"') is_quoted = !is_quoted;
    if (list[i] == '\\' && is_quoted)
      ++i;
    else if (list[i] == ',' && !is_quoted)
      return i;
  }
  return list.size();
}

}  // namespace

bool list_has_token(std::string_view value, std::string_view token) {
  if (value.size() <= token.size()) return equals_ignoring_case(value, token);
  if (value.find(',') == std::string_view::npos) return equals_ignoring_case(trimmed(value), token);
  while (!value.empty()) {
    const auto size = element_size(value);
    if (equals_ignoring_case(trimmed(value.substr(0, size)), token)) return true;
    value.remove_prefix(size < value.size() ? size + 1 : size);
  }
  return false;
}

}  // namespace limpet::wire
