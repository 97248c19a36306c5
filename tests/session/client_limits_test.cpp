// SPDX-License-Identifier: Apache-2.0
// Limits per client address under times that the test dictates: rates to the token, open sessions, IPv6 prefixes, and a
// flood of addresses.
#include "proxy/session/client_limits.h"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

namespace limpet::session {

using Verdict = ClientGate::Verdict;

constexpr std::uint64_t kSeed = 1;

std::ostream& operator<<(std::ostream& out, Verdict verdict) {
  switch (verdict) {
  case Verdict::Ok:
    return out << "Ok";
  case Verdict::Uncounted:
    return out << "Uncounted";
  case Verdict::TooManySessions:
    return out << "TooManySessions";
  case Verdict::TooFast:
    return out << "TooFast";
  }
  return out << "?";
}

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

net::IpAddress ip(const std::string& text) {
  return net::IpAddress::parse(text).value();
}

net::IpAddress nth(unsigned n) {
  return ip("10." + std::to_string(n >> 16) + "." + std::to_string((n >> 8) & 255) + "." + std::to_string(n & 255));
}

struct Fixture {
  ManualClock clock;
  ClientLimits limits;
  const net::IpAddress client = ip("192.0.2.1");

  // How many of `tries` requests at this moment pass.
  int passed(ClientGate& gate, int tries) {
    int ok = 0;
    for (int i = 0; i < tries; ++i) ok += gate.request(client, clock.now()) == Verdict::Ok ? 1 : 0;
    return ok;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(client_limits, Fixture)

BOOST_AUTO_TEST_CASE(without_limits_everything_passes_and_nothing_is_remembered) {
  ClientGate gate(limits, kSeed);
  for (int i = 0; i < 10'000; ++i) {
    BOOST_TEST_REQUIRE(gate.open_session(client, clock.now()) == Verdict::Ok);
    BOOST_TEST_REQUIRE(gate.request(client, clock.now()) == Verdict::Ok);
  }
  gate.close_session(client);
  BOOST_TEST(gate.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_limit_of_one_kind_leaves_the_others_alone) {
  limits.requests_per_second = 1;
  ClientGate requests(limits, kSeed);
  for (int i = 0; i < 100; ++i) BOOST_TEST_REQUIRE(requests.open_session(client, clock.now()) == Verdict::Ok);
  BOOST_TEST(requests.size() == 0U);
  limits = {};
  limits.sessions = 1;
  ClientGate sessions(limits, kSeed);
  BOOST_TEST(passed(sessions, 100) == 100);
  BOOST_TEST(sessions.size() == 0U);
}

BOOST_AUTO_TEST_CASE(open_sessions_are_limited_until_one_closes) {
  limits.sessions = 2;
  ClientGate gate(limits, kSeed);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
  clock.advance(std::chrono::hours(24));
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
  BOOST_TEST(gate.open_session(ip("192.0.2.2"), clock.now()) == Verdict::Ok);
  gate.close_session(client);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
}

BOOST_AUTO_TEST_CASE(closing_more_than_was_opened_gives_nothing_away) {
  limits.sessions = 1;
  ClientGate gate(limits, kSeed);
  gate.close_session(client);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  gate.close_session(client);
  gate.close_session(client);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
}

BOOST_AUTO_TEST_CASE(a_burst_is_one_second_worth_at_every_rate) {
  for (const std::uint32_t rate : {1U, 2U, 3U, 7U, 10U, 60U, 999U, 1000U}) {
    BOOST_TEST_CONTEXT("rate " << rate) {
      limits.requests_per_second = rate;
      ClientGate gate(limits, kSeed);
      BOOST_TEST(passed(gate, 3000) == static_cast<int>(rate));
      clock.advance(seconds(1));
      BOOST_TEST(passed(gate, 3000) == static_cast<int>(rate));
      clock.advance(seconds(3600));
      BOOST_TEST(passed(gate, 3000) == static_cast<int>(rate));
    }
  }
}

BOOST_AUTO_TEST_CASE(tokens_come_back_one_by_one) {
  limits.requests_per_second = 10;
  ClientGate gate(limits, kSeed);
  BOOST_TEST(passed(gate, 20) == 10);
  clock.advance(milliseconds(99));
  BOOST_TEST(passed(gate, 20) == 0);
  clock.advance(milliseconds(1));
  BOOST_TEST(passed(gate, 20) == 1);
  clock.advance(milliseconds(350));
  BOOST_TEST(passed(gate, 20) == 3);
}

BOOST_AUTO_TEST_CASE(a_sustained_flow_is_held_to_the_rate) {
  limits.requests_per_second = 50;
  ClientGate gate(limits, kSeed);
  int ok = 0;
  for (int ms = 0; ms < 10'000; ++ms, clock.advance(milliseconds(1))) ok += passed(gate, 1);
  BOOST_TEST(ok >= 50 * 10);
  BOOST_TEST(ok <= 50 * 11);
}

BOOST_AUTO_TEST_CASE(a_worker_whose_clock_lags_gains_nothing) {
  limits.requests_per_second = 2;
  ClientGate gate(limits, kSeed);
  const Time lagging = clock.now() - milliseconds(400);
  BOOST_TEST(passed(gate, 5) == 2);
  BOOST_TEST(gate.request(client, lagging) == Verdict::TooFast);
}

BOOST_AUTO_TEST_CASE(new_sessions_have_a_rate_and_refused_ones_cost_no_token) {
  limits.sessions = 3;
  limits.new_sessions_per_second = 4;
  ClientGate gate(limits, kSeed);
  for (int i = 0; i < 3; ++i) BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  for (int i = 0; i < 9; ++i) BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
  gate.close_session(client);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  gate.close_session(client);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooFast);
  clock.advance(milliseconds(250));
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
}

BOOST_AUTO_TEST_CASE(ipv6_clients_are_grouped_by_prefix_and_ipv4_clients_are_not) {
  limits.sessions = 1;
  ClientGate gate(limits, kSeed);
  BOOST_TEST(gate.open_session(ip("2001:db8:0:1::1"), clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(ip("2001:db8:0:1:ffff::2"), clock.now()) == Verdict::TooManySessions);
  BOOST_TEST(gate.open_session(ip("2001:db8:0:2::1"), clock.now()) == Verdict::Ok);
  gate.close_session(ip("2001:db8:0:1::3"));
  BOOST_TEST(gate.open_session(ip("2001:db8:0:1::2"), clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(ip("192.0.2.1"), clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(ip("192.0.2.2"), clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(ip("::ffff:192.0.2.2"), clock.now()) == Verdict::TooManySessions);
}

BOOST_AUTO_TEST_CASE(the_prefix_is_a_setting) {
  limits.sessions = 1;
  limits.ipv6_prefix = 48;
  ClientGate gate(limits, kSeed);
  BOOST_TEST(gate.open_session(ip("2001:db8:0:1::1"), clock.now()) == Verdict::Ok);
  BOOST_TEST(gate.open_session(ip("2001:db8:0:2::1"), clock.now()) == Verdict::TooManySessions);
}

BOOST_AUTO_TEST_CASE(peers_of_a_unix_socket_have_no_address_to_limit) {
  limits.sessions = 1;
  limits.requests_per_second = 1;
  ClientGate gate(limits, kSeed);
  for (int i = 0; i < 10; ++i) {
    BOOST_TEST(gate.open_session(net::IpAddress{}, clock.now()) == Verdict::Ok);
    BOOST_TEST(gate.request(net::IpAddress{}, clock.now()) == Verdict::Ok);
  }
  gate.close_session(net::IpAddress{});
  BOOST_TEST(gate.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_flood_of_addresses_stays_within_the_bound) {
  limits.requests_per_second = 1;
  ClientGate gate(limits, kSeed);
  for (unsigned i = 0; i < 300'000; ++i) gate.request(nth(i), clock.now());
  BOOST_TEST(gate.size() <= ClientGate::kMaxAddresses);
  BOOST_TEST(gate.size() > ClientGate::kMaxAddresses * 9 / 10);
  BOOST_TEST(gate.request(nth(299'999), clock.now()) == Verdict::TooFast);
}

BOOST_AUTO_TEST_CASE(addresses_that_recovered_are_forgotten_as_others_come) {
  limits.requests_per_second = 5;
  ClientGate gate(limits, kSeed);
  for (unsigned i = 0; i < 10'000; ++i) gate.request(nth(i), clock.now());
  BOOST_TEST(gate.size() == 10'000U);
  for (unsigned second = 0; second < 20; ++second) {
    clock.advance(seconds(1));
    for (unsigned i = 0; i < 1000; ++i) gate.request(nth(100'000 + 1000 * second + i), clock.now());
  }
  BOOST_TEST(gate.size() <= 2000U);
}

BOOST_AUTO_TEST_CASE(an_address_with_open_sessions_outlives_a_flood) {
  limits.sessions = 1;
  limits.new_sessions_per_second = 100;
  ClientGate gate(limits, kSeed, 320);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
  for (unsigned i = 0; i < 5000; ++i) {
    gate.open_session(nth(i), clock.now());
    gate.close_session(nth(i));
    clock.advance(milliseconds(1));
  }
  BOOST_TEST(gate.size() <= 320U);
  BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
}

BOOST_AUTO_TEST_CASE(where_every_place_is_busy_further_addresses_go_unlimited) {
  limits.sessions = 1;
  for (int round = 0; round < 50; ++round) {  // each gate draws a seed of its own: every one has to spread them
    ClientGate gate(limits, kSeed, 32);
    std::vector<unsigned> counted;
    for (unsigned i = 0; i < 1000; ++i) {
      const Verdict verdict = gate.open_session(nth(i), clock.now());
      BOOST_TEST_REQUIRE((verdict == Verdict::Ok || verdict == Verdict::Uncounted));
      if (verdict == Verdict::Ok) counted.push_back(i);
    }
    BOOST_TEST(gate.size() == 32U);
    BOOST_TEST(counted.size() == 32U);
    int limited = 0;
    for (unsigned i = 0; i < 1000; ++i) limited += gate.open_session(nth(i), clock.now()) == Verdict::Uncounted ? 0 : 1;
    BOOST_TEST(limited == 32);
    for (const unsigned i : counted) gate.close_session(nth(i));
    BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::Ok);
    BOOST_TEST(gate.open_session(client, clock.now()) == Verdict::TooManySessions);
  }
}

BOOST_AUTO_TEST_CASE(workers_share_one_count) {
  limits.sessions = 40;
  ClientGate gate(limits, kSeed);
  std::atomic<int> open{0};
  std::atomic<int> most{0};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&, worker] {
      const Time now{seconds(1)};
      int mine = 0;
      const auto close_one = [&] {
        --mine;
        --open;
        gate.close_session(client);
      };
      for (int i = 0; i < 20'000; ++i) {
        if ((i + worker) % 3 != 0 && gate.open_session(client, now) == Verdict::Ok) {
          ++mine;
          const int together = ++open;
          int seen = most;
          while (together > seen && !most.compare_exchange_weak(seen, together)) {
          }
        } else if (mine > 0) {
          close_one();
        }
        gate.open_session(nth(static_cast<unsigned>(i)), now);
      }
      while (mine > 0) close_one();
    });
  }
  for (auto& worker : workers) worker.join();
  BOOST_TEST(most == 40);
  for (int i = 0; i < 40; ++i) BOOST_TEST_REQUIRE(gate.open_session(client, Time{seconds(2)}) == Verdict::Ok);
  BOOST_TEST(gate.open_session(client, Time{seconds(2)}) == Verdict::TooManySessions);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
