// SPDX-License-Identifier: Apache-2.0
// Random: where randomness comes from, handed to whoever needs some, so that a test can repeat what happened. One per
// thread. What has to be unguessable (keys, masks, cookies) takes it from here, too: outside tests it is SystemRandom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

#include "proxy/base/crypto.h"

namespace limpet {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(void* to, std::size_t size) = 0;

  std::uint64_t next() {
    std::uint64_t value = 0;
    fill(&value, sizeof value);
    return value;
  }
  // Uniform in [0, 1).
  double fraction() { return static_cast<double>(next() >> 11) * 0x1p-53; }
};

// From the operating system, by way of random_bytes(). Any thread.
class SystemRandom final : public Random {
 public:
  void fill(void* to, std::size_t size) override { random_bytes(to, size); }
};

// For tests: the same seed gives the same bytes.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(void* to, std::size_t size) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace limpet
