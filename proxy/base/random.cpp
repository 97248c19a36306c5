// SPDX-License-Identifier: Apache-2.0
// See random.h.
#include "proxy/base/random.h"

#include <algorithm>
#include <cstring>

namespace limpet {

void SeededRandom::fill(void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const std::uint64_t drawn = engine_();
    const std::size_t part = std::min(size, sizeof drawn);
    std::memcpy(at, &drawn, part);
    at += part;
    size -= part;
  }
}

}  // namespace limpet
