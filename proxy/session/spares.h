// SPDX-License-Identifier: Apache-2.0
// Spares: objects of a worker that are used for a moment and whose memory is worth keeping, such as parsed heads. What
// is leased comes back by itself; as many are kept as a round may use, and none that has grown. One thread; outlives
// its leases.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace limpet::session {

// T has capacity(): the bytes that it holds beside itself.
template <typename T>
class Spares {
 public:
  struct Return {
    Spares* to = nullptr;
    void operator()(T* object) const { to->take_back(std::unique_ptr<T>(object)); }
  };
  using Lease = std::unique_ptr<T, Return>;

  Spares() { kept_.reserve(kMost); }
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;

  // What it holds is of an earlier use.
  Lease lease() {
    if (kept_.empty()) return {new T, {this}};
    T* const object = kept_.back().release();
    kept_.pop_back();
    return {object, {this}};
  }

 private:
  static constexpr std::size_t kMost = 128;
  static constexpr std::size_t kMostBytes = 4096;

  void take_back(std::unique_ptr<T> object) {
    if (kept_.size() < kMost && object->capacity() <= kMostBytes) kept_.push_back(std::move(object));
  }

  std::vector<std::unique_ptr<T>> kept_;
};

}  // namespace limpet::session
