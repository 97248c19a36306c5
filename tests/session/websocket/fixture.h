// SPDX-License-Identifier: Apache-2.0
// A WebSocketSession between two scripted peers, on a worker without a thread and under a clock that the test moves:
//
//   client.sends("hello");  farewell();  client.receives_close(1012);
//
// Change `route`, `crash_spread` and `in_batches` before open().
#pragma once

#include <sys/eventfd.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "metrics/registry.h"
#include "proxy/base/clock.h"
#include "proxy/session/websocket/session.h"
#include "proxy/session/worker.h"
#include "tests/session/no_protocol.h"
#include "tests/session/scripted_stream.h"
#include "tests/session/websocket/frames.h"

namespace limpet::session {

// Takes the seat until the session does, as an exchange would.
struct Seatholder final : Session {
  void farewell(CloseReason) override {}
  void cut(CloseReason) override {}
  SessionRecord& record() override { std::abort(); }
  Time last_activity() const override { return {}; }
  const char* state_name() const override { return ""; }
};

struct WebSocketFixture {
  // One end, as the test plays it.
  class End {
   public:
    End(WebSocketFixture& fixture, bool is_client) : fixture_(fixture), is_client_(is_client) {}

    std::string frame(unsigned opcode, std::string_view payload, bool fin = true) const {
      return frames::write(opcode, payload, is_client_, fin);
    }
    void sends_bytes(std::string_view bytes) {
      script.brings(bytes);
      fixture_.run();
    }
    void sends(std::string_view text) { sends_bytes(frame(frames::kText, text)); }
    void sends_close(unsigned code) { sends_bytes(frame(frames::kClose, frames::close_payload(code))); }
    void sends_fin() {
      script.brings_eof();
      fixture_.run();
    }
    void resets() {
      script.brings_reset();
      fixture_.run();
    }

    // The next frame that it was sent; one at a time, in order.
    frames::Frame receives() {
      const auto all = frames::walk(std::string_view(script.written).substr(seen_));
      BOOST_TEST_REQUIRE(!all.empty());
      BOOST_TEST_REQUIRE(all[0].masked == !is_client_);
      seen_ += all[0].end;
      return all[0];
    }
    void receives(std::string_view text) {
      const auto got = receives();
      BOOST_TEST(got.opcode == frames::kText);
      BOOST_TEST(got.payload == text);
    }
    void receives_close(int code) {
      const auto got = receives();
      BOOST_TEST_REQUIRE(got.opcode == frames::kClose);
      BOOST_TEST(got.close_code() == code);
    }
    // Bytes that make no frame (yet).
    void receives_bytes(std::string_view bytes) {
      BOOST_TEST(std::string_view(script.written).substr(seen_, bytes.size()) == bytes);
      seen_ += bytes.size();
    }
    void receives_no_more() { BOOST_TEST(script.written.size() == seen_); }
    void receives_fin() {
      receives_no_more();
      BOOST_TEST((script.fin || script.closed));
      BOOST_TEST(!script.closed_with_reset);
    }

    Script script;

   private:
    WebSocketFixture& fixture_;
    const bool is_client_;
    std::size_t seen_ = 0;
  };

  WebSocketFixture() {
    pool_settings.name = "chat";
    pool_settings.backends.push_back({"chat-1", {}, 1});
    route.websocket.ping_interval = milliseconds(0);
  }

  ~WebSocketFixture() {
    worker.reset();
    for (const End* end : {&client, &backend}) {
      BOOST_TEST(!end->script.wrote_behind_fin);
      BOOST_TEST(!end->script.read_behind_the_end);
    }
    if (!shared) return;
    BOOST_TEST(shared->buffered == 0);
    BOOST_TEST(shared->connections == 0U);
    BOOST_TEST(pool->backends[0]->sessions == 0U);
    BOOST_TEST(registry.worker(0).buffered_bytes.value() == 0);
    BOOST_TEST(cells().sessions.value() == 0);
  }

  void open(std::string_view from_client = {}, std::string_view from_backend = {}) {
    pool = std::make_shared<Pool>(std::make_shared<const PoolSettings>(pool_settings));
    pool->backends[0]->cells = {&registry.backend("chat", "chat-1", 0)};
    shared = std::make_unique<Shared>(1000, registry);
    shared->crash_spread = crash_spread;
    Settings settings;
    settings.listeners.emplace_back().name = "web";
    worker = std::make_unique<Worker>(
        *shared, 0, std::make_shared<const Snapshot>(settings, std::vector<std::shared_ptr<Pool>>{pool}), no_protocol,
        &clock);
    shared->workers = {worker.get()};
    if (in_batches) worker->loop().watch_descriptor(always_ready.value(), [] {});
    in_round([&] {
      ConnectionToken token(*worker);
      Seatholder seat;
      auto record = std::make_unique<SessionRecord>(*worker, seat, Protocol::WebSocket, 0, net::IpAddress{}, 0);
      record->route = std::make_shared<const RouteSettings>(route);
      SessionRefs departing;
      Affinity::PickRequest request;
      request.pool = pool.get();
      request.key = "key";
      request.has_key = true;
      const auto pick = shared->affinity.reserve(record->member, request, clock.now(), departing);
      record->picked(pick.reason);
      token.move_to(*record);
      ref = record->member.ref;
      auto made = std::make_unique<WebSocketSession>(*worker, std::move(record), client.script.make_stream(), Outlet{},
                                                     backend.script.make_stream());
      WebSocketSession& session = *made;
      worker->own(std::move(made));
      session.start(from_client, from_backend);
    });
    run();
  }

  // One round of the worker's loop, with `work` in it.
  void in_round(std::function<void()> work) {
    worker->post(std::move(work));
    worker->run_round();
  }
  // Until both ends have nothing more to give or take.
  void run() {
    for (bool stepped = true; stepped;) {
      stepped = false;
      in_round([&] {
        if (client.script.step()) stepped = true;
        if (backend.script.step()) stepped = true;
      });
    }
  }
  void pass(Duration time) {
    const Time until = clock.now() + time;
    while (clock.now() < until) {
      clock.advance(std::min<Duration>(TimerWheel::kTick, until - clock.now()));
      in_round([&] { worker->wheel().advance(worker->now()); });
      run();
    }
  }
  // A timer fires at the tick after its time.
  void pass_over(Duration time) { pass(time + 2 * TimerWheel::kTick); }

  Session* session() const { return worker->find(ref); }
  bool over() const { return session() == nullptr; }
  void farewell(CloseReason reason = CloseReason::Drained) {
    in_round([&] {
      if (Session* open = session()) open->farewell(reason);
    });
    run();
  }

  metrics::ProtocolCells& cells() { return registry.backend("chat", "chat-1", 0).of(Protocol::WebSocket); }
  std::uint64_t closes(int code, metrics::By by) {
    return registry.backend("chat", "chat-1", 0)
        .websocket_closes[metrics::close_code_index(static_cast<std::uint16_t>(code))][static_cast<std::size_t>(by)]
        .value();
  }
  // The session is over, for that reason and no other, and both streams are closed.
  void ended_as(CloseReason reason) {
    BOOST_TEST(over());
    BOOST_TEST((client.script.closed && backend.script.closed));
    for (std::size_t i = 0; i < metrics::kCloseReasons; ++i) {
      const bool is_it = static_cast<CloseReason>(i) == reason;
      BOOST_TEST(cells().closed[i].value() == (is_it ? 1U : 0U),
                 metrics::name(static_cast<CloseReason>(i)) << (is_it ? " expected" : " counted, not expected"));
    }
  }

  ManualClock clock;
  metrics::Registry registry{1, "test"};
  PoolSettings pool_settings;
  RouteSettings route;
  Duration crash_spread{};
  bool in_batches = true;  // each round serves something else, too
  const Fd always_ready{::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)};
  End client{*this, true};
  End backend{*this, false};
  std::shared_ptr<Pool> pool;
  std::unique_ptr<Shared> shared;
  NoProtocol no_protocol;
  std::unique_ptr<Worker> worker;
  SessionRef ref;
};

}  // namespace limpet::session
