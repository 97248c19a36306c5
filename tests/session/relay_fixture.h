// SPDX-License-Identifier: Apache-2.0
// A relayed session between two scripted peers, on a worker without a thread and under a clock that the test moves.
// What the peers speak is for the fixture that is derived from this one (websocket/fixture.h) or for the test.
// Change `route`, `crash_spread` and `in_batches` before the session opens.
#pragma once

#include <sys/eventfd.h>

#include <boost/test/unit_test.hpp>
#include <functional>
#include <memory>
#include <string>

#include "metrics/registry.h"
#include "proxy/base/clock.h"
#include "proxy/session/relay.h"
#include "proxy/session/worker.h"
#include "tests/session/no_protocol.h"
#include "tests/session/scripted_stream.h"

namespace limpet::session {

// Takes the seat until the session does, as an exchange would.
struct Seatholder final : Session {
  void farewell(CloseReason) override {}
  void cut(CloseReason) override {}
  SessionRecord& record() override { std::abort(); }
  Time last_activity() const override { return {}; }
  const char* state_name() const override { return ""; }
};

struct RelayFixture {
  // One end, as the test plays it.
  class End {
   public:
    End(RelayFixture& fixture, Script& its) : script(its), fixture_(fixture) {}

    void sends_bytes(std::string_view bytes) {
      script.brings(bytes);
      fixture_.run();
    }
    void sends_fin() {
      script.brings_eof();
      fixture_.run();
    }
    void resets() {
      script.brings_reset();
      fixture_.run();
    }
    void takes_all() {
      script.room = Script::kAny;
      fixture_.run();
    }

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

    Script& script;

   protected:
    std::size_t seen_ = 0;

   private:
    RelayFixture& fixture_;
  };

  explicit RelayFixture(Protocol spoken) : protocol(spoken) {
    pool_settings.name = "chat";
    pool_settings.backends.push_back({"chat-1", {}, 1});
  }

  ~RelayFixture() {
    worker.reset();
    for (const Script* script : {&client_script, &backend_script}) {
      BOOST_TEST(!script->wrote_behind_fin);
      BOOST_TEST(!script->read_behind_the_end);
    }
    if (!shared) return;
    BOOST_TEST(shared->buffered == 0);
    BOOST_TEST(shared->connections == 0U);
    BOOST_TEST(pool->view().backends[0]->sessions == 0U);
    BOOST_TEST(registry.worker(0).buffered_bytes.value() == 0);
    BOOST_TEST(cells().sessions.value() == 0);
  }

  // A picked session's record is given to `start`, which makes the session that the worker owns.
  void open_with(const std::function<void(std::unique_ptr<SessionRecord>)>& start) {
    pool = std::make_shared<Pool>(std::make_shared<const PoolSettings>(pool_settings));
    pool->view().backends[0]->cells = {&registry.backend("chat", "chat-1", 0)};
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
      Seatholder seat;
      auto record = std::make_unique<SessionRecord>(*worker, seat, protocol, 0, net::IpAddress{}, 0);
      ConnectionToken token(*worker);
      token.move_to(*record);
      record->route = std::make_shared<const RouteSettings>(route);
      SessionRefs departing;
      Affinity::PickRequest request;
      request.pool = pool.get();
      request.key = "key";
      request.has_key = true;
      const auto pick = shared->affinity.reserve(record->member, request, worker->random(), clock.now(), departing);
      record->picked(pick.reason);
      ref = record->member.ref;
      start(std::move(record));
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
        if (client_script.step()) stepped = true;
        if (backend_script.step()) stepped = true;
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

  metrics::ProtocolCells& cells() { return registry.backend("chat", "chat-1", 0).of(protocol); }
  std::uint32_t cuts() const { return pool->view().backends[0]->cuts; }
  // The session is over, for that reason and no other, and both streams are closed.
  void ended_as(CloseReason reason) {
    BOOST_TEST(over());
    BOOST_TEST((client_script.closed && backend_script.closed));
    for (std::size_t i = 0; i < metrics::kCloseReasons; ++i) {
      const bool is_it = static_cast<CloseReason>(i) == reason;
      BOOST_TEST(cells().closed[i].value() == (is_it ? 1U : 0U),
                 metrics::name(static_cast<CloseReason>(i)) << (is_it ? " expected" : " counted, not expected"));
    }
  }

  const Protocol protocol;
  ManualClock clock;
  metrics::Registry registry{1, "test"};
  PoolSettings pool_settings;
  RouteSettings route;
  Duration crash_spread{};
  bool in_batches = true;  // each round serves something else, too
  const Fd always_ready{::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)};
  Script client_script;
  Script backend_script;
  std::shared_ptr<Pool> pool;
  std::unique_ptr<Shared> shared;
  NoProtocol no_protocol;
  std::unique_ptr<Worker> worker;
  SessionRef ref;
};

}  // namespace limpet::session
