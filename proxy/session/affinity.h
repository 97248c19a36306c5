// SPDX-License-Identifier: Apache-2.0
// The affinity table: which backend holds which key, and which open sessions a key has. Shared by all workers, sharded
// by key; picking and reserving is one critical section of the key's shard, so a key's sessions meet on one backend
// whatever workers they are on. Touched when a session opens, connects or ends, never per byte.
//
// Rules (in this order; the first that applies is the recorded reason):
//   learned   the request carries an id that a backend has handed out (learned_ids.h): there; where that is over limpet
//             answers, and a cookie counts as absent
//   live      the key has an entry, whose backend still serves it
//   hash      the first of the key's ranking, or a later one where load or slow start pass it over
//   fallback  a later one, because the first is not available
//   balance   no key: by load or in turn
//
// An entry lives as long as a session of its key is open, and `linger` longer, `learn_ttl` where ids of learned
// sessions lead to it; on a draining backend only with those, until its key's turn. Where chance is needed (session
// cookies, keys of sessions that have none) it comes from the caller.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/labels.h"
#include "proxy/base/clock.h"
#include "proxy/base/random.h"
#include "proxy/session/learned_ids.h"
#include "proxy/session/pool.h"

namespace limpet::session {

// Names a session from any thread; stale once the session has ended.
struct SessionRef {
  std::uint16_t worker = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  bool operator==(const SessionRef&) const = default;
};

using SessionRefs = std::vector<SessionRef>;

struct PoolKey;

class Affinity {
 public:
  // What the table holds under a key: which backend, and which sessions.
  struct Holding;
  using Entry = std::pair<const PoolKey, Holding>;

  // A session's place under its key; embedded in the session, whose address must not change while it is held.
  struct Member {
    Member* previous = nullptr;
    Member* next = nullptr;
    Entry* entry = nullptr;      // null: not held
    Backend* backend = nullptr;  // where this session is (or is connecting to)
    SessionRef ref;
    bool leaving = false;  // it has been told to leave that backend
  };

  struct PickRequest {
    Pool* pool = nullptr;
    std::string key;  // "" with has_key false
    bool has_key = false;
    std::string learned_id;            // a server-made id that the request carries; "": none
    bool counts_as_absent = false;     // where its backend is gone, a learned id does
    bool reaches_old_backend = false;  // what a learned session still has to say reaches its old backend while that is
                                       // up, even after its key's turn: limpet has not closed it yet
    std::vector<BackendId> tried;      // backends of the pool that this session failed to connect to
  };

  enum class Outcome : std::uint8_t {
    Picked,
    NoBackend,  // none is available
    Gone,       // the learned id's backend no longer serves it: limpet answers for it
  };

  struct Pick {
    Outcome outcome = Outcome::NoBackend;
    metrics::PickReason reason = metrics::PickReason::Hash;
    std::string new_cookie;  // the value to set, where limpet drew one
  };

  // `table_seed`: decides where in the table a key lies. Against clients that choose keys which collide it is random.
  Affinity(std::uint64_t max_keys, std::uint64_t table_seed);
  ~Affinity();
  Affinity(const Affinity&) = delete;
  Affinity& operator=(const Affinity&) = delete;

  // Picks a backend and holds `member` under the key. `departing` gets the sessions that have to leave because their
  // key moved; the caller posts them their farewell. Requires: member is not held.
  Pick reserve(Member& member, const PickRequest& request, Random& random, Time now, SessionRefs& departing);

  // Before a session opens: false where its key has moved since it was reserved, and it has to pick again.
  bool is_still_placed(const Member& member);

  // The backend to which the member's key has moved is none of `tried`, or that which it left is not ready. Otherwise a
  // session that followed its key would only move it again, and another that had failed elsewhere back: neither would
  // ever come to rest.
  bool may_follow(const Member& member, const std::vector<BackendId>& tried);

  // The connect to member.backend failed: moves the key (unless another session has done so) and the member with it, to
  // the next of the ranking that request.tried leaves. Requires: member is held, and request.tried has its backend.
  Pick reserve_next(Member& member, const PickRequest& request, Time now, SessionRefs& departing);

  // Does nothing where it is not held. member.backend stays as it is: until the worker's round ends it may be named.
  void release(Member& member, Time now);
  // release() will be called soon: what it needs is fetched meanwhile.
  static void expect_release(const Member& member);

  // A backend has handed out `id` in answer to a request under member's key. Where that key's turn has come meanwhile
  // the id is learned only with `also_after_turn`: it leads to the old backend, where its session is, and so is gone
  // for all but what may still reach that.
  void learn(const Member& member, std::string_view id, bool also_after_turn, Time now);
  // The session that carries the id is open meanwhile; for each hold_id() one let_go_id() with what that returned,
  // which is 0 where the id is unknown and nothing is held.
  std::uint32_t hold_id(const Pool& pool, std::string_view id);
  void let_go_id(const Pool& pool, std::string_view id, std::uint32_t held, Time now);
  // limpet itself has told the client that this learned session is over: the id is recognised as closed for a while,
  // or, without `as_closed`, unknown from now on.
  void forget(const Pool& pool, std::string_view id, bool as_closed, Time now);

  // The key under which a session is held; "" for one without a key. Valid while it is held.
  static std::string_view key_of(const Member& member);

  // --- control loop ---

  struct KeyOnBackend {
    std::string key;
    std::uint32_t sessions = 0;
  };
  // The keys that `backend` holds and that have an open session there, in ascending byte order. Those without are
  // released at once where `release_idle`, also while their sessions are still leaving another backend.
  std::vector<KeyOnBackend> keys_on(const Backend& backend, bool release_idle);

  // The turn of a key on `from`: its entry moves to the best available backend, and up to `most` of its sessions there
  // that have not been told yet are put in `departing`. False: the key is not (any longer) there.
  // Without `moves` (the process leaves) the entry stays where it is: there is nowhere better.
  bool take_turn(const Pool& pool, std::string_view key, Backend& from, std::size_t most, bool moves,
                 SessionRefs& departing);

  // Ids that `backend` has handed out lead nowhere any more; for a while they are recognised as closed.
  void close_ids_of(const Backend& backend, Time now) { learned_.close_all_of(backend, now); }

  // Drops what has expired, in a part of the shards at each call (all of them in 16 calls).
  void sweep(Time now);

  struct Placement {
    Backend* backend = nullptr;  // null: no entry
    std::vector<SessionRef> sessions;
  };
  Placement find(const Pool& pool, std::string_view key, Time now);

 private:
  static constexpr std::size_t kShards = 64;
  struct Shard;

  Shard& shard_of(const Pool& pool, std::string_view key) const;
  Pick pick_for(Entry& entry, Member& member, const PickRequest& request, bool learned, SessionRefs& departing);
  Pick reserve_keyed(Member& member, const PickRequest& request, std::string_view key,
                     const LearnedIds::Learned* learned, Time now, SessionRefs& departing);
  Pick reserve_balanced(Member& member, const PickRequest& request, Random& random);

  const std::uint64_t max_keys_per_shard_;
  const std::uint64_t table_seed_;
  const std::unique_ptr<std::array<Shard, kShards>> shards_;
  LearnedIds learned_;
  std::size_t swept_ = 0;  // the control loop's
};

}  // namespace limpet::session
