// SPDX-License-Identifier: Apache-2.0
// The entrance to the three algorithms, and the digest by which two proxies notice that they disagree. The digest is
// XXH3-64, seed 0, written as 16 lower-case hex digits, over these bytes (numbers little-endian):
//
// clang-format off
//   1 byte    1, the version of all the definitions of placement
//   1 byte    algorithm: 0 ring, 1 maglev, 2 rendezvous
//   8 bytes   seed
//   each backend, in byte order of the names: 4 bytes length of the name, the name, 4 bytes weight
// clang-format on
#include "balancer/ranker.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "balancer/algorithms.h"

namespace limpet::balancer {
namespace {

constexpr char kPlacementVersion = 1;

void append_little_endian(std::string& bytes, std::uint64_t number, unsigned width) {
  for (unsigned i = 0; i < width; ++i) bytes.push_back(static_cast<char>(number >> 8 * i & 0xFF));
}

}  // namespace

std::vector<Index> by_name(std::span<const Spec> backends) {
  assert(backends.size() <= 65535);
  std::vector<Index> order(backends.size());
  std::iota(order.begin(), order.end(), Index{0});
  // std::string compares as unsigned bytes.
  std::sort(order.begin(), order.end(), [&](Index a, Index b) { return backends[a].name < backends[b].name; });
  return order;
}

std::unique_ptr<const Ranker> make_ranker(Algorithm algorithm, std::span<const Spec> backends, std::uint64_t seed) {
  switch (algorithm) {
  case Algorithm::Ring:
    return make_ring(backends, seed);
  case Algorithm::Maglev:
    return make_maglev(backends, seed);
  case Algorithm::Rendezvous:
    return make_rendezvous(backends, seed);
  }
  return nullptr;  // not reached
}

std::string digest(Algorithm algorithm, std::span<const Spec> backends, std::uint64_t seed) {
  std::string bytes{kPlacementVersion, static_cast<char>(algorithm)};
  append_little_endian(bytes, seed, 8);
  for (const Index i : by_name(backends)) {
    append_little_endian(bytes, backends[i].name.size(), 4);
    bytes += backends[i].name;
    append_little_endian(bytes, backends[i].weight, 4);
  }
  std::string hex(16, '0');
  std::uint64_t hash = hash_key(bytes, 0);
  for (auto digit = hex.rbegin(); digit != hex.rend(); ++digit, hash >>= 4) *digit = "0123456789abcdef"[hash & 0xF];
  return hex;
}

}  // namespace limpet::balancer
