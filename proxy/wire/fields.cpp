// SPDX-License-Identifier: Apache-2.0
// Fields: all names and values of a message in one string, found by comparing, since a message has a dozen of them.
// Names are case-insensitive in ASCII only (RFC 9110 §5.1); no locale is asked.
#include "proxy/wire/grammar.h"
#include "proxy/wire/http1.h"

namespace limpet::wire {

namespace {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

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

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool list_has_token(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const auto size = element_size(value);
    if (equals_ignoring_case(trimmed(value.substr(0, size)), token)) return true;
    value.remove_prefix(size < value.size() ? size + 1 : size);
  }
  return false;
}

void Fields::reserve(std::size_t bytes, std::size_t fields) {
  text_.reserve(bytes);
  slots_.reserve(fields);
}

void Fields::add(std::string_view name, std::string_view value) {
  const auto at = static_cast<std::uint32_t>(text_.size());
  const auto name_size = static_cast<std::uint32_t>(name.size());
  text_.append(name).append(value);
  slots_.push_back({at, name_size, at + name_size, static_cast<std::uint32_t>(value.size())});
}

void Fields::clear() {
  text_.clear();
  slots_.clear();
}

Field Fields::operator[](std::size_t i) const {
  const Slot& slot = slots_[i];
  const std::string_view text = text_;
  return {text.substr(slot.name_at, slot.name_size), text.substr(slot.value_at, slot.value_size)};
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const Field field = (*this)[i];
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const {
  std::size_t found = 0;
  for (std::size_t i = 0; i < size(); ++i) found += equals_ignoring_case((*this)[i].name, name);
  return found;
}

bool Fields::has_token(std::string_view name, std::string_view token) const {
  for (std::size_t i = 0; i < size(); ++i) {
    const Field field = (*this)[i];
    if (equals_ignoring_case(field.name, name) && list_has_token(field.value, token)) return true;
  }
  return false;
}

}  // namespace limpet::wire
