// SPDX-License-Identifier: Apache-2.0
// LearnedIds: the session ids that backends have handed out (Engine.IO's sid, MCP's session id, a cookie), each with
// the backend that knows it and the affinity key under which it was handed out. Part of the affinity table, shared by
// all workers, sharded by id; touched by requests of pools that learn, and by no others.
//
// An id that limpet itself has ended stays for a while as closed: who still asks with it is told so, and not placed as
// if he were new.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/session/pool.h"

namespace limpet::session {

class LearnedIds {
 public:
  static constexpr std::size_t kMaxId = 256;        // bytes of an id that is learned
  static constexpr std::size_t kMaxKeyOfId = 1024;  // of the key for which it is, which stands with each id

  struct Learned {
    std::string key;
    Backend* backend = nullptr;  // null: the id is closed
  };

  // Of more than `max_ids` those are forgotten that were used longest ago. One that is long with its key counts as
  // several.
  LearnedIds(std::uint64_t max_ids, std::uint64_t table_seed);
  ~LearnedIds();
  LearnedIds(const LearnedIds&) = delete;
  LearnedIds& operator=(const LearnedIds&) = delete;

  // nullopt: unknown. A use of the id, which lives another learn_ttl.
  std::optional<Learned> look_up(const Pool& pool, std::string_view id, Time now);

  // A session that carries the id is open: it does not expire before let_go(), and learn_ttl after that. For each
  // hold() one let_go(); an id that is forgotten in between stays forgotten.
  // What hold() returns let_go() is given; 0: the id is unknown, and nothing is held.
  std::uint32_t hold(const Pool& pool, std::string_view id);
  void let_go(const Pool& pool, std::string_view id, std::uint32_t held, Time now);

  // Requires: id and key are within the bounds above.
  void learn(Pool& pool, std::string_view id, std::string_view key, Backend& backend, Time now);
  // The id is closed; or unknown from now on, without `as_closed`.
  void forget(const Pool& pool, std::string_view id, bool as_closed, Time now);

  // --- control loop ---

  // Closes all ids of a backend.
  void close_all_of(const Backend& backend, Time now);
  // Drops what has expired in one of kParts parts of the shards.
  void sweep(std::size_t part, Time now);
  static constexpr std::size_t kParts = 16;

 private:
  static constexpr std::size_t kShards = 64;
  struct Shard;
  Shard& shard_of(const Pool& pool, std::string_view id) const;

  const std::uint64_t max_weight_per_shard_;
  const std::uint64_t table_seed_;
  const std::unique_ptr<std::array<Shard, kShards>> shards_;
};

}  // namespace limpet::session
