// SPDX-License-Identifier: Apache-2.0
// What the affinity table and the learned ids are made of: keys, how they are hashed, and a list of a map's entries by
// age. Private to affinity*.cpp and learned_ids.*.
//
// Nothing here depends on an address: two processes with the same seed keep the same keys in the same places.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "balancer/ranker.h"
#include "proxy/session/pool.h"

namespace limpet::session {

struct KeyView {
  const Pool* pool;
  std::string_view text;
};

// An affinity key or a learned id, of one pool.
struct PoolKey {
  Pool* pool;
  std::string text;
  operator KeyView() const noexcept { return {pool, text}; }
};

struct PoolKeyHash {
  using is_transparent = void;
  std::uint64_t seed = 0;                               // against keys that are chosen to collide
  std::size_t operator()(KeyView key) const noexcept {  // noexcept: a map then keeps no hash in each node
    return balancer::hash_key(key.text, seed ^ key.pool->id);
  }
};

struct PoolKeyEqual {
  using is_transparent = void;
  bool operator()(KeyView a, KeyView b) const { return a.pool == b.pool && a.text == b.text; }
};

// Entries of a map (pairs of key and value) in the order in which they were appended, linked through `older` and
// `newer` of their values: so the one to give up is found at once, and does not depend on the map's own order.
template <typename Entry>
class ByAge {
 public:
  Entry* oldest() const { return oldest_; }

  // Requires: it is not in the list.
  void append(Entry& entry) {
    entry.second.older = newest_;
    entry.second.newer = nullptr;
    (newest_ != nullptr ? newest_->second.newer : oldest_) = &entry;
    newest_ = &entry;
  }

  // Does nothing where it is not in the list.
  void remove(Entry& entry) {
    auto& links = entry.second;
    if (links.older == nullptr && links.newer == nullptr && oldest_ != &entry) return;
    (links.older != nullptr ? links.older->second.newer : oldest_) = links.newer;
    (links.newer != nullptr ? links.newer->second.older : newest_) = links.older;
    links.older = links.newer = nullptr;
  }

 private:
  Entry* oldest_ = nullptr;
  Entry* newest_ = nullptr;
};

// A long key counts as several: their number bounds a table's memory, too.
inline std::uint64_t weight_of(std::size_t size) {
  return size == 0 ? 1 : (size + 255) / 256;
}

}  // namespace limpet::session
