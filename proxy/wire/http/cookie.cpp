// SPDX-License-Identifier: Apache-2.0
// See cookie.h. Pairs are read as user agents do (RFC 6265 §5.2): up to ';', cut at the first '=', white space trimmed.
#include "proxy/wire/http/cookie.h"

#include <algorithm>

#include "proxy/wire/grammar.h"

namespace limpet::wire {

namespace {

// The value of "name=value", where that is its name.
std::optional<std::string_view> value_of(std::string_view pair, std::string_view name) {
  const auto equals = pair.find('=');
  if (equals == std::string_view::npos || trimmed(pair.substr(0, equals)) != name) return std::nullopt;
  auto value = trimmed(pair.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  return value;
}

}  // namespace

std::optional<std::string> cookie_value(const Fields& request, std::string_view name) {
  for (std::size_t i = 0; i < request.size(); ++i) {
    if (request.known(i) != FieldName::Cookie) continue;
    for (auto rest = request[i].value; !rest.empty();) {
      const auto end = std::min(rest.find(';'), rest.size());
      if (const auto value = value_of(rest.substr(0, end), name)) return std::string(*value);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return std::nullopt;
}

std::optional<std::string> set_cookie_value(const Fields& response, std::string_view name) {
  std::optional<std::string> last;  // a later one replaces an earlier one (§5.3)
  for (std::size_t i = 0; i < response.size(); ++i) {
    if (response.known(i) != FieldName::SetCookie) continue;
    const auto text = response[i].value;
    if (const auto value = value_of(text.substr(0, text.find(';')), name)) last = *value;
  }
  return last;
}

}  // namespace limpet::wire
