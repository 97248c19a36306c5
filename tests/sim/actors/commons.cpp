// SPDX-License-Identifier: Apache-2.0
// See commons.h.
#include "tests/sim/actors/commons.h"

namespace limpet::sim {

void Troubles::befall(const std::string& client, Time now) {
  if (!client.empty()) last_[client] = now;
}

void Troubles::befall_all(Time now) {
  all_ = now;
}

bool Troubles::since(const std::string& client, Time from) const {
  if (all_ && *all_ >= from) return true;
  const auto found = last_.find(client);
  return found != last_.end() && found->second >= from;
}

bool Ledger::note(const Tag& tag) {
  return got_[{tag.client, tag.conversation}].insert(tag.number).second;
}

bool Ledger::has(const Tag& tag) const {
  const auto found = got_.find({tag.client, tag.conversation});
  return found != got_.end() && found->second.contains(tag.number);
}

void History::begin(const std::string& client, Time now, Duration period) {
  runs_.try_emplace(client, Run{now, period, std::nullopt});
}

void History::stop(const std::string& client, Time now) {
  const auto found = runs_.find(client);
  if (found != runs_.end() && !found->second.stopped) found->second.stopped = now;
}

std::uint64_t History::count(const std::string& client, Time now) const {
  const auto found = runs_.find(client);
  if (found == runs_.end()) return 0;
  const Run& run = found->second;
  const Time until = run.stopped && *run.stopped < now ? *run.stopped : now;
  return static_cast<std::uint64_t>((until - run.began) / run.period);
}

std::optional<Time> History::due(const std::string& client, std::uint64_t number) const {
  const auto found = runs_.find(client);
  if (found == runs_.end()) return std::nullopt;
  const Run& run = found->second;
  const Time at = run.began + run.period * static_cast<Duration::rep>(number);
  if (run.stopped && at > *run.stopped) return std::nullopt;
  return at;
}

}  // namespace limpet::sim
