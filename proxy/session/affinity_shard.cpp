// SPDX-License-Identifier: Apache-2.0
// The counting: what an entry's backend and its pool know of their keys and sessions.
#include "proxy/session/affinity_shard.h"

namespace limpet::session {

void Affinity::Shard::move(Entry& entry, Backend* to) {
  const PoolKey& key = entry.first;
  Holding& holding = entry.second;
  if (holding.backend == to) return;
  const auto count = [&](Backend* backend, int change) {
    if (backend == nullptr) return;
    backend->keys.fetch_add(static_cast<std::uint32_t>(change), std::memory_order_release);
    if (backend->id != holding.ranked_first) key.pool->misplaced_keys.fetch_add(change, std::memory_order_relaxed);
  };
  count(to, 1);
  count(holding.backend, -1);
  holding.backend = to;
  holding.has_learned = false;
}

void Affinity::Shard::join(Entry& entry, Member& member, Backend& backend) {
  Holding& holding = entry.second;
  member.entry = &entry;
  member.backend = &backend;
  member.leaving = false;
  member.previous = nullptr;
  member.next = holding.members;
  if (holding.members != nullptr) holding.members->previous = &member;
  holding.members = &member;
  backend.sessions.fetch_add(1, std::memory_order_relaxed);
}

void Affinity::Shard::leave(Member& member) {
  (member.previous != nullptr ? member.previous->next : member.entry->second.members) = member.next;
  if (member.next != nullptr) member.next->previous = member.previous;
  member.previous = member.next = nullptr;
  member.backend->sessions.fetch_sub(1, std::memory_order_release);  // what it has counted before is seen by then
}

void Affinity::Shard::make_room(std::string_view key, std::uint64_t max_weight) {
  weight += weight_of(key.size());
  while (weight > max_weight && idle.oldest() != nullptr) erase(*idle.oldest());
}

void Affinity::Shard::erase(Entry& entry) {
  idle.remove(entry);
  weight -= weight_of(entry.first.text.size());
  move(entry, nullptr);
  entries.erase(entries.find(static_cast<KeyView>(entry.first)));
}

}  // namespace limpet::session
