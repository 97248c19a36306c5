// SPDX-License-Identifier: Apache-2.0
// One shard of the affinity table: its entries, those of them that have no session, and how an entry changes. All of it
// is done with the shard's mutex held; a learned id's shard and a key's are never held together. Private to
// affinity*.cpp.
//
// `keys` and `sessions` of a backend, and `misplaced_keys` of its pool, are counted here and nowhere else.
#pragma once

#include <mutex>
#include <unordered_map>

#include "proxy/session/affinity.h"
#include "proxy/session/affinity_table.h"

namespace limpet::session {

struct Affinity::Holding {
  Backend* backend = nullptr;  // null: none; the entry exists only while its sessions leave
  Member* members = nullptr;
  Entry* older = nullptr;  // of the idle ones
  Entry* newer = nullptr;
  Time expires{};              // of an idle one
  BackendId ranked_first = 0;  // what its ranking started with when it came to be; elsewhere it is misplaced
  bool synthetic = false;      // of a session without a key: nobody will ask for it again
  bool has_learned = false;    // learned ids point here

  // Also while it is idle, until it expires.
  bool is_held(Time now) const { return backend != nullptr && (members != nullptr || now < expires); }
};

// With the map's own pointer the node fills a chunk of the heap but for 8 bytes.
static_assert(sizeof(Affinity::Entry) <= 96);

struct Affinity::Shard {
  std::mutex mutex;
  std::unordered_map<PoolKey, Holding, PoolKeyHash, PoolKeyEqual> entries;
  ByAge<Entry> idle;         // those without a session
  std::uint64_t weight = 0;  // of all entries

  // Changes which backend an entry is on; null: none.
  static void move(Entry& entry, Backend* to);
  static void join(Entry& entry, Member& member, Backend& backend);
  // The member stays marked as it is: join() or release() follows.
  static void leave(Member& member);

  // For a new entry of `key`, which is not among the idle ones.
  void make_room(std::string_view key, std::uint64_t max_weight);
  void erase(Entry& entry);
};

}  // namespace limpet::session
