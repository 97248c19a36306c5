// SPDX-License-Identifier: Apache-2.0
// The simulated world's RAND_bytes(), in the place of OpenSSL's: what the product still draws by random_bytes() (table
// seeds, synthetic keys) comes from the seed, too. Each world has a thread of its own, so nothing of an earlier world
// is left in a thread's stock.
#include "tests/sim/entropy.h"

#include <cstring>
#include <random>

namespace {

thread_local std::mt19937_64 engine;

}  // namespace

namespace limpet::sim {

void seed_entropy(std::uint64_t seed) {
  engine.seed(seed);
}

}  // namespace limpet::sim

extern "C" int RAND_bytes(unsigned char* to, int size) {
  for (int i = 0; i < size; i += 8) {
    const std::uint64_t value = engine();
    std::memcpy(to + i, &value, static_cast<std::size_t>(size - i < 8 ? size - i : 8));
  }
  return 1;
}
