// SPDX-License-Identifier: Apache-2.0
// What the control loop does to the affinity table: a drain's list of keys and their turns, the sweep, looking a key
// up. Workers pick meanwhile: a pick comes before a key's turn, and is told to leave by it, or after it, and goes
// elsewhere.
#include <algorithm>

#include "proxy/base/planted_fault.h"
#include "proxy/session/affinity.h"
#include "proxy/session/affinity_shard.h"

namespace limpet::session {

std::vector<Affinity::KeyOnBackend> Affinity::keys_on(const Backend& backend, bool release_idle) {
  std::vector<KeyOnBackend> result;
  for (Shard& shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    for (auto it = shard.entries.begin(); it != shard.entries.end();) {
      Entry& entry = *it++;
      const Holding& holding = entry.second;
      if (holding.backend != &backend) continue;
      std::uint32_t sessions = 0;
      for (const Member* member = holding.members; member != nullptr; member = member->next) {
        if (member->backend == &backend && !member->leaving) ++sessions;
      }
      if (sessions > 0) {
        result.push_back({entry.first.text, sessions});
      } else if (release_idle && holding.members == nullptr) {
        shard.erase(entry);
      } else if (release_idle) {
        Shard::move(entry, nullptr);  // all that it has is on its way out
      }
    }
  }
  // What follows from the list must not depend on how a map orders its entries.
  std::ranges::sort(result, {}, &KeyOnBackend::key);
  return result;
}

bool Affinity::take_turn(const Pool& pool, std::string_view key, Backend& from, std::size_t most, bool moves,
                         SessionRefs& departing) {
  before_shared_call();
  Shard& shard = shard_of(pool, key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(KeyView{&pool, key});
  if (found == shard.entries.end()) return false;
  Entry& entry = *found;
  const Holding& holding = entry.second;
  if (moves && holding.backend == &from && !planted(Planted::OldEntryKept)) {
    thread_local std::vector<balancer::Candidate> candidates;
    thread_local std::vector<balancer::Index> scratch;
    const PoolView& view = pool.view();
    view.candidates({&from.id, 1}, candidates);
    const std::uint64_t hash = balancer::hash_key(key, view.settings->hash_seed);
    const auto choice = balancer::choose_by_hash(*view.ranker, hash, candidates, 0, scratch);
    Shard::move(entry, choice ? view.backends[choice->backend] : nullptr);
  }
  const std::size_t before = departing.size();
  for (Member* member = holding.members; member != nullptr && departing.size() - before < most; member = member->next) {
    if (member->backend != &from || member->leaving) continue;
    member->leaving = true;
    departing.push_back(member->ref);
  }
  if (holding.members == nullptr && holding.backend == nullptr) shard.erase(entry);
  return departing.size() > before;
}

void Affinity::sweep(Time now) {
  constexpr std::size_t kPart = kShards / LearnedIds::kParts;
  for (std::size_t i = 0; i < kPart; ++i) {
    Shard& shard = (*shards_)[swept_ * kPart + i];
    const std::lock_guard lock(shard.mutex);
    for (Entry* entry = shard.idle.oldest(); entry != nullptr;) {
      Entry* const newer = entry->second.newer;
      if (!entry->second.is_held(now)) shard.erase(*entry);
      entry = newer;
    }
    if (shard.entries.bucket_count() > 64 + 4 * shard.entries.size()) shard.entries.rehash(0);
  }
  learned_.sweep(swept_, now);
  swept_ = (swept_ + 1) % LearnedIds::kParts;
}

Affinity::Placement Affinity::find(const Pool& pool, std::string_view key, Time now) {
  Shard& shard = shard_of(pool, key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(KeyView{&pool, key});
  Placement placement;
  if (found == shard.entries.end() || !found->second.is_held(now)) return placement;
  placement.backend = found->second.backend;
  for (const Member* member = found->second.members; member != nullptr; member = member->next) {
    placement.sessions.push_back(member->ref);
  }
  return placement;
}

}  // namespace limpet::session
