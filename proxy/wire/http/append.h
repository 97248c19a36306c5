// SPDX-License-Identifier: Apache-2.0
// append_all: appends several texts to a string at once. A head is made of many small parts; growing the string once
// for all of them, and copying literals with a size that the compiler knows, costs a fraction of as many append()
// calls.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace limpet::wire {

namespace append_detail {

template <std::size_t N>
std::size_t size_of(const char (&)[N]) {
  return N - 1;
}
inline std::size_t size_of(std::string_view text) {
  return text.size();
}

template <std::size_t N>
char* copy(char* to, const char (&literal)[N]) {
  std::memcpy(to, literal, N - 1);
  return to + N - 1;
}
inline char* copy(char* to, std::string_view text) {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

}  // namespace append_detail

// Appends literals and views, of which none lies in `out`.
template <typename... Parts>
void append_all(std::string& out, const Parts&... parts) {
  const std::size_t before = out.size();
  out.resize((before + ... + append_detail::size_of(parts)));
  char* to = out.data() + before;
  ((to = append_detail::copy(to, parts)), ...);
}

}  // namespace limpet::wire
