// SPDX-License-Identifier: Apache-2.0
// Each shard is a map with a list by age through it: an id is appended anew when it is used, so that the one used
// longest ago is the first to go where there is no room.
#include "proxy/session/learned_ids.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "proxy/session/affinity_table.h"

namespace limpet::session {

namespace {

constexpr auto kClosedIdKept = std::chrono::minutes(2);  // how long a closed id is recognised as closed

}  // namespace

struct LearnedIds::Shard {
  struct Value;
  using Entry = std::pair<const PoolKey, Value>;
  struct Value {
    Learned learned;
    Time expires{};
    std::uint32_t uses = 0;    // sessions that carry it
    std::uint32_t number = 0;  // tells it from one of the same text that was forgotten
    Entry* older = nullptr;
    Entry* newer = nullptr;
  };

  std::mutex mutex;
  std::unordered_map<PoolKey, Value, PoolKeyHash, PoolKeyEqual> ids;
  ByAge<Entry> by_use;
  std::uint64_t total = 0;    // weight of all ids
  std::uint32_t numbers = 0;  // given so far

  static std::uint64_t weight(const Entry& entry) {
    return weight_of(entry.first.text.size() + entry.second.learned.key.size());
  }

  static void set_backend(Entry& entry, Backend* backend) {
    Backend*& present = entry.second.learned.backend;
    if (backend != nullptr) backend->learned_ids.fetch_add(1, std::memory_order_relaxed);
    if (present != nullptr) present->learned_ids.fetch_sub(1, std::memory_order_release);
    present = backend;
  }

  static bool is_over(const Value& value, Time now) {
    return now >= value.expires && (value.uses == 0 || value.learned.backend == nullptr);
  }

  void used(Entry& entry) {
    by_use.remove(entry);
    by_use.append(entry);
  }

  void close(Entry& entry, Time now) {
    set_backend(entry, nullptr);
    entry.second.expires = now + kClosedIdKept;
  }

  void erase(Entry& entry) {
    set_backend(entry, nullptr);
    by_use.remove(entry);
    total -= weight(entry);
    ids.erase(ids.find(static_cast<KeyView>(entry.first)));
  }
};

LearnedIds::LearnedIds(std::uint64_t max_ids, std::uint64_t table_seed)
    : max_weight_per_shard_(std::max<std::uint64_t>(1, max_ids / kShards)),
      table_seed_(table_seed),
      shards_(new std::array<Shard, kShards>()) {
  for (Shard& shard : *shards_) shard.ids = decltype(shard.ids)(0, PoolKeyHash{table_seed});
}

LearnedIds::~LearnedIds() = default;

LearnedIds::Shard& LearnedIds::shard_of(const Pool& pool, std::string_view id) const {
  return (*shards_)[(PoolKeyHash{table_seed_}({&pool, id}) >> 48) % kShards];
}

std::optional<LearnedIds::Learned> LearnedIds::look_up(const Pool& pool, std::string_view id, Time now) {
  Shard& shard = shard_of(pool, id);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.ids.find(KeyView{&pool, id});
  if (found == shard.ids.end()) return std::nullopt;
  if (Shard::is_over(found->second, now)) {
    shard.erase(*found);
    return std::nullopt;
  }
  if (found->second.learned.backend != nullptr) found->second.expires = now + pool.settings().learn_ttl;
  shard.used(*found);
  return found->second.learned;
}

void LearnedIds::learn(Pool& pool, std::string_view id, std::string_view key, Backend& backend, Time now) {
  Shard& shard = shard_of(pool, id);
  const std::lock_guard lock(shard.mutex);
  auto found = shard.ids.find(KeyView{&pool, id});
  if (found == shard.ids.end()) {
    found = shard.ids.try_emplace(PoolKey{&pool, std::string(id)}).first;
    if (++shard.numbers == 0) ++shard.numbers;
    found->second.number = shard.numbers;
  } else {
    shard.total -= Shard::weight(*found);
  }
  found->second.learned.key = key;
  shard.total += Shard::weight(*found);
  found->second.expires = now + pool.settings().learn_ttl;
  Shard::set_backend(*found, &backend);
  shard.used(*found);
  while (shard.total > max_weight_per_shard_ && shard.by_use.oldest() != &*found) shard.erase(*shard.by_use.oldest());
}

std::uint32_t LearnedIds::hold(const Pool& pool, std::string_view id) {
  Shard& shard = shard_of(pool, id);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.ids.find(KeyView{&pool, id});
  if (found == shard.ids.end()) return 0;
  ++found->second.uses;
  return found->second.number;
}

void LearnedIds::let_go(const Pool& pool, std::string_view id, std::uint32_t held, Time now) {
  Shard& shard = shard_of(pool, id);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.ids.find(KeyView{&pool, id});
  if (found == shard.ids.end() || found->second.number != held) return;
  --found->second.uses;
  if (found->second.learned.backend != nullptr) found->second.expires = now + pool.settings().learn_ttl;
}

void LearnedIds::forget(const Pool& pool, std::string_view id, bool as_closed, Time now) {
  Shard& shard = shard_of(pool, id);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.ids.find(KeyView{&pool, id});
  if (found == shard.ids.end() || found->second.learned.backend == nullptr) return;
  if (as_closed) {
    shard.close(*found, now);
  } else {
    shard.erase(*found);
  }
}

void LearnedIds::close_all_of(const Backend& backend, Time now) {
  for (Shard& shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    for (auto& entry : shard.ids) {
      if (entry.second.learned.backend == &backend) shard.close(entry, now);
    }
  }
}

void LearnedIds::sweep(std::size_t part, Time now) {
  constexpr std::size_t kSize = kShards / kParts;
  for (std::size_t i = part * kSize; i < (part + 1) * kSize; ++i) {
    Shard& shard = (*shards_)[i];
    const std::lock_guard lock(shard.mutex);
    for (Shard::Entry* entry = shard.by_use.oldest(); entry != nullptr;) {
      Shard::Entry* const newer = entry->second.newer;
      if (Shard::is_over(entry->second, now)) shard.erase(*entry);
      entry = newer;
    }
  }
}

}  // namespace limpet::session
