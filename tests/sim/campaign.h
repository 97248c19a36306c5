// SPDX-License-Identifier: Apache-2.0
// Campaign: seeds one after the other, each in a world of its own. Each world has a thread of its own, so that what the
// product keeps per thread is that world's alone and a seed gives the same in a campaign and by itself.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "proxy/base/planted_fault.h"
#include "tests/sim/world.h"

namespace limpet::sim {

struct Outcome {
  std::string check;  // "": nothing is wrong
  std::string why;
  Tally tally;
};

// `trace`: null for none.
Outcome run_seed(std::uint64_t seed, Planted planted, std::FILE* trace);

}  // namespace limpet::sim
