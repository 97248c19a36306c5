// SPDX-License-Identifier: Apache-2.0
// A pool, an affinity table and a clock that stands still, for the tests of the table. A Tab is one session as the
// table sees it. Change `settings` and `max_keys` before the first use of the pool or the table.
#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "balancer/ranker.h"
#include "proxy/base/clock.h"
#include "proxy/base/random.h"
#include "proxy/session/affinity.h"
#include "proxy/session/pool.h"

namespace limpet::metrics {

inline std::ostream& operator<<(std::ostream& out, PickReason reason) {
  return out << name(reason);
}

}  // namespace limpet::metrics

namespace limpet::session {

inline std::ostream& operator<<(std::ostream& out, Affinity::Outcome outcome) {
  switch (outcome) {
  case Affinity::Outcome::Picked:
    return out << "Picked";
  case Affinity::Outcome::NoBackend:
    return out << "NoBackend";
  case Affinity::Outcome::Gone:
    return out << "Gone";
  }
  return out << "?";
}

inline std::ostream& operator<<(std::ostream& out, const SessionRef& ref) {
  return out << "session " << ref.slot;
}

struct Tab {
  Affinity::Member member;
  Affinity::PickRequest request;
  Affinity::Pick pick;

  std::string at() const { return member.entry != nullptr ? member.backend->name : ""; }
};

struct AffinityFixture {
  AffinityFixture() {
    settings.name = "chat";
    settings.linger = milliseconds(30'000);
    settings.learn_ttl = milliseconds(3'600'000);
    for (const char* name : {"a", "b", "c", "d"}) settings.backends.push_back({name, {}, 1});
  }
  ~AffinityFixture() {
    for (auto& tab : tabs) table().release(tab->member, clock.now());
  }

  Pool& pool() {
    if (!pool_) pool_ = std::make_unique<Pool>(std::make_shared<const PoolSettings>(settings));
    return *pool_;
  }
  Affinity& table() {
    if (!table_) table_ = std::make_unique<Affinity>(max_keys, table_seed);
    return *table_;
  }
  unsigned weight_of(const Backend& backend) {
    const PoolView& view = pool().view();
    const auto at = std::ranges::find(view.backends, &backend);
    return view.settings->backends[static_cast<std::size_t>(at - view.backends.begin())].weight;
  }
  Backend& backend(const std::string& name) { return *pool().find(name); }

  // The names of the backends, best first.
  std::vector<std::string> ranking(const std::string& key) {
    std::vector<balancer::Index> order;
    pool().view().ranker->rank(balancer::hash_key(key, settings.hash_seed), order);
    std::vector<std::string> names;
    for (const auto index : order) names.push_back(pool().view().backends[index]->name);
    return names;
  }
  // The nth key whose ranking starts with that backend.
  std::string key_of(const std::string& name, int nth = 0) {
    for (int i = 0;; ++i) {
      std::string key = "key-" + std::to_string(i);
      if (ranking(key).front() == name && nth-- == 0) return key;
    }
  }

  Tab& make_tab() {
    tabs.push_back(std::make_unique<Tab>());
    tabs.back()->member.ref.slot = static_cast<std::uint32_t>(tabs.size());
    tabs.back()->request.pool = &pool();
    return *tabs.back();
  }
  Tab& reserve(Tab& tab) {
    tab.pick = table().reserve(tab.member, tab.request, chance, clock.now(), told);
    return tab;
  }
  // A new session of that key, without one, and with a learned id.
  Tab& open(const std::string& key) {
    Tab& tab = make_tab();
    tab.request.key = key;
    tab.request.has_key = true;
    return reserve(tab);
  }
  Tab& open() { return reserve(make_tab()); }
  Tab& open_learned(const std::string& id, bool reaches_old_backend = false) {
    Tab& tab = make_tab();
    tab.request.learned_id = id;
    tab.request.reaches_old_backend = reaches_old_backend;
    return reserve(tab);
  }
  void close(Tab& tab) { table().release(tab.member, clock.now()); }
  // The backend has refused: the session asks for the next one.
  void refused(Tab& tab) {
    tab.request.tried.push_back(tab.member.backend->id);
    tab.pick = table().reserve_next(tab.member, tab.request, clock.now(), told);
  }
  bool turn(const std::string& key, const std::string& from, std::size_t most = 1000, bool moves = true) {
    return table().take_turn(pool(), key, backend(from), most, moves, told);
  }
  std::string home(const std::string& key) {
    const auto found = table().find(pool(), key, clock.now());
    return found.backend != nullptr ? found.backend->name : "";
  }
  // Who has been told to leave since the last call, as tabs.
  std::vector<SessionRef> departing() {
    std::vector<SessionRef> result;
    result.swap(told);
    return result;
  }
  void sweep_all() {
    for (int i = 0; i < 16; ++i) table().sweep(clock.now());
  }
  std::uint32_t all_keys() {
    std::uint32_t sum = 0;
    for (const auto& backend : pool().view().backends) sum += backend->keys;
    return sum;
  }
  std::uint32_t all_sessions() {
    std::uint32_t sum = 0;
    for (const auto& backend : pool().view().backends) sum += backend->sessions;
    return sum;
  }

  ManualClock clock;
  PoolSettings settings;
  std::uint64_t max_keys = 100'000;
  std::uint64_t table_seed = 1;
  SeededRandom chance{1};
  SessionRefs told;
  std::vector<std::unique_ptr<Tab>> tabs;

 private:
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Affinity> table_;
};

}  // namespace limpet::session
