// SPDX-License-Identifier: Apache-2.0
// What a relay does whatever it carries, tried with the least that can be derived from it: plain bytes both ways.
#include "proxy/session/relay.h"

#include <algorithm>

#include "tests/session/relay_fixture.h"

namespace limpet::session {

namespace {

// No words of its own: a farewell is a FIN to both, a broken connection breaks the other.
class PlainRelay final : public RelayOf<PlainRelay> {
 public:
  PlainRelay(Worker& worker, std::unique_ptr<SessionRecord> record, std::unique_ptr<net::Stream> client,
             std::unique_ptr<net::Stream> backend)
      : RelayOf(worker, std::move(record), std::move(client), Outlet{}, std::move(backend)) {}

  void start() {
    listen_to_both();
    arm();
    update_interest();
  }
  void farewell(CloseReason reason) override {
    if (over() || ending_since_ != Time{}) return;
    dismissed_ = true;
    end_reason_ = reason;
    begin_wait();
    shut(client_);
    shut(backend_);
    arm();
    finish_if_done();
  }
  const char* state_name() const override { return "open"; }

 private:
  friend class RelayOf<PlainRelay>;

  void pass(End& from, std::string_view bytes) {
    record_->relayed(is_client(from) ? Direction::ToBackend : Direction::ToClient, bytes.size(), 0);
    send(other(from), bytes);
  }
  void on_fin(End& from) override {
    if (ending_since_ == Time{}) {
      end_reason_ = is_client(from) ? CloseReason::ClientClosed : CloseReason::BackendClosed;
    }
    begin_wait();
    shut(other(from));
    arm();
    finish_if_done();
  }
  void on_lost(End& end) override {
    torn_ = true;
    const CloseReason reason = is_client(end) ? CloseReason::ResetByClient : CloseReason::ResetByBackend;
    release_by_reset(other(end));
    finish(reason);
  }
  Time next_look(Time now) override { return look(now).second; }
  void on_time(Time now) override {
    const auto [what, when] = look(now);
    if (what == What::Stall) {
      release_by_reset(client_);
      return finish(CloseReason::SlowClient);
    }
    if (what == What::End) {
      if (!delivery(now, true).complete) torn_ = true;
      finish(end_reason_);
    }
  }

  enum class What : std::uint8_t { Nothing, Stall, End };
  std::pair<What, Time> look(Time now) {
    const Delivery delivered = delivery(now, ending_since_ != Time{});
    if (delivered.stalled != nullptr) return {What::Stall, now};
    if (ending_since_ == Time{}) return {What::Nothing, delivered.next_look};
    const Duration limit = route().websocket.close_timeout;
    const Time over = wait_over(now, delivered, limit, {}, ending_since_ + 10 * limit);
    return {now >= over ? What::End : What::Nothing, std::min(over, delivered.next_look)};
  }
};

struct Fixture : RelayFixture {
  Fixture() : RelayFixture(Protocol::WebSocket) {}

  void open() {
    open_with([&](std::unique_ptr<SessionRecord> record) {
      auto made = std::make_unique<PlainRelay>(*worker, std::move(record), client_script.make_stream(),
                                               backend_script.make_stream());
      PlainRelay& session = *made;
      worker->own(std::move(made));
      session.start();
    });
  }

  End client{*this, client_script};
  End backend{*this, backend_script};
};

// Each test is played from either side.
struct Roles {
  RelayFixture::End& one;
  RelayFixture::End& two;
  bool one_is_client;
};
template <typename Test>
void from_either_side(Test&& test) {
  for (const bool one_is_client : {true, false}) {
    BOOST_TEST_CONTEXT((one_is_client ? "the client" : "the backend") << " is the one") {
      Fixture f;
      Roles roles{one_is_client ? f.client : f.backend, one_is_client ? f.backend : f.client, one_is_client};
      test(f, roles);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(relay)

BOOST_AUTO_TEST_CASE(bytes_pass_as_they_came_both_ways) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.one.sends_bytes("there");
    r.two.receives_bytes("there");
    r.two.sends_bytes("and back");
    r.one.receives_bytes("and back");
    r.one.receives_no_more();
    r.two.receives_no_more();
    BOOST_TEST((f.session()->last_activity() == f.clock.now()));
  });
}

BOOST_AUTO_TEST_CASE(a_fin_closes_one_direction_only) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.one.sends_bytes("last");
    r.one.sends_fin();
    r.two.receives_bytes("last");
    r.two.receives_fin();
    r.two.sends_bytes("not yet");
    r.one.receives_bytes("not yet");
    BOOST_TEST(!r.one.script.fin);
    BOOST_TEST_REQUIRE(!f.over());
    r.two.sends_fin();
    r.one.receives_fin();
    f.ended_as(r.one_is_client ? CloseReason::ClientClosed : CloseReason::BackendClosed);
  });
}

BOOST_AUTO_TEST_CASE(bytes_and_fins_of_both_sides_arrive_in_every_order) {
  // Each side says one thing and ends; all interleavings, and each with a slow or a quick hearer.
  std::string order = "abAB";  // small: bytes of the client, of the backend; large: their FINs
  std::sort(order.begin(), order.end());
  do {
    if (order.find('a') > order.find('A') || order.find('b') > order.find('B')) continue;
    for (const bool slow : {false, true}) {
      BOOST_TEST_CONTEXT(order << (slow ? ", slow" : "")) {
        Fixture f;
        if (slow) f.client.script.room = f.backend.script.room = 2;
        f.open();
        for (const char step : order) {
          if (step == 'a') f.client.sends_bytes("to the backend");
          if (step == 'b') f.backend.sends_bytes("to the client");
          if (step == 'A') f.client.sends_fin();
          if (step == 'B') f.backend.sends_fin();
        }
        if (slow) BOOST_TEST_REQUIRE(!f.over());
        f.client.takes_all();
        f.backend.takes_all();
        f.backend.receives_bytes("to the backend");
        f.client.receives_bytes("to the client");
        f.client.receives_fin();
        f.backend.receives_fin();
        f.ended_as(order.find('A') < order.find('B') ? CloseReason::ClientClosed : CloseReason::BackendClosed);
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

BOOST_AUTO_TEST_CASE(both_fins_in_one_round_end_it) {
  Fixture f;
  f.open();
  f.client.script.brings_eof();
  f.backend.script.brings_eof();
  f.run();
  BOOST_TEST(f.over());
}

BOOST_AUTO_TEST_CASE(beyond_high_water_the_sender_is_not_read_until_the_other_has_taken_some) {
  from_either_side([](Fixture& f, Roles& r) {
    f.route.http.high_water = 10;
    f.open();
    r.two.script.room = 0;
    r.one.sends_bytes("0123456789");
    BOOST_TEST(r.one.script.reading());
    r.one.sends_bytes("!");
    BOOST_TEST(!r.one.script.reading());
    r.two.sends_bytes("the other way is open");
    r.one.receives_bytes("the other way is open");
    BOOST_TEST(f.registry.worker(0).backpressure_pauses.value() == 1U);
    r.two.script.room = 1;
    f.run();
    BOOST_TEST(r.one.script.reading());
    r.two.takes_all();
    r.two.receives_bytes("0123456789!");
  });
}

BOOST_AUTO_TEST_CASE(a_fin_comes_behind_what_waits) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.two.script.room = 3;
    r.one.sends_bytes("slowly");
    r.one.sends_fin();
    BOOST_TEST(!r.two.script.fin);
    r.two.takes_all();
    r.two.receives_bytes("slowly");
    r.two.receives_fin();
  });
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_nothing_for_the_stall_timeout_is_told_of) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.two.script.room = 0;
    r.one.sends_bytes("too much");
    f.pass(f.route.http.stall_timeout - seconds(1));
    BOOST_TEST(!f.over());
    f.pass_over(seconds(1));
    f.ended_as(CloseReason::SlowClient);
  });
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_a_little_now_and_then_is_not_stalled) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.two.script.room = 0;
    r.one.sends_bytes("slow but steady");
    for (int i = 0; i < 5; ++i) {
      f.pass(f.route.http.stall_timeout - seconds(1));
      r.two.script.room = 1;
    }
    BOOST_TEST_REQUIRE(!f.over());
    r.two.takes_all();
    r.two.receives_bytes("slow but steady");
  });
}

BOOST_AUTO_TEST_CASE(a_reset_on_one_side_is_told_by_the_reason) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.one.resets();
    f.ended_as(r.one_is_client ? CloseReason::ResetByClient : CloseReason::ResetByBackend);
    BOOST_TEST(r.two.script.closed_with_reset);
  });
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_is_a_reset_too) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.two.script.refuses_writes = true;
    r.one.sends_bytes("into the void");
    f.ended_as(r.one_is_client ? CloseReason::ResetByBackend : CloseReason::ResetByClient);
  });
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_while_bytes_wait_is_a_reset_too) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.two.script.room = 1;
    r.one.sends_bytes("waits");
    r.two.script.refuses_writes = true;
    f.run();
    f.ended_as(r.one_is_client ? CloseReason::ResetByBackend : CloseReason::ResetByClient);
  });
}

BOOST_AUTO_TEST_CASE(a_wait_for_the_end_is_over_when_a_peer_has_had_its_time) {
  Fixture f;
  f.open();
  f.client.sends_fin();
  f.pass(f.route.websocket.close_timeout - milliseconds(100));
  BOOST_TEST(!f.over());
  f.pass_over(milliseconds(100));
  f.ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(a_dismissed_session_that_ends_with_all_delivered_was_drained) {
  Fixture f;
  f.open();
  f.backend.sends_bytes("all");
  f.farewell();
  f.client.receives_bytes("all");
  f.client.receives_fin();
  f.client.sends_fin();
  f.backend.sends_fin();
  f.ended_as(CloseReason::Drained);
  BOOST_TEST(f.cuts() == 0U);
}

BOOST_AUTO_TEST_CASE(a_dismissed_session_that_ends_torn_was_cut) {
  from_either_side([](Fixture& f, Roles& r) {
    f.open();
    r.two.script.unacknowledged = 1;
    f.farewell();
    f.pass_over(10 * Duration(f.route.websocket.close_timeout));
    f.ended_as(CloseReason::Cut);
    BOOST_TEST(f.cuts() == 1U);
  });
}

BOOST_AUTO_TEST_CASE(a_session_that_nobody_dismissed_is_never_booked_as_cut_for_being_torn) {
  Fixture f;
  f.open();
  f.client.script.room = 0;
  f.backend.sends_bytes("lost");
  f.backend.resets();
  f.ended_as(CloseReason::ResetByBackend);
  BOOST_TEST(f.cuts() == 0U);
}

BOOST_AUTO_TEST_CASE(the_first_end_wins_and_later_calls_do_nothing) {
  Fixture f;
  f.open();
  f.in_round([&] {
    Session* open = f.session();
    open->cut(CloseReason::Cut);
    open->cut(CloseReason::Shutdown);
    open->farewell(CloseReason::Drained);
  });
  f.ended_as(CloseReason::Cut);
}

BOOST_AUTO_TEST_CASE(an_idle_relay_has_nothing_to_wait_for) {
  Fixture f;
  f.open();
  f.pass(seconds(1000));
  BOOST_TEST(!f.over());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
