// SPDX-License-Identifier: Apache-2.0
// Each shard keeps its addresses in two lists, those with a session open and those without, each in the order in which
// they were last seen; a map leads to their places in them.
#include "proxy/session/client_limits.h"

#include <algorithm>
#include <iterator>

#include "balancer/ranker.h"

namespace limpet::session {

namespace {

constexpr std::size_t kShards = 32;
constexpr Duration kBurst = std::chrono::seconds(1);

Duration per_token(std::uint32_t rate) {
  return rate == 0 ? Duration{0} : kBurst / rate;
}

bool is_unspecified(const net::IpAddress& address) {
  return address == net::IpAddress{};
}

}  // namespace

bool ClientGate::Bucket::has_token(Duration per_token, Time now) const {
  return std::max(full_at_, now) + per_token <= now + kBurst;
}

void ClientGate::Bucket::take(Duration per_token, Time now) {
  full_at_ = std::max(full_at_, now) + per_token;
}

std::size_t ClientGate::Hash::operator()(const net::IpAddress& address) const {
  return balancer::hash_key({reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()}, seed);
}

ClientGate::ClientGate(const ClientLimits& limits, std::uint64_t seed, std::size_t max_addresses)
    : limits_(limits),
      per_session_(per_token(limits.new_sessions_per_second)),
      per_request_(per_token(limits.requests_per_second)),
      max_per_shard_(std::max<std::size_t>(1, max_addresses / kShards)),
      hash_{seed} {
  if (!limits_sessions() && limits_.requests_per_second == 0) return;
  for (std::size_t i = 0; i < kShards; ++i) shards_.emplace_back(hash_);
}

ClientGate::Shard& ClientGate::shard_of(const net::IpAddress& group) {
  return shards_[(hash_(group) >> 32) % kShards];
}

ClientGate::Client* ClientGate::find_or_add(Shard& shard, const net::IpAddress& group, Time now) {
  const auto found = shard.clients.find(group);
  if (found != shard.clients.end()) return &*found->second;
  if (!make_room(shard, now)) return nullptr;
  shard.idle.push_back({group, 0, {}, {}, {}});
  shard.idle.back().self = std::prev(shard.idle.end());
  shard.clients.emplace(group, shard.idle.back().self);
  return &shard.idle.back();
}

// Forgets two addresses that no longer matter for each one that comes, so the table shrinks after a rush.
bool ClientGate::make_room(Shard& shard, Time now) const {
  const auto forget_oldest = [&] {
    shard.clients.erase(shard.idle.front().address);
    shard.idle.pop_front();
  };
  for (int i = 0; i < 2 && !shard.idle.empty(); ++i) {
    const Client& oldest = shard.idle.front();
    if (!oldest.new_sessions.full(now) || !oldest.requests.full(now)) break;
    forget_oldest();
  }
  if (shard.clients.size() < max_per_shard_) return true;
  if (shard.idle.empty()) return false;
  forget_oldest();
  return true;
}

void ClientGate::set_sessions(Shard& shard, Client& client, std::uint32_t sessions) {
  Clients& from = client.sessions == 0 ? shard.idle : shard.busy;
  Clients& to = sessions == 0 ? shard.idle : shard.busy;
  client.sessions = sessions;
  to.splice(to.end(), from, client.self);
}

ClientGate::Verdict ClientGate::open_session(const net::IpAddress& client, Time now) {
  if (!limits_sessions() || is_unspecified(client)) return Verdict::Ok;
  const auto group = client.masked(limits_.ipv6_prefix);
  Shard& shard = shard_of(group);
  const std::lock_guard lock(shard.mutex);
  Client* const known = find_or_add(shard, group, now);
  if (known == nullptr) return Verdict::Uncounted;
  if (limits_.sessions != 0 && known->sessions >= limits_.sessions) return Verdict::TooManySessions;
  if (limits_.new_sessions_per_second != 0) {
    if (!known->new_sessions.has_token(per_session_, now)) return Verdict::TooFast;
    known->new_sessions.take(per_session_, now);
  }
  set_sessions(shard, *known, limits_.sessions != 0 ? known->sessions + 1 : 0);
  return Verdict::Ok;
}

void ClientGate::close_session(const net::IpAddress& client) {
  if (limits_.sessions == 0 || is_unspecified(client)) return;
  const auto group = client.masked(limits_.ipv6_prefix);
  Shard& shard = shard_of(group);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.clients.find(group);
  if (found == shard.clients.end() || found->second->sessions == 0) return;
  set_sessions(shard, *found->second, found->second->sessions - 1);
}

ClientGate::Verdict ClientGate::request(const net::IpAddress& client, Time now) {
  if (limits_.requests_per_second == 0 || is_unspecified(client)) return Verdict::Ok;
  const auto group = client.masked(limits_.ipv6_prefix);
  Shard& shard = shard_of(group);
  const std::lock_guard lock(shard.mutex);
  Client* const known = find_or_add(shard, group, now);
  if (known == nullptr) return Verdict::Ok;
  if (!known->requests.has_token(per_request_, now)) return Verdict::TooFast;
  known->requests.take(per_request_, now);
  set_sessions(shard, *known, known->sessions);
  return Verdict::Ok;
}

std::size_t ClientGate::size() {
  std::size_t total = 0;
  for (auto& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    total += shard.clients.size();
  }
  return total;
}

}  // namespace limpet::session
