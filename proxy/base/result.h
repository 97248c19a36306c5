// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or the Error that took its place. The caller must look before it takes.
#pragma once

#include <cassert>
#include <utility>
#include <variant>

#include "proxy/base/error.h"

namespace limpet {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Requires: ok().
  T& value() & {
    assert(ok());
    return *std::get_if<0>(&held_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&held_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&held_));
  }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }

  // Requires: !ok().
  const Error& error() const {
    assert(!ok());
    return *std::get_if<1>(&held_);
  }

 private:
  std::variant<T, Error> held_;
};

}  // namespace limpet
