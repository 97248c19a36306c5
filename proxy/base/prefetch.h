// SPDX-License-Identifier: Apache-2.0
// Asks the processor for memory that will be used soon. What a session keeps has left the caches between two of its
// messages, where there are thousands: fetched line by line when it is needed, it costs more than all instructions.
#pragma once

#include <cstddef>

namespace limpet {

template <typename T>
void prefetch(const T& object) {
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < sizeof(T); at += kLine) __builtin_prefetch(reinterpret_cast<const char*>(&object) + at);
}

}  // namespace limpet
