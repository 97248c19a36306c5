// SPDX-License-Identifier: Apache-2.0
// Fields: the header or trailer fields of a message, all of them in one string, each as the line that it is sent as.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/http/field_name.h"

namespace limpet::wire {

// Appends "name: value\r\n".
void append_field(std::string& out, std::string_view name, std::string_view value);

struct Field {
  std::string_view name;
  std::string_view value;
};

// Owns its bytes: views that it hands out live as long as it does and is not changed.
class Fields {
 public:
  void add(std::string_view name, std::string_view value);
  void clear();
  // Begins anew with a copy of `lines`, the lines of a head or trailer, whose fields add_line() then names one by one.
  // `fields`: how many are expected.
  void copy_lines(std::string_view lines, std::size_t fields);
  // The next field is the line at offset `at` of the held lines, which is written as it is sent: "Name: value\r\n".
  // `known` is field_name() of its name. The lines are held before (copy_lines), or afterwards: begin_lines(), then
  // name_line() for each field, then hold_lines(), before anything is read or added.
  void name_line(std::size_t at, FieldName known, std::size_t name_size, std::size_t value_size) {
    slots_.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(name_size),
                      static_cast<std::uint32_t>(value_size), known});
    present_.add(known);
  }
  void begin_lines() {
    clear();
    slots_.reserve(kUsual);
  }
  void hold_lines(std::string_view lines) { text_.assign(lines); }
  // The next field lies in `lines`, of which copy_lines() has a copy; `known` is field_name(name). Copies nothing more
  // where its line is written as it is sent, else appends the line anew.
  void add_line(std::string_view lines, FieldName known, std::string_view name, std::string_view value);
  std::size_t capacity() const { return text_.capacity() + slots_.capacity() * sizeof(Slot); }  // bytes held
  std::size_t size() const { return slots_.size(); }
  bool empty() const { return slots_.empty(); }

  Field operator[](std::size_t i) const;
  FieldName known(std::size_t i) const { return slots_[i].known; }
  // "Name: value\r\n". The lines of consecutive fields mostly lie one behind the other in memory, so that they can be
  // copied in one go; whoever relies on it has to compare addresses.
  std::string_view line(std::size_t i) const;

  bool has(FieldName name) const { return present_.has(name); }
  // The first field of that name, which is not Other.
  std::optional<std::string_view> find(FieldName name) const;
  std::optional<std::string_view> find(std::string_view name) const;
  std::size_t count(FieldName name) const;
  // True if any field of that name, as a comma-separated list, has `token`.
  bool has_token(FieldName name, std::string_view token) const;

 private:
  static constexpr std::size_t kUsual = 16;  // fields of a head, hardly ever more

  struct Slot {
    std::uint32_t at, name_size, value_size;
    FieldName known;
  };

  std::string text_;  // the lines; where one was appended anew, its original stays, unused
  std::vector<Slot> slots_;
  FieldNames present_;
};

}  // namespace limpet::wire
