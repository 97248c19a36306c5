// SPDX-License-Identifier: Apache-2.0
// See fields.h. A field is found by its number (FieldName) where it has one, else by comparing names. Nothing is
// validated here: parsers hand over names and values that are well-formed, so that a line can be sent as it is held.
// No state but the object's own; whatever thread has that.
#include "proxy/wire/http/fields.h"

#include <algorithm>

#include "proxy/wire/grammar.h"
#include "proxy/wire/http/append.h"

namespace limpet::wire {

namespace {

constexpr std::string_view kColon = ": ";
constexpr std::string_view kEnd = "\r\n";

}  // namespace

void append_field(std::string& out, std::string_view name, std::string_view value) {
  append_all(out, name, kColon, value, kEnd);
}

void Fields::copy_lines(std::string_view lines, std::size_t fields) {
  clear();
  text_.assign(lines);
  slots_.reserve(fields);
}

void Fields::add_line(std::string_view lines, FieldName known, std::string_view name, std::string_view value) {
  const char* const colon = name.data() + name.size();
  const char* const end = value.data() + value.size();
  if (colon + kColon.size() == value.data() && end + kEnd.size() <= lines.data() + lines.size() && colon[0] == ':' &&
      colon[1] == ' ' && end[0] == '\r' && end[1] == '\n') {
    return name_line(static_cast<std::size_t>(name.data() - lines.data()), known, name.size(), value.size());
  }
  add(name, value);
}

void Fields::add(std::string_view name, std::string_view value) {
  name_line(text_.size(), field_name(name), name.size(), value.size());
  append_field(text_, name, value);
}

void Fields::clear() {
  text_.clear();
  slots_.clear();
  present_ = {};
}

Field Fields::operator[](std::size_t i) const {
  const Slot& slot = slots_[i];
  const char* const at = text_.data() + slot.at;
  return {{at, slot.name_size}, {at + slot.name_size + kColon.size(), slot.value_size}};
}

std::string_view Fields::line(std::size_t i) const {
  const Slot& slot = slots_[i];
  return {text_.data() + slot.at, slot.name_size + kColon.size() + slot.value_size + kEnd.size()};
}

std::optional<std::string_view> Fields::find(FieldName name) const {
  if (!has(name)) return std::nullopt;
  for (std::size_t i = 0; i < size(); ++i) {
    if (slots_[i].known == name) return (*this)[i].value;
  }
  return std::nullopt;
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  const FieldName known = field_name(name);
  if (known != FieldName::Other) return find(known);
  for (std::size_t i = 0; i < size(); ++i) {
    if (slots_[i].known != FieldName::Other) continue;
    const Field field = (*this)[i];
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Fields::count(FieldName name) const {
  if (!has(name)) return 0;
  std::size_t found = 0;
  for (const Slot& slot : slots_) found += slot.known == name ? 1 : 0;
  return found;
}

bool Fields::has_token(FieldName name, std::string_view token) const {
  if (!has(name)) return false;
  for (std::size_t i = 0; i < size(); ++i) {
    if (slots_[i].known == name && list_has_token((*this)[i].value, token)) return true;
  }
  return false;
}

}  // namespace limpet::wire
