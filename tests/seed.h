// SPDX-License-Identifier: Apache-2.0
// The seed of a random test: LIMPET_TEST_SEED where that is set, else a new one. It is printed at once, so that it is
// known however the test ends. A test that goes through many seeds names each in a BOOST_TEST_CONTEXT.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace limpet {

inline std::uint32_t chosen_seed() {
  const char* const given = std::getenv("LIMPET_TEST_SEED");
  const auto seed =
      given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  std::cout << "LIMPET_TEST_SEED=" << seed << std::endl;
  return seed;
}

}  // namespace limpet
