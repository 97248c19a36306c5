// SPDX-License-Identifier: Apache-2.0
// Names for backends and keys of the balancer's tests. By append: GCC 12 warns of the memory overlap that `"b" +
// to_string(i)` could have, falsely, with -O3 (GCC bug 105651).
#pragma once

#include <cstdint>
#include <string>

namespace limpet::balancer {

// "b7" of "b" and 7.
inline std::string numbered(std::string prefix, std::uint64_t number) {
  prefix.append(std::to_string(number));
  return prefix;
}

}  // namespace limpet::balancer
