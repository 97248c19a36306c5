// SPDX-License-Identifier: Apache-2.0
// The characters of HTTP's grammar (RFC 9110 §5.6). ASCII only: no locale is asked.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace limpet::wire {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// A control character that no line of text may have: NUL, all below SP but HTAB, and DEL (RFC 9110 §5.5).
constexpr bool is_control(char c) {
  return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
}

// The value of a hexadecimal digit; -1 where it is none.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char letter = static_cast<char>(c | 0x20);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

// tchar, RFC 9110 §5.6.2.
constexpr bool is_token_char(char c) {
  const char letter = static_cast<char>(c | 0x20);
  return is_digit(c) || (letter >= 'a' && letter <= 'z') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

namespace grammar_detail {

inline constexpr auto kTokenChars = [] {
  std::array<bool, 256> is{};
  for (std::size_t i = 0; i < is.size(); ++i) is[i] = is_token_char(static_cast<char>(i));
  return is;
}();

}  // namespace grammar_detail

// How many characters of a token `text` begins with.
constexpr std::size_t token_size(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && grammar_detail::kTokenChars[static_cast<unsigned char>(text[size])]) ++size;
  return size;
}

// token, RFC 9110 §5.6.2: not empty.
constexpr bool is_token(std::string_view text) {
  return !text.empty() && token_size(text) == text.size();
}

// Without the spaces and tabs around it (OWS, RFC 9110 §5.6.3).
constexpr std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// text == word, in a few instructions.
template <std::size_t N>
bool is(std::string_view text, const char (&word)[N]) {
  return text.size() == N - 1 && std::memcmp(text.data(), word, N - 1) == 0;
}

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (a == b) return true;  // as a rule
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const char lower = static_cast<char>(a[i] | 0x20);
    if (lower != static_cast<char>(b[i] | 0x20) || lower < 'a' || lower > 'z') return false;
  }
  return true;
}

// True if the comma-separated list `value` (RFC 9110 §5.6.1) has `token`, ignoring case.
bool list_has_token(std::string_view value, std::string_view token);

}  // namespace limpet::wire
