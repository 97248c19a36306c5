// SPDX-License-Identifier: Apache-2.0
// The way to a backend, over scripted streams: which it takes, what it does where one fails, and what it hears while a
// connect is under way.
#include "proxy/session/connector.h"

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "proxy/session/worker.h"
#include "tests/session/no_protocol.h"
#include "tests/session/scripted_transport.h"

namespace limpet::session {

namespace {

using std::chrono::seconds;
using Failure = Connector::Failure;
using Origin = Connector::Origin;
using metrics::PickReason;

struct NoSession final : Session {
  void farewell(CloseReason) override {}
  void cut(CloseReason) override {}
  SessionRecord& record() override { return *its_record; }
  Time last_activity() const override { return {}; }
  const char* state_name() const override { return "connecting"; }
  SessionRecord* its_record = nullptr;
};

struct NoOwner final : UpstreamOwner {
  void login_lost() override { lost = true; }
  bool lost = false;
};

struct Fixture : Connector::Owner {
  Fixture() {
    auto settings = std::make_shared<PoolSettings>();
    settings->name = "main";
    settings->connect_timeout = seconds(3);
    for (const char* name : {"a", "b", "c"}) {
      settings->backends.push_back(
          {name, net::Address::parse("127.0.0.1:" + std::to_string(1 + settings->backends.size())).value(), 1});
    }
    pool = std::make_shared<Pool>(std::shared_ptr<const PoolSettings>(settings));
    for (const auto& backend : pool->view().backends) backend->cells = {&registry.backend("main", backend->name, 0)};
    shared.max_connections = 100;
    shared.observed = [this](const Backend& backend, bool good) {
      if (!good) failed += backend.name;
    };
    worker = std::make_unique<Worker>(
        shared, 0, std::make_shared<const Snapshot>(all_settings(), std::vector<std::shared_ptr<Pool>>{pool}),
        no_protocol, &clock, net::Io{nullptr, std::make_unique<ScriptedTransport>(answer, dials)});
    shared.workers = {worker.get()};
    record = std::make_unique<SessionRecord>(*worker, session, Protocol::Http, 0,
                                             net::IpAddress::parse("127.0.0.9").value(), 9);
    session.its_record = record.get();
    make({&client, 1, true, false});
    key = key_of("a");
  }
  ~Fixture() {
    connector.reset();
    record.reset();
    stream.reset();
    worker.reset();
  }
  static Settings all_settings() {
    Settings all;
    all.listeners.emplace_back().name = "web";
    return all;
  }

  void make(Connector::Reuse reuse) {
    connector = std::make_unique<Connector>(*worker, *record, static_cast<Connector::Owner&>(*this), reuse);
    connector->request().pool = pool.get();
  }
  void start(const std::string& with_key) {
    connector->request().key = with_key;
    connector->request().has_key = !with_key.empty();
    connector->start();
  }
  void opened(Connector::Opened to) override {
    BOOST_TEST(!stream);
    stream = std::move(to.stream);
    origin = to.origin;
    key_moved = to.key_moved;
  }
  void not_opened(Failure why) override {
    BOOST_TEST(!failure.has_value());
    failure = why;
  }

  bool failed_as(Failure why) const { return failure == why; }

  // Dials go on until they are told what came of them.
  void dials_wait() {
    answer = [](const net::Address&, Script& script) {
      script.connecting = true;
      return std::nullopt;
    };
  }
  void dials_fail(int error, Fault fault = Fault::Upstream) {
    answer = [=](const net::Address&, Script&) { return Error{fault, "no", error}; };
  }
  // The last of them comes out so.
  void comes_out(int error) {
    dials.back().script.connecting = false;
    dials.back().script.connect_error = error;
    dials.back().script.step();
    round();
  }
  void round() {
    worker->loop().tick_by(clock.now());
    worker->run_round();
  }
  void pass(Duration time) {
    clock.advance(time);
    round();
  }
  void kept_to(const char* name, Script& script) { worker->upstreams().put(backend(name), 1, script.make_stream()); }

  // The turn of the key has come; without `heard` the session does not know of it yet.
  void turn_comes(bool heard) {
    SessionRefs departing;
    backend("a").state = BackendState::Draining;
    shared.affinity.take_turn(*pool, key, backend("a"), 100, true, departing);
    if (heard) connector->key_moved();
    round();
  }
  void learned(const char* name, const char* id) {
    NoSession other;
    SessionRecord first(*worker, other, Protocol::Http, 0, net::IpAddress::parse("127.0.0.8").value(), 9);
    other.its_record = &first;
    Affinity::PickRequest request;
    request.pool = pool.get();
    request.key = key_of(name);
    request.has_key = true;
    SessionRefs departing;
    shared.affinity.reserve(first.member, request, worker->random(), clock.now(), departing);
    first.picked(PickReason::Hash);
    shared.affinity.learn(first.member, id, false, clock.now());
    connector->request().learned_id = id;
  }

  Backend& backend(std::string_view name) { return *pool->find(name); }
  std::string key_of(std::string_view name) const {
    for (int i = 0;; ++i) {
      std::string found = "key" + std::to_string(i);
      if (pool->view().backends[pool->view().ranker->first(balancer::hash_key(found, 0))]->name == name) return found;
    }
  }
  // The ranking of `key` is a, then this.
  std::string second() {
    std::vector<balancer::Candidate> candidates;
    std::vector<balancer::Index> scratch;
    const PoolView& view = pool->view();
    const BackendId first = view.backends[0]->id;
    view.candidates({&first, 1}, candidates);
    const auto choice = balancer::choose_by_hash(*view.ranker, balancer::hash_key(key, 0), candidates, 0, scratch);
    return view.backends[choice->backend]->name;
  }
  std::string at() const { return record->member.backend == nullptr ? "" : record->member.backend->name; }
  std::string holder() {
    const auto* found = shared.affinity.find(*pool, key, clock.now()).backend;
    return found == nullptr ? "" : found->name;
  }
  // To whom it has dialled.
  std::string dialled() const {
    std::string names;
    for (const auto& dial : dials) {
      for (const auto& backend : pool->view().backends) {
        if (backend->address.text() == dial.to.text()) names += backend->name;
      }
    }
    return names;
  }

  metrics::Registry registry{1, "test"};
  Shared shared{1000, registry};
  ManualClock clock;
  NoProtocol no_protocol;
  std::shared_ptr<Pool> pool;
  ScriptedTransport::Answer answer = [](const net::Address&, Script&) { return std::nullopt; };
  std::deque<ScriptedTransport::Dial> dials;
  std::deque<Script> scripts;  // of what is kept
  std::unique_ptr<Worker> worker;
  NoSession session;
  NoOwner client;
  std::unique_ptr<SessionRecord> record;
  std::unique_ptr<Connector> connector;
  std::string key;

  std::unique_ptr<net::Stream> stream;  // that was opened
  Origin origin = Origin::New;
  bool key_moved = false;
  std::optional<Failure> failure;
  std::string failed;  // the backends that were found wanting
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(connector_test, Fixture)

BOOST_AUTO_TEST_CASE(a_connect_that_is_over_at_once_opens_at_once) {
  start(key);
  BOOST_TEST(stream != nullptr);
  BOOST_TEST((origin == Origin::New));
  BOOST_TEST(at() == "a");
  BOOST_TEST((record->pick_reason() == PickReason::Hash));
  BOOST_TEST(stream->handler() == nullptr);
}

BOOST_AUTO_TEST_CASE(one_that_takes_its_time_opens_later) {
  dials_wait();
  start(key);
  BOOST_TEST(stream == nullptr);
  comes_out(0);
  BOOST_TEST(stream != nullptr);
  pass(seconds(10));
  BOOST_TEST(!failure.has_value());
}

// --- the ranking ---

BOOST_AUTO_TEST_CASE(where_one_refuses_the_next_of_the_ranking_takes_the_session) {
  dials_wait();
  start(key);
  comes_out(ECONNREFUSED);
  BOOST_TEST(dialled() == "a" + second());
  comes_out(0);
  BOOST_TEST(stream != nullptr);
  BOOST_TEST((record->pick_reason() == PickReason::Fallback));
  BOOST_TEST(holder() == second());
  BOOST_TEST(failed == "a");
}

// Two sessions of a key, each of which has failed where the other connects to, would move it to and fro for ever.
BOOST_AUTO_TEST_CASE(who_has_failed_where_its_key_is_now_stays_and_does_not_move_it_back) {
  dials_wait();
  start(key);
  comes_out(ECONNREFUSED);
  BOOST_TEST(holder() == second());
  {
    NoSession other;
    SessionRecord theirs(*worker, other, Protocol::Http, 0, net::IpAddress::parse("127.0.0.8").value(), 9);
    other.its_record = &theirs;
    Affinity::PickRequest request;
    request.pool = pool.get();
    request.key = key;
    request.has_key = true;
    SessionRefs departing;
    shared.affinity.reserve(theirs.member, request, worker->random(), clock.now(), departing);
    theirs.picked(PickReason::Live);
    request.tried = {backend(second()).id};
    shared.affinity.reserve_next(theirs.member, request, clock.now(), departing);
    BOOST_TEST(holder() == "a");
    BOOST_TEST(!connector->key_moved());
    comes_out(0);
  }
  BOOST_TEST(dialled() == "a" + second());
  BOOST_TEST(stream != nullptr);
  BOOST_TEST(!key_moved);
  BOOST_TEST(holder() == "a");
}

BOOST_AUTO_TEST_CASE(where_one_does_not_answer_the_next_takes_it) {
  dials_wait();
  start(key);
  pass(seconds(2));
  BOOST_TEST(dialled() == "a");
  pass(seconds(1) + std::chrono::milliseconds(40));
  BOOST_TEST(dialled() == "a" + second());
  BOOST_TEST(dials.front().script.closed);
}

BOOST_AUTO_TEST_CASE(where_all_fail_the_last_says_why) {
  dials_wait();
  start(key);
  comes_out(ECONNREFUSED);
  comes_out(ECONNREFUSED);
  pass(seconds(4));
  BOOST_TEST(failed_as(Failure::TimedOut));
  BOOST_TEST(failed.size() == 3U);
  BOOST_TEST(failed.starts_with("a" + second()));
}

BOOST_AUTO_TEST_CASE(where_all_refuse_at_once_it_is_known_at_once) {
  dials_fail(ECONNREFUSED);
  start(key);
  BOOST_TEST(failed_as(Failure::Refused));
  BOOST_TEST(dials.size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_want_of_descriptors_here_is_no_backends_fault) {
  dials_fail(EMFILE, Fault::Local);
  start(key);
  BOOST_TEST(failed_as(Failure::Local));
  BOOST_TEST(dials.size() == 1U);
  BOOST_TEST(failed == "");
}

BOOST_AUTO_TEST_CASE(where_none_is_available_nobody_is_dialled) {
  for (const auto& each : pool->view().backends) each->health = BackendHealth::Down;
  start(key);
  BOOST_TEST(failed_as(Failure::NoBackend));
  BOOST_TEST(dials.empty());
}

BOOST_AUTO_TEST_CASE(a_cookie_that_leads_to_a_backend_that_failed_is_drawn_again) {
  dials_wait();
  start("");
  const std::string first = at();
  const std::string drawn = connector->new_cookie();
  BOOST_TEST(!drawn.empty());
  comes_out(ECONNREFUSED);
  BOOST_TEST(at() != first);
  BOOST_TEST(connector->new_cookie() != drawn);
  BOOST_TEST(pool->view().backends[pool->view().ranker->first(balancer::hash_key(connector->new_cookie(), 0))] ==
             record->member.backend);
}

// --- kept connections ---

BOOST_AUTO_TEST_CASE(a_kept_connection_goes_before_a_new_one) {
  Script& kept = scripts.emplace_back();
  kept_to("a", kept);
  start(key);
  BOOST_TEST((origin == Origin::Kept));
  BOOST_TEST(dials.empty());
  stream.reset();
  BOOST_TEST(kept.closed);
  connector->reopen(false);
  BOOST_TEST((origin == Origin::New));
}

BOOST_AUTO_TEST_CASE(who_asks_for_a_new_one_gets_a_new_one) {
  Script& kept = scripts.emplace_back();
  kept_to("a", kept);
  start(key);
  Script& another = scripts.emplace_back();
  kept_to("a", another);
  stream.reset();
  connector->reopen(true);
  BOOST_TEST((origin == Origin::New));
}

BOOST_AUTO_TEST_CASE(one_that_serves_anyone_is_not_for_a_connection_that_is_given_away) {
  make({&client, 1, false, false});
  Script& kept = scripts.emplace_back();
  kept_to("a", kept);
  start(key);
  BOOST_TEST((origin == Origin::New));
}

BOOST_AUTO_TEST_CASE(a_clients_own_connection_goes_before_all_others) {
  Script& kept = scripts.emplace_back();
  Script& own = scripts.emplace_back();
  kept_to("a", kept);
  worker->bound_upstreams().put(client, backend("a"), own.make_stream());
  start(key);
  BOOST_TEST((origin == Origin::Bound));
  BOOST_TEST(kept.is_open());
}

BOOST_AUTO_TEST_CASE(where_something_waits_on_it_the_login_is_lost) {
  make({&client, 1, true, true});
  Script& own = scripts.emplace_back();
  worker->bound_upstreams().put(client, backend("a"), own.make_stream());
  own.brings("stray");
  start(key);
  BOOST_TEST(failed_as(Failure::LoginLost));
  round();
  BOOST_TEST(own.closed);
  BOOST_TEST(dials.empty());
}

// --- what it hears ---

BOOST_AUTO_TEST_CASE(at_its_keys_turn_it_picks_again) {
  dials_wait();
  start(key);
  turn_comes(true);
  BOOST_TEST(dialled() == "a" + second());
  BOOST_TEST(dials.front().script.closed);
  comes_out(0);
  BOOST_TEST(stream != nullptr);
  BOOST_TEST(key_moved);
  BOOST_TEST(failed == "");
}

BOOST_AUTO_TEST_CASE(a_turn_that_it_has_not_heard_of_it_sees_before_it_opens) {
  dials_wait();
  start(key);
  turn_comes(false);
  comes_out(0);
  BOOST_TEST(stream == nullptr);
  BOOST_TEST(dialled() == "a" + second());
  comes_out(0);
  BOOST_TEST(stream != nullptr);
  BOOST_TEST(key_moved);
}

BOOST_AUTO_TEST_CASE(who_asks_once_more_follows_its_key) {
  start(key);
  stream.reset();
  turn_comes(true);  // nothing is under way: it concerns the session, not its connector
  BOOST_TEST(dials.size() == 1U);
  connector->reopen(false);
  BOOST_TEST(dialled() == "a" + second());
  BOOST_TEST(key_moved);
}

BOOST_AUTO_TEST_CASE(a_backend_that_goes_down_is_left_where_another_is_available) {
  dials_wait();
  start(key);
  shared.backend_down(backend(second()));
  round();
  BOOST_TEST(dialled() == "a");
  backend("a").health = BackendHealth::Down;
  shared.backend_down(backend("a"));
  round();
  BOOST_TEST(dialled() == "a" + second());
  BOOST_TEST(holder() == second());
  comes_out(0);
  BOOST_TEST(stream != nullptr);
}

BOOST_AUTO_TEST_CASE(where_no_other_is_available_it_waits_on) {
  dials_wait();
  start(key);
  for (const auto& each : pool->view().backends) each->health = BackendHealth::Down;
  shared.backend_down(backend("a"));
  round();
  BOOST_TEST(dialled() == "a");
  comes_out(0);
  BOOST_TEST(stream != nullptr);
}

BOOST_AUTO_TEST_CASE(who_was_drawn_a_cookie_for_a_backend_that_goes_down_is_drawn_another) {
  dials_wait();
  start("");
  const std::string first = at();
  const std::string drawn = connector->new_cookie();
  backend(first).health = BackendHealth::Down;
  shared.backend_down(backend(first));
  round();
  BOOST_TEST(at() != first);
  BOOST_TEST(connector->new_cookie() != drawn);
}

BOOST_AUTO_TEST_CASE(who_has_stopped_hears_nothing_and_says_nothing) {
  dials_wait();
  start(key);
  connector->stop();
  round();
  BOOST_TEST(dials.front().script.closed);
  backend("a").health = BackendHealth::Down;
  shared.backend_down(backend("a"));
  connector->key_moved();
  pass(seconds(10));
  BOOST_TEST(dials.size() == 1U);
  BOOST_TEST(stream == nullptr);
  BOOST_TEST(!failure.has_value());
}

// --- learned sessions ---

BOOST_AUTO_TEST_CASE(a_learned_session_is_gone_where_nobody_listens) {
  for (const int error : {ECONNREFUSED, ENOENT}) {
    Fixture all;
    all.learned("a", "id");
    all.dials_wait();
    all.start("");
    BOOST_TEST(all.connector->learned());
    all.comes_out(error);
    BOOST_TEST(all.failed_as(Failure::Gone));
    BOOST_TEST(all.dialled() == "a");
    BOOST_TEST(all.holder() == all.second());
  }
}

BOOST_AUTO_TEST_CASE(a_connect_that_fails_otherwise_is_not_its_end) {
  for (const int error : {EHOSTUNREACH, ECONNRESET, 0}) {
    Fixture all;
    all.learned("a", "id");
    all.dials_wait();
    all.start("");
    if (error != 0) {
      all.comes_out(error);
    } else {
      all.pass(seconds(4));
    }
    BOOST_TEST(all.failed_as(error != 0 ? Failure::Refused : Failure::TimedOut));
    BOOST_TEST(all.dialled() == "a");
    BOOST_TEST(all.holder() == "a");
  }
}

BOOST_AUTO_TEST_CASE(at_its_keys_turn_it_is_gone_unless_it_may_stay) {
  for (const bool stays : {false, true}) {
    Fixture all;
    all.learned("a", "id");
    all.dials_wait();
    all.connector->request().reaches_old_backend = stays;
    all.start("");
    all.turn_comes(true);
    BOOST_TEST(all.dialled() == "a");
    BOOST_TEST(all.failure.has_value() == !stays);
    if (!stays) continue;
    all.comes_out(0);
    BOOST_TEST(all.stream != nullptr);
  }
}

BOOST_AUTO_TEST_CASE(where_its_backend_goes_down_it_is_gone) {
  learned("a", "id");
  dials_wait();
  start("");
  backend("a").health = BackendHealth::Down;
  shared.backend_down(backend("a"));
  round();
  BOOST_TEST(failed_as(Failure::Gone));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
