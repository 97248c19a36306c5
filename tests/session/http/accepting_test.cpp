// SPDX-License-Identifier: Apache-2.0
// A worker that may accept no more: the metric counts each pause, the log speaks of each episode. Clients on loopback;
// what they ask for does not matter here.
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

#include "metrics/registry.h"
#include "proxy/session/http/http_protocol.h"
#include "proxy/session/worker.h"
#include "tests/session/log_lines.h"

namespace limpet::session {

namespace {

using metrics::PauseReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Fixture {
  Fixture() {
    shared.max_connections = 1;
    Settings all;
    all.listeners.emplace_back().name = "web";
    const auto snapshot = std::make_shared<const Snapshot>(all, std::vector<std::shared_ptr<Pool>>{});
    for (std::uint16_t i = 0; i < 2; ++i) {
      workers.push_back(std::make_unique<Worker>(shared, i, snapshot, protocol, &clock));
      Fd listening = net::listen_on(net::Address::parse("127.0.0.1:0").value(), 0).value();
      addresses.push_back(net::bound_address(listening.value()));
      workers.back()->listen(0, std::move(listening));
    }
  }

  Fd connect(std::size_t to = 0) {
    const auto& there = addresses[to];
    Fd client(::socket(there.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::connect(client.value(), there.raw(), there.raw_size());
    return client;
  }
  void pass(Duration time) {
    clock.advance(time);
    for (int i = 0; i < 4; ++i) {
      for (auto& worker : workers) {
        worker->loop().tick_by(clock.now());  // so that the round ends though nothing comes
        worker->run_round();
      }
    }
  }
  std::uint64_t pauses(PauseReason reason) {
    std::uint64_t sum = 0;
    for (std::uint16_t i = 0; i < 2; ++i) {
      sum += registry.worker(i).accept_pauses[static_cast<std::size_t>(reason)].value();
    }
    return sum;
  }

  ManualClock clock;
  metrics::Registry registry{2, "test"};
  Shared shared{1000, registry};
  HttpProtocol protocol;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<net::Address> addresses;
};

constexpr std::string_view kReached = "max_sessions reached";
constexpr std::string_view kOver = "accepting resumes";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(worker, Fixture)

BOOST_AUTO_TEST_CASE(at_max_sessions_the_log_says_so_once_and_once_that_it_is_over) {
  std::vector<std::size_t> said;
  {
    const LogLines log;
    const auto note = [&] {
      said.push_back(log.count(kReached));
      said.push_back(log.count(kOver));
    };
    for (int i = 0; i < 20; ++i) {  // each that leaves makes room for the next
      const Fd client = connect();
      pass(milliseconds(100));
    }
    note();
    for (int i = 0; i < 10; ++i) pass(seconds(1));
    note();
    const Fd client = connect();
    pass(milliseconds(100));
    note();
  }
  const std::vector<std::size_t> right = {1, 0, 1, 1, 2, 1};
  BOOST_TEST(said == right, boost::test_tools::per_element());
  BOOST_TEST(pauses(PauseReason::MaxSessions) > 10U);
}

BOOST_AUTO_TEST_CASE(an_episode_lasts_as_long_as_accepting_pauses) {
  std::size_t said = 0;
  {
    const LogLines log;
    const Fd client = connect();
    for (int i = 0; i < 9; ++i) pass(seconds(1));
    said = log.count(kReached) + log.count(kOver);
  }
  BOOST_TEST(said == 1U);
  BOOST_TEST(pauses(PauseReason::MaxSessions) == 1U);
}

BOOST_AUTO_TEST_CASE(an_episode_is_one_for_all_workers) {
  shared.max_connections = 2;
  std::size_t reached = 0;
  std::size_t over = 0;
  {
    const LogLines log;
    for (int i = 0; i < 20; ++i) {
      const Fd clients[] = {connect(0), connect(1), connect(0), connect(1)};
      pass(milliseconds(100));
    }
    for (int i = 0; i < 100; ++i) pass(milliseconds(100));  // those that have left still wait to be accepted
    for (int i = 0; i < 10; ++i) pass(seconds(1));
    reached = log.count(kReached);
    over = log.count(kOver);
  }
  BOOST_TEST(reached == 1U);
  BOOST_TEST(over == 1U);
  for (std::uint16_t i = 0; i < 2; ++i) BOOST_TEST(registry.worker(i).accept_pauses[1].value() > 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
