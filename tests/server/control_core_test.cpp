// SPDX-License-Identifier: Apache-2.0
// What a proxy does when it leaves, on a clock that the test moves.
#include "proxy/server/control_core.h"

#include <boost/test/unit_test.hpp>
#include <chrono>

#include "tests/session/no_protocol.h"

namespace limpet::server {

namespace {

using std::chrono::seconds;

struct Fixture {
  ManualClock clock;
  SeededRandom random{1};
  SystemWallClock wall_clock;
  session::NoProtocol no_protocol;
  net::Io io = net::epoll_io();
  net::Loop loop{&clock};
  ControlCore core{session::Settings{}, 1, {loop, *io.transport, no_protocol, random, wall_clock}};

  Fixture() {
    core.add_worker(net::epoll_io(), &clock, &random);
    loop.set_tick([this] { return core.tick(); });
  }
  // The control loop's next round, so much later.
  void round_after(Duration time) {
    clock.advance(time);
    loop.run_round();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(control_core, Fixture)

BOOST_AUTO_TEST_CASE(what_is_to_be_done_before_the_listeners_close_is_done_once_and_after_drain_delay) {
  int done = 0;
  core.set_before_listeners_close([&] {
    ++done;
    BOOST_TEST(!core.shared().draining.load());
  });
  core.stop();
  round_after(seconds(4));
  BOOST_TEST(done == 0);
  round_after(seconds(1));
  BOOST_TEST(done == 1);
  BOOST_TEST(core.shared().draining.load());
  round_after(seconds(1));
  BOOST_TEST(done == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::server
