// SPDX-License-Identifier: Apache-2.0
#include "proxy/session/affinity.h"

#include <algorithm>
#include <cassert>

#include "proxy/base/crypto.h"
#include "proxy/base/planted_fault.h"
#include "proxy/base/prefetch.h"

namespace limpet::session {

using metrics::PickReason;

struct Affinity::Entry {
  const Key* key = nullptr;
  Backend* backend = nullptr;
  const Backend* ranked_first = nullptr;  // what its ranking starts with
  Member* members = nullptr;
  Entry* older = nullptr;  // of the idle ones
  Entry* newer = nullptr;
  Time expires{};
  bool synthetic = false;    // of a session without a key: nobody will ask for it again
  bool has_learned = false;  // learned ids point here
};

// A long key counts as several: their number bounds the table's memory, too.
std::uint64_t Affinity::weight_of(std::string_view key) {
  return 1 + key.size() / 256;
}

struct Affinity::Shard {
  std::mutex mutex;
  std::unordered_map<Key, Entry, Hash, Equal> entries;
  Entry* oldest = nullptr;  // idle entries, in the order in which they became so
  Entry* newest = nullptr;
  std::uint64_t weight = 0;  // of all entries

  std::mutex learned_mutex;  // never held together with mutex
  std::unordered_map<Key, Learned, Hash, Equal> learned;

  void idle(Entry& entry) {
    entry.older = newest;
    entry.newer = nullptr;
    (newest != nullptr ? newest->newer : oldest) = &entry;
    newest = &entry;
  }

  void busy(Entry& entry) {
    if (entry.older == nullptr && entry.newer == nullptr && oldest != &entry) return;
    (entry.older != nullptr ? entry.older->newer : oldest) = entry.newer;
    (entry.newer != nullptr ? entry.newer->older : newest) = entry.older;
    entry.older = entry.newer = nullptr;
  }

  void erase(Entry& entry) {
    busy(entry);
    weight -= weight_of(entry.key->key);
    move(entry, nullptr, nullptr);
    entries.erase(entries.find(static_cast<KeyView>(*entry.key)));
  }
};

namespace {

constexpr std::size_t kMostId = 256;                     // bytes of an id that is learned
constexpr std::size_t kMostKeyOfId = 1024;               // of the key for which it is, which stands with each id
constexpr auto kClosedIdKept = std::chrono::minutes(2);  // how long a closed learned id is recognised as closed

[[maybe_unused]] std::uint64_t table_seed() {
  static const std::uint64_t seed = random64();  // against keys that are chosen to collide
  return seed;
}

bool was_tried(const std::vector<bool>& tried, const Backend& backend) {
  return backend.index < tried.size() && tried[backend.index];
}

// 120 random bits, which fit a string without a heap block: no client can name another's.
std::string synthetic_key() {
  std::string key(15, '\0');
  random_bytes(key.data(), key.size());
  return key;
}

}  // namespace

Affinity::Affinity(std::uint64_t max_keys)
    : max_keys_per_shard_(std::max<std::uint64_t>(1, max_keys / kShards)), shards_(new std::array<Shard, kShards>()) {
  // With the map's own pointer the node fills its chunk of the heap but for 8 bytes.
  static_assert(sizeof(std::pair<const Key, Entry>) <= 112);
}

Affinity::~Affinity() = default;

std::size_t Affinity::table_hash(const Pool* pool, std::string_view key) noexcept {
#ifdef LIMPET_PLANTED_FAULTS
  return balancer::hash_key(key, balancer::hash_key(pool->settings->name, 0));  // a seed repeats everything
#else
  return balancer::hash_key(key, table_seed() ^ reinterpret_cast<std::uintptr_t>(pool));
#endif
}

Affinity::Shard& Affinity::shard_of(const Pool* pool, std::string_view key) {
  return (*shards_)[(table_hash(pool, key) >> 48) % kShards];
}

bool Affinity::holds(const Entry& entry, Time now) {
  return entry.backend != nullptr && (entry.members != nullptr || now < entry.expires);
}

// Changes which backend an entry is on; with `departing`, its sessions that are elsewhere have to leave.
void Affinity::move(Entry& entry, Backend* to, SessionRefs* departing) {
  if (entry.backend != to) {
    auto& misplaced = const_cast<Pool*>(entry.key->pool)->misplaced_keys;
    if (entry.backend != nullptr) {
      entry.backend->keys.fetch_sub(1, std::memory_order_relaxed);
      if (entry.backend != entry.ranked_first) misplaced.fetch_sub(1, std::memory_order_relaxed);
    }
    if (to != nullptr) {
      to->keys.fetch_add(1, std::memory_order_relaxed);
      if (to != entry.ranked_first) misplaced.fetch_add(1, std::memory_order_relaxed);
    }
    entry.backend = to;
  }
  if (departing == nullptr) return;
  for (Member* member = entry.members; member != nullptr; member = member->next) {
    if (member->backend == to || member->leaving) continue;
    member->leaving = true;
    departing->push_back(member->ref);
  }
}

void Affinity::join(Entry& entry, Member& member, Backend& backend) {
  member.entry = &entry;
  member.backend = &backend;
  member.leaving = false;
  member.previous = nullptr;
  member.next = entry.members;
  if (entry.members != nullptr) entry.members->previous = &member;
  entry.members = &member;
  backend.sessions.fetch_add(1, std::memory_order_relaxed);
}

// For a new entry of `key`, which is not among the idle ones.
void Affinity::make_room(Shard& shard, std::string_view key) {
  shard.weight += weight_of(key);
  while (shard.weight > max_keys_per_shard_ && shard.oldest != nullptr) shard.erase(*shard.oldest);
}

std::optional<Affinity::Learned> Affinity::look_up_learned(const Pool& pool, std::string_view id, Time now,
                                                           milliseconds ttl) {
  Shard& shard = shard_of(&pool, id);
  const std::lock_guard lock(shard.learned_mutex);
  const auto found = shard.learned.find(KeyView{&pool, id});
  if (found == shard.learned.end()) return std::nullopt;
  if (now >= found->second.expires) {
    shard.learned.erase(found);
    return std::nullopt;
  }
  if (found->second.backend != nullptr) found->second.expires = now + ttl;
  return found->second;
}

Affinity::Pick Affinity::reserve(Member& member, const PickRequest& request, Time now, SessionRefs& departing) {
  assert(member.entry == nullptr);
  before_shared_call();
  if (!request.learned_id.empty()) {
    const auto learned = look_up_learned(*request.pool, request.learned_id, now, request.pool->settings->learn_ttl);
    if (learned) return reserve_keyed(member, request, learned->key, &*learned, now, departing);
  }
  if (request.has_key) return reserve_keyed(member, request, request.key, nullptr, now, departing);
  return reserve_balanced(member, request);
}

Affinity::Pick Affinity::reserve_keyed(Member& member, const PickRequest& request, std::string_view key,
                                       const Learned* learned, Time now, SessionRefs& departing) {
  if (learned != nullptr && learned->backend == nullptr) return {Outcome::Gone, PickReason::Learned, {}};
  Shard& shard = shard_of(request.pool, key);
  const std::lock_guard lock(shard.mutex);
  auto found = shard.entries.find(KeyView{request.pool, key});
  const bool held = found != shard.entries.end() && holds(found->second, now);
  bool astray = false;  // its key is elsewhere
  bool stays = false;   // where nobody new may come
  if (learned != nullptr) {
    Backend& backend = *learned->backend;
    const BackendState state = backend.state.load(std::memory_order_relaxed);
    const bool is_held_there = held ? found->second.backend == &backend : state == BackendState::Ready;
    // Its checks call it down: the session leaves where another could take its key, and else lives on.
    const bool has_left = !backend.is_up() && request.pool->has_available_besides(backend, request.tried);
    if (has_left || was_tried(request.tried, backend)) return {Outcome::Gone, PickReason::Learned, {}};
    astray = !is_held_there || state == BackendState::Drained;
    stays = !astray && !backend.is_up();
    if (astray && !(request.reaches_old_backend && backend.is_up())) return {Outcome::Gone, PickReason::Learned, {}};
  }
  if (found == shard.entries.end()) {
    make_room(shard, key);
    found = shard.entries.emplace(Key{request.pool, std::string(key)}, Entry{}).first;
    found->second.key = &found->first;
  } else {
    shard.busy(found->second);
    if (!held) move(found->second, nullptr, nullptr);
  }
  Entry& entry = found->second;
  if (astray) {
    join(entry, member, *learned->backend);
    member.leaving = true;
    return {Outcome::Picked, PickReason::Learned, {}};
  }
  if (learned != nullptr && !held) {
    entry.ranked_first =
        request.pool->backends[request.pool->ranker->first(balancer::hash_key(key, request.pool->settings->hash_seed))]
            .get();
    entry.has_learned = true;
    move(entry, learned->backend, nullptr);
  }
  if (stays) {
    join(entry, member, *learned->backend);
    return {Outcome::Picked, PickReason::Learned, {}};
  }
  Pick pick = pick_for(entry, member, request, learned != nullptr, departing);
  if (pick.outcome != Outcome::Picked && entry.members == nullptr) shard.erase(entry);
  return pick;
}

// Requires: the shard's mutex is held and `entry` is not among the idle ones.
Affinity::Pick Affinity::pick_for(Entry& entry, Member& member, const PickRequest& request, bool learned,
                                  SessionRefs& departing) {
  Pool& pool = *request.pool;
  if (entry.backend != nullptr && entry.backend->serves() && !was_tried(request.tried, *entry.backend)) {
    join(entry, member, *entry.backend);
    return {Outcome::Picked, learned ? PickReason::Learned : PickReason::Live, {}};
  }
  thread_local std::vector<balancer::Candidate> candidates;
  thread_local std::vector<balancer::Index> scratch;
  const double load_factor = pool.settings->load_factor;
  std::unique_lock load_lock(pool.load_mutex, std::defer_lock);
  if (load_factor > 0) load_lock.lock();
  pool.candidates(request.tried, candidates);
  const std::uint64_t hash = balancer::hash_key(entry.key->key, pool.settings->hash_seed);
  const auto choice = balancer::choose_by_hash(*pool.ranker, hash, candidates, load_factor, scratch);
  if (!choice) return {Outcome::NoBackend, PickReason::Hash, {}};
  Backend& chosen = *pool.backends[choice->backend];
  const Backend* ranked_first =
      choice->how == balancer::How::First ? &chosen : pool.backends[pool.ranker->first(hash)].get();
  if (entry.backend == nullptr) entry.ranked_first = ranked_first;
  join(entry, member, chosen);
  move(entry, &chosen, &departing);
  const bool fell_back = choice->how == balancer::How::Fallback;
  return {Outcome::Picked, fell_back ? PickReason::Fallback : PickReason::Hash, {}};
}

Affinity::Pick Affinity::reserve_balanced(Member& member, const PickRequest& request) {
  Pool& pool = *request.pool;
  thread_local std::vector<balancer::Candidate> candidates;
  pool.candidates(request.tried, candidates);
  const auto next = pool.round_robin_next.fetch_add(1, std::memory_order_relaxed);
  const auto chosen = balancer::choose_by_balance(pool.settings->balance, candidates, next);
  if (!chosen) return {Outcome::NoBackend, PickReason::Balance, {}};
  Backend& backend = *pool.backends[*chosen];
  Pick pick{Outcome::Picked, PickReason::Balance, {}};
  if (pool.settings->cookie.enabled) {
    pick.new_cookie = balancer::draw_value_for(*pool.ranker, pool.settings->hash_seed, *chosen, &random64);
  }
  const bool synthetic = pick.new_cookie.empty();
  const std::string key = synthetic ? synthetic_key() : pick.new_cookie;
  Shard& shard = shard_of(&pool, key);
  const std::lock_guard lock(shard.mutex);
  const auto [found, fresh] = shard.entries.emplace(Key{&pool, key}, Entry{});
  Entry& entry = found->second;
  shard.busy(entry);
  if (fresh) {
    make_room(shard, key);
    entry.key = &found->first;
    entry.ranked_first = &backend;
    entry.synthetic = synthetic;
  }
  join(entry, member, backend);
  move(entry, &backend, nullptr);
  return pick;
}

bool Affinity::is_still_placed(const Member& member) {
  before_shared_call();
  if (member.entry == nullptr) return false;
  Shard& shard = shard_of(member.entry->key->pool, member.entry->key->key);
  const std::lock_guard lock(shard.mutex);
  return member.entry->backend == member.backend && !member.leaving;
}

Affinity::Pick Affinity::reserve_next(Member& member, const PickRequest& request, Time, SessionRefs& departing) {
  before_shared_call();
  Entry& entry = *member.entry;
  Shard& shard = shard_of(entry.key->pool, entry.key->key);
  const std::lock_guard lock(shard.mutex);
  // Leave the old place first, so that neither load nor the list of departing counts this session there.
  (member.previous != nullptr ? member.previous->next : entry.members) = member.next;
  if (member.next != nullptr) member.next->previous = member.previous;
  Backend& old = *member.backend;
  old.sessions.fetch_sub(1, std::memory_order_relaxed);
  Pick pick = pick_for(entry, member, request, false, departing);
  if (pick.outcome != Outcome::Picked) {
    join(entry, member, old);  // the caller will release it
    return pick;
  }
  if (pick.reason == PickReason::Hash) pick.reason = PickReason::Fallback;
  return pick;
}

void Affinity::release(Member& member, Time now) {
  before_shared_call();
  if (member.entry == nullptr) return;
  Entry& entry = *member.entry;
  const Pool& pool = *entry.key->pool;
  Shard& shard = shard_of(&pool, entry.key->key);
  const std::lock_guard lock(shard.mutex);
  (member.previous != nullptr ? member.previous->next : entry.members) = member.next;
  if (member.next != nullptr) member.next->previous = member.previous;
  member.backend->sessions.fetch_sub(1, std::memory_order_release);  // what it has counted before is seen by then
  member.previous = member.next = nullptr;
  member.entry = nullptr;
  if (entry.members != nullptr) return;
  const bool backend_leaves =
      entry.backend == nullptr || entry.backend->state.load(std::memory_order_relaxed) != BackendState::Ready;
  const auto kept = entry.has_learned ? pool.settings->learn_ttl : pool.settings->linger;
  if (backend_leaves || (entry.synthetic && !entry.has_learned) || kept.count() == 0) {
    shard.erase(entry);
    return;
  }
  entry.expires = now + kept;
  shard.idle(entry);
}

void Affinity::expect_release(const Member& member) {
  if (member.entry == nullptr) return;
  prefetch(*member.entry);
  __builtin_prefetch(reinterpret_cast<const char*>(member.entry) - sizeof(Key));  // which stands before it
}

void Affinity::learn(const Member& member, std::string_view id, Time now) {
  before_shared_call();
  if (member.entry == nullptr || id.empty() || id.size() > kMostId) return;
  if (member.entry->key->key.size() > kMostKeyOfId) return;
  const Pool& pool = *member.entry->key->pool;
  const std::string key = member.entry->key->key;
  {
    Shard& shard = shard_of(&pool, key);
    const std::lock_guard lock(shard.mutex);
    if (member.entry->backend != member.backend) return;  // its turn has come meanwhile
    member.entry->has_learned = true;
  }
  Shard& shard = shard_of(&pool, id);
  const std::lock_guard lock(shard.learned_mutex);
  if (shard.learned.size() >= max_keys_per_shard_ && !shard.learned.empty()) {
    auto oldest = shard.learned.begin();
    int looked_at = 0;
    for (auto it = oldest; it != shard.learned.end() && looked_at < 32; ++it, ++looked_at) {
      if (it->second.expires < oldest->second.expires) oldest = it;
    }
    shard.learned.erase(oldest);
  }
  shard.learned.insert_or_assign(Key{&pool, std::string(id)},
                                 Learned{key, member.backend, now + pool.settings->learn_ttl});
}

void Affinity::forget(const Pool& pool, std::string_view id, bool as_closed, Time now) {
  before_shared_call();
  Shard& shard = shard_of(&pool, id);
  const std::lock_guard lock(shard.learned_mutex);
  const auto found = shard.learned.find(KeyView{&pool, id});
  if (found == shard.learned.end() || found->second.backend == nullptr) return;
  if (!as_closed) {
    shard.learned.erase(found);
    return;
  }
  found->second.backend = nullptr;
  found->second.expires = now + kClosedIdKept;
}

std::vector<Affinity::KeyOnBackend> Affinity::keys_on(const Backend& backend, bool release_idle) {
  std::vector<KeyOnBackend> result;
  for (Shard& shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    for (auto it = shard.entries.begin(); it != shard.entries.end();) {
      Entry& entry = (it++)->second;
      if (entry.backend != &backend) continue;
      std::uint32_t sessions = 0;
      for (const Member* member = entry.members; member != nullptr; member = member->next) {
        if (member->backend == &backend && !member->leaving) ++sessions;
      }
      if (sessions > 0) {
        result.push_back({entry.key->key, sessions});
      } else if (release_idle && entry.members == nullptr) {
        shard.erase(entry);
      }
    }
  }
  return result;
}

bool Affinity::take_turn(const Pool& pool, std::string_view key, Backend& from, std::size_t most, bool moves,
                         SessionRefs& departing) {
  before_shared_call();
  Shard& shard = shard_of(&pool, key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(KeyView{&pool, key});
  if (found == shard.entries.end()) return false;
  Entry& entry = found->second;
  if (moves && entry.backend == &from && !planted(Planted::OldEntryKept)) {
    thread_local std::vector<balancer::Candidate> candidates;
    thread_local std::vector<balancer::Index> scratch;
    pool.candidates({}, candidates);
    candidates[from.index].available = false;
    const std::uint64_t hash = balancer::hash_key(key, pool.settings->hash_seed);
    const auto choice = balancer::choose_by_hash(*pool.ranker, hash, candidates, 0, scratch);
    move(entry, choice ? pool.backends[choice->backend].get() : nullptr, nullptr);
  }
  const std::size_t before = departing.size();
  for (Member* member = entry.members; member != nullptr && departing.size() - before < most; member = member->next) {
    if (member->backend != &from || member->leaving) continue;
    member->leaving = true;
    departing.push_back(member->ref);
  }
  if (entry.members == nullptr && entry.backend == nullptr) shard.erase(entry);
  return departing.size() > before;
}

void Affinity::sweep(Time now) {
  constexpr std::size_t kPart = kShards / 16;
  for (std::size_t i = 0; i < kPart; ++i) {
    Shard& shard = (*shards_)[(swept_ + i) % kShards];
    {
      const std::lock_guard lock(shard.mutex);
      for (Entry* entry = shard.oldest; entry != nullptr;) {
        Entry* next = entry->newer;
        if (!holds(*entry, now)) shard.erase(*entry);
        entry = next;
      }
      if (shard.entries.bucket_count() > 64 + 4 * shard.entries.size()) shard.entries.rehash(0);
    }
    const std::lock_guard lock(shard.learned_mutex);
    std::erase_if(shard.learned, [now](const auto& item) { return now >= item.second.expires; });
  }
  swept_ = (swept_ + kPart) % kShards;
}

Affinity::Placement Affinity::find(const Pool& pool, std::string_view key, Time now) {
  Shard& shard = shard_of(&pool, key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(KeyView{&pool, key});
  Placement placement;
  if (found == shard.entries.end() || !holds(found->second, now)) return placement;
  placement.backend = found->second.backend;
  for (const Member* member = found->second.members; member != nullptr; member = member->next) {
    placement.sessions.push_back(member->ref);
  }
  return placement;
}

std::string_view Affinity::key_of(const Member& member) {
  return member.entry != nullptr && !member.entry->synthetic ? std::string_view(member.entry->key->key)
                                                             : std::string_view();
}

}  // namespace limpet::session
