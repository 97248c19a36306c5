// SPDX-License-Identifier: Apache-2.0
// The only file that knows xxhash. XXH3-64 is frozen since xxhash 0.8.0 and gives the same value on every machine,
// whatever its byte order; numbers are written to it byte by byte for the same reason.
#include "balancer/hash.h"

#include <xxhash.h>

#include <string>

#include "balancer/ranker.h"

namespace limpet::balancer {

std::uint64_t hash_key(std::string_view key, std::uint64_t seed) {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

std::uint64_t hash_backend(std::string_view name, std::uint32_t number, std::uint64_t seed) {
  std::string bytes(name);
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(number >> shift & 0xFF));
  return hash_key(bytes, seed);
}

}  // namespace limpet::balancer
