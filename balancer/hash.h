// SPDX-License-Identifier: Apache-2.0
// The two functions from which placement is made, private to this folder. Both are part of the public definition of
// placement: they never change, or every client of every fleet changes its backend.
#pragma once

#include <cstdint>
#include <string_view>

namespace limpet::balancer {

// 2^64 / golden ratio, odd: the step between the inputs of mix64 where one number becomes many.
constexpr std::uint64_t kGoldenStep = 0x9E3779B97F4A7C15ULL;

// A bijection of 64-bit numbers that spreads every input bit over all output bits. All arithmetic is modulo 2^64. With
// inputs x + 1 × kGoldenStep, x + 2 × kGoldenStep, … its outputs are those of the generator known as SplitMix64 seeded
// with x.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// The `number`th hash of a backend: XXH3-64(name bytes followed by number as four bytes, little-endian; seed).
std::uint64_t hash_backend(std::string_view name, std::uint32_t number, std::uint64_t seed);

}  // namespace limpet::balancer
