// SPDX-License-Identifier: Apache-2.0
// ClientGate: what one client address may do at a listener: open sessions, new sessions per second, requests per
// second. One per listener, shared by all workers: sharded by address, a mutex per shard, so that two workers seldom
// meet. IPv6 clients are grouped by prefix, since one host owns a whole network. The unspecified address (the peer of a
// unix socket) is no client address and is not limited.
//
// At most `max_addresses` are remembered. An address without open sessions whose rates have recovered (a second at
// most) is forgotten without loss. Where there is none, the address without open sessions that was seen longest ago is
// forgotten; where all have sessions open, further addresses are not limited, rather than refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <unordered_map>

#include "proxy/base/clock.h"
#include "proxy/net/address.h"
#include "proxy/session/settings.h"

namespace limpet::session {

class ClientGate {
 public:
  enum class Verdict : std::uint8_t {
    Ok,
    Uncounted,  // admitted as well, but there is no room to count it
    TooManySessions,
    TooFast,
  };
  static constexpr std::size_t kMaxAddresses = 100'000;

  // `seed`: of the table of addresses. Random, since clients choose their addresses: an IPv6 site has 65,536 networks
  // to try collisions with.
  ClientGate(const ClientLimits& limits, std::uint64_t seed, std::size_t max_addresses = kMaxAddresses);
  ClientGate(const ClientGate&) = delete;
  ClientGate& operator=(const ClientGate&) = delete;

  // A refused session counts for nothing. Requires: one close_session() for each Ok, and none after any other verdict:
  // it would take away the count of another session.
  Verdict open_session(const net::IpAddress& client, Time now);
  void close_session(const net::IpAddress& client);
  Verdict request(const net::IpAddress& client, Time now);

  // Addresses remembered at the moment.
  std::size_t size();

 private:
  // A token bucket that holds one second's worth, kept as the time at which it will be full again.
  class Bucket {
   public:
    bool full(Time now) const { return full_at_ <= now; }
    bool has_token(Duration per_token, Time now) const;
    void take(Duration per_token, Time now);

   private:
    Time full_at_{};
  };

  struct Client {
    net::IpAddress address;
    std::uint32_t sessions = 0;
    Bucket new_sessions;
    Bucket requests;
    std::list<Client>::iterator self;
  };

  struct Hash {
    std::uint64_t seed;
    std::size_t operator()(const net::IpAddress& address) const;
  };

  using Clients = std::list<Client>;

  struct Shard {
    explicit Shard(Hash hash) : clients(0, hash) {}
    std::mutex mutex;
    Clients idle;  // no session open; seen longest ago first
    Clients busy;
    std::unordered_map<net::IpAddress, Clients::iterator, Hash> clients;
  };

  bool limits_sessions() const { return limits_.sessions != 0 || limits_.new_sessions_per_second != 0; }
  Shard& shard_of(const net::IpAddress& group);
  // Null where there is no room. The shard's mutex is held for these.
  Client* find_or_add(Shard& shard, const net::IpAddress& group, Time now);
  bool make_room(Shard& shard, Time now) const;
  static void set_sessions(Shard& shard, Client& client, std::uint32_t sessions);

  const ClientLimits limits_;
  const Duration per_session_;  // time that one token of a bucket takes to come back
  const Duration per_request_;
  const std::size_t max_per_shard_;
  const Hash hash_;

  std::deque<Shard> shards_;  // none where nothing is limited
};

}  // namespace limpet::session
