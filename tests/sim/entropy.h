// SPDX-License-Identifier: Apache-2.0
// What random_bytes() gives in the simulated world.
#pragma once

#include <cstdint>

namespace limpet::sim {

// Of this thread.
void seed_entropy(std::uint64_t seed);

}  // namespace limpet::sim
