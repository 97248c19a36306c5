// SPDX-License-Identifier: Apache-2.0
// An oracle for forwarded_element: reads one forwarded-element strictly by the grammar of RFC 7239 §4 (tokens and
// quoted-strings of RFC 9110 §5.6). Shared by the unit test and the fuzz target.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limpet::wire::naive {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// The pairs, values unquoted; nullopt where the text breaks the grammar.
inline std::optional<Pairs> read_element(std::string_view text) {
  const std::string_view token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  Pairs pairs;
  std::size_t i = 0;
  for (;;) {
    const std::size_t equals = text.find_first_not_of(token, i);
    if (equals == std::string_view::npos || equals == i || text[equals] != '=') return std::nullopt;
    const std::string name(text.substr(i, equals - i));
    std::string value;
    i = equals + 1;
    if (i < text.size() && text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && ++i == text.size()) return std::nullopt;
        const auto c = static_cast<unsigned char>(text[i]);
        if ((c < 32 && c != '\t') || c == 127) return std::nullopt;
        value += text[i];
      }
      if (i == text.size()) return std::nullopt;
      ++i;
    } else {
      const std::size_t end = std::min(text.find_first_not_of(token, i), text.size());
      if (end == i) return std::nullopt;
      value = text.substr(i, end - i);
      i = end;
    }
    pairs.emplace_back(name, value);
    if (i == text.size()) return pairs;
    if (text[i++] != ';') return std::nullopt;
  }
}

}  // namespace limpet::wire::naive
