// SPDX-License-Identifier: Apache-2.0
// Owned: something that a worker owns and destroys at the end of a round of its loop, and nowhere else.
#pragma once

#include <cstddef>

namespace limpet::session {

class Worker;

class Owned {
 public:
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  virtual ~Owned() = default;

 private:
  friend class Worker;
  std::size_t place_ = 0;
};

}  // namespace limpet::session
