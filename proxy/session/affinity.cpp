// SPDX-License-Identifier: Apache-2.0
// Picks: what a session that opens, connects or ends does to its key's entry. Two sessions of a key that open at the
// same time on two workers are ordered by the mutex of the key's shard: the second finds the entry of the first.
#include "proxy/session/affinity.h"

#include <algorithm>
#include <cassert>

#include "proxy/base/planted_fault.h"
#include "proxy/base/prefetch.h"
#include "proxy/session/affinity_shard.h"

namespace limpet::session {

using metrics::PickReason;

namespace {

// How long a drain without a pace waits for a learned session to come back.
constexpr std::chrono::milliseconds kBetweenRequests{30'000};

bool was_tried(const std::vector<BackendId>& tried, const Backend& backend) {
  return std::ranges::find(tried, backend.id) != tried.end();
}

BackendId first_of_ranking(const PoolView& view, std::uint64_t hash) {
  return view.backends[view.ranker->first(hash)]->id;
}

// 120 random bits, which fit a string without a heap block: no client can name another's.
std::string synthetic_key(Random& random) {
  std::string key(15, '\0');
  random.fill(key.data(), key.size());
  return key;
}

}  // namespace

Affinity::Affinity(std::uint64_t max_keys, std::uint64_t table_seed)
    : max_keys_per_shard_(std::max<std::uint64_t>(1, max_keys / kShards)),
      table_seed_(table_seed),
      shards_(new std::array<Shard, kShards>()),
      learned_(max_keys, table_seed) {
  for (Shard& shard : *shards_) shard.entries = decltype(shard.entries)(0, PoolKeyHash{table_seed});
}

Affinity::~Affinity() = default;

Affinity::Shard& Affinity::shard_of(const Pool& pool, std::string_view key) const {
  return (*shards_)[(PoolKeyHash{table_seed_}({&pool, key}) >> 48) % kShards];
}

Affinity::Pick Affinity::reserve(Member& member, const PickRequest& request, Random& random, Time now,
                                 SessionRefs& departing) {
  before_shared_call();
  assert(member.entry == nullptr);
  if (!request.learned_id.empty()) {
    const auto learned = learned_.look_up(*request.pool, request.learned_id, now);
    if (learned) {
      Pick pick = reserve_keyed(member, request, learned->key, &*learned, now, departing);
      if (pick.outcome != Outcome::Gone || !request.counts_as_absent) return pick;
      learned_.forget(*request.pool, request.learned_id, false, now);
    }
  }
  if (request.has_key) return reserve_keyed(member, request, request.key, nullptr, now, departing);
  return reserve_balanced(member, request, random);
}

Affinity::Pick Affinity::reserve_keyed(Member& member, const PickRequest& request, std::string_view key,
                                       const LearnedIds::Learned* learned, Time now, SessionRefs& departing) {
  if (learned != nullptr && learned->backend == nullptr) return {Outcome::Gone, PickReason::Learned, {}};
  Shard& shard = shard_of(*request.pool, key);
  const std::lock_guard lock(shard.mutex);
  auto found = shard.entries.find(KeyView{request.pool, key});
  const bool held = found != shard.entries.end() && found->second.is_held(now);
  bool key_is_elsewhere = false;
  bool stays = false;  // where nobody new may come
  if (learned != nullptr) {
    Backend& backend = *learned->backend;
    const BackendState state = backend.state.load(std::memory_order_relaxed);
    const bool is_held_there = held ? found->second.backend == &backend : backend.is_ready();
    // Its checks call it down: the session leaves where another could take its key, and else lives on.
    const bool has_left = !backend.is_up() && request.pool->view().has_available_besides(backend, request.tried);
    if (has_left || was_tried(request.tried, backend)) return {Outcome::Gone, PickReason::Learned, {}};
    key_is_elsewhere = !is_held_there || state == BackendState::Drained;
    stays = !key_is_elsewhere && !backend.is_up();
    if (key_is_elsewhere && !(request.reaches_old_backend && backend.is_up()))
      return {Outcome::Gone, PickReason::Learned, {}};
  }
  if (found == shard.entries.end()) {
    shard.make_room(key, max_keys_per_shard_);
    found = shard.entries.try_emplace(PoolKey{request.pool, std::string(key)}).first;
  } else {
    shard.idle.remove(*found);
    if (!held) Shard::move(*found, nullptr);
  }
  Entry& entry = *found;
  if (key_is_elsewhere) {
    Shard::join(entry, member, *learned->backend);
    member.leaving = true;
    return {Outcome::Picked, PickReason::Learned, {}};
  }
  if (learned != nullptr && !held) {
    const PoolView& view = request.pool->view();
    entry.second.ranked_first = first_of_ranking(view, balancer::hash_key(key, view.settings->hash_seed));
    Shard::move(entry, learned->backend);
    entry.second.has_learned = true;
  }
  if (stays) {
    Shard::join(entry, member, *learned->backend);
    return {Outcome::Picked, PickReason::Learned, {}};
  }
  Pick pick = pick_for(entry, member, request, learned != nullptr, departing);
  if (pick.outcome != Outcome::Picked && entry.second.members == nullptr) shard.erase(entry);
  return pick;
}

// Requires: the shard's mutex is held and `entry` is not among the idle ones.
Affinity::Pick Affinity::pick_for(Entry& entry, Member& member, const PickRequest& request, bool learned,
                                  SessionRefs& departing) {
  auto& [key, holding] = entry;
  if (holding.backend != nullptr && holding.backend->serves() && !was_tried(request.tried, *holding.backend)) {
    Shard::join(entry, member, *holding.backend);
    return {Outcome::Picked, learned ? PickReason::Learned : PickReason::Live, {}};
  }
  thread_local std::vector<balancer::Candidate> candidates;
  thread_local std::vector<balancer::Index> scratch;
  const PoolView& view = request.pool->view();
  const double load_factor = view.settings->load_factor;
  std::unique_lock load_lock(request.pool->load_mutex, std::defer_lock);
  if (load_factor > 0) load_lock.lock();
  view.candidates(request.tried, candidates);
  const std::uint64_t hash = balancer::hash_key(key.text, view.settings->hash_seed);
  const auto choice = balancer::choose_by_hash(*view.ranker, hash, candidates, load_factor, scratch);
  if (!choice) return {Outcome::NoBackend, PickReason::Hash, {}};
  Backend& chosen = *view.backends[choice->backend];
  if (holding.backend == nullptr) {
    holding.ranked_first = choice->how == balancer::How::First ? chosen.id : first_of_ranking(view, hash);
  }
  Shard::join(entry, member, chosen);
  Shard::move(entry, &chosen);
  for (Member* other = holding.members; other != nullptr; other = other->next) {
    if (other->backend == &chosen || other->leaving) continue;
    other->leaving = true;
    departing.push_back(other->ref);
  }
  const bool fell_back = choice->how == balancer::How::Fallback;
  return {Outcome::Picked, fell_back ? PickReason::Fallback : PickReason::Hash, {}};
}

Affinity::Pick Affinity::reserve_balanced(Member& member, const PickRequest& request, Random& random) {
  Pool& pool = *request.pool;
  const PoolView& view = pool.view();
  thread_local std::vector<balancer::Candidate> candidates;
  view.candidates(request.tried, candidates);
  const auto next = pool.round_robin_next.fetch_add(1, std::memory_order_relaxed);
  const auto chosen = balancer::choose_by_balance(view.settings->balance, candidates, next);
  if (!chosen) return {Outcome::NoBackend, PickReason::Balance, {}};
  Backend& backend = *view.backends[*chosen];
  Pick pick{Outcome::Picked, PickReason::Balance, {}};
  if (view.settings->cookie.enabled) {
    pick.new_cookie =
        balancer::draw_value_for(*view.ranker, view.settings->hash_seed, *chosen, [&random] { return random.next(); });
  }
  const bool synthetic = pick.new_cookie.empty();
  const std::string key = synthetic ? synthetic_key(random) : pick.new_cookie;
  Shard& shard = shard_of(pool, key);
  std::unique_lock lock(shard.mutex);
  // A drain may have begun since, and have looked for its keys already: it would not know of this one.
  if (!backend.is_available()) {
    lock.unlock();
    return reserve_balanced(member, request, random);
  }
  const auto [found, is_new] = shard.entries.try_emplace(PoolKey{&pool, key});
  Entry& entry = *found;
  shard.idle.remove(entry);
  if (is_new) {
    shard.make_room(key, max_keys_per_shard_);
    entry.second.ranked_first = backend.id;
    entry.second.synthetic = synthetic;
  }
  Shard::join(entry, member, backend);
  Shard::move(entry, &backend);
  return pick;
}

bool Affinity::is_still_placed(const Member& member) {
  before_shared_call();
  if (member.entry == nullptr) return false;
  const auto& [key, holding] = *member.entry;
  Shard& shard = shard_of(*key.pool, key.text);
  const std::lock_guard lock(shard.mutex);
  return holding.backend == member.backend && !member.leaving;
}

bool Affinity::may_follow(const Member& member, const std::vector<BackendId>& tried) {
  if (member.entry == nullptr || tried.empty()) return true;
  if (!member.backend->is_ready()) return true;  // nobody comes back to it, so the key comes to rest
  const auto& [key, holding] = *member.entry;
  Shard& shard = shard_of(*key.pool, key.text);
  const std::lock_guard lock(shard.mutex);
  return holding.backend == nullptr || !was_tried(tried, *holding.backend);
}

Affinity::Pick Affinity::reserve_next(Member& member, const PickRequest& request, Time, SessionRefs& departing) {
  before_shared_call();
  Entry& entry = *member.entry;
  Shard& shard = shard_of(*entry.first.pool, entry.first.text);
  const std::lock_guard lock(shard.mutex);
  // Leave the old place first, so that neither load nor the list of departing counts this session there.
  Shard::leave(member);
  Pick pick = pick_for(entry, member, request, false, departing);
  if (pick.outcome != Outcome::Picked) {
    Shard::join(entry, member, *member.backend);  // the caller will release it
    return pick;
  }
  if (pick.reason == PickReason::Hash) pick.reason = PickReason::Fallback;
  return pick;
}

void Affinity::release(Member& member, Time now) {
  before_shared_call();
  if (member.entry == nullptr) return;
  Entry& entry = *member.entry;
  auto& [key, holding] = entry;
  Shard& shard = shard_of(*key.pool, key.text);
  const std::lock_guard lock(shard.mutex);
  Shard::leave(member);
  member.entry = nullptr;
  if (holding.members != nullptr) return;
  const BackendState state =
      holding.backend == nullptr ? BackendState::Drained : holding.backend->state.load(std::memory_order_relaxed);
  // Between two requests a learned session waits for its key's turn where it is.
  const bool waits = state == BackendState::Draining && holding.has_learned;
  const bool backend_leaves = state != BackendState::Ready && !waits;
  const PoolSettings& settings = key.pool->settings();
  const auto kept = waits                 ? std::max(settings.linger, kBetweenRequests)
                    : holding.has_learned ? settings.learn_ttl
                                          : settings.linger;
  if (backend_leaves || (holding.synthetic && !holding.has_learned) || kept.count() == 0) {
    shard.erase(entry);
    return;
  }
  holding.expires = now + kept;
  shard.idle.append(entry);
}

void Affinity::expect_release(const Member& member) {
  if (member.entry != nullptr) prefetch(*member.entry);
}

void Affinity::learn(const Member& member, std::string_view id, bool also_after_turn, Time now) {
  before_shared_call();
  if (member.entry == nullptr || id.empty() || id.size() > LearnedIds::kMaxId) return;
  auto& [key, holding] = *member.entry;
  if (key.text.size() > LearnedIds::kMaxKeyOfId) return;
  {
    Shard& shard = shard_of(*key.pool, key.text);
    const std::lock_guard lock(shard.mutex);
    const bool turn_has_come = holding.backend != member.backend;
    if (turn_has_come && !also_after_turn) return;
    if (!turn_has_come) holding.has_learned = true;
  }
  learned_.learn(*key.pool, id, key.text, *member.backend, now);  // the entry stays: it holds this session
}

std::uint32_t Affinity::hold_id(const Pool& pool, std::string_view id) {
  before_shared_call();
  return learned_.hold(pool, id);
}

void Affinity::let_go_id(const Pool& pool, std::string_view id, std::uint32_t held, Time now) {
  before_shared_call();
  learned_.let_go(pool, id, held, now);
}

void Affinity::forget(const Pool& pool, std::string_view id, bool as_closed, Time now) {
  before_shared_call();
  learned_.forget(pool, id, as_closed, now);
}

std::string_view Affinity::key_of(const Member& member) {
  return member.entry != nullptr && !member.entry->second.synthetic ? std::string_view(member.entry->first.text)
                                                                    : std::string_view();
}

}  // namespace limpet::session
