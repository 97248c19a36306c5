// SPDX-License-Identifier: Apache-2.0
// Idle connections to a backend: which may be used again, over a scripted stream. What a backend says beyond its answer
// is in http/surplus_test.cpp.
#include "proxy/session/upstream_pool.h"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

#include "proxy/session/worker.h"
#include "tests/session/no_protocol.h"
#include "tests/session/scripted_stream.h"

namespace limpet::session {

namespace {

struct Fixture {
  Fixture() {
    auto settings = std::make_shared<PoolSettings>();
    settings->name = "main";
    settings->backends.push_back({"one", net::Address::parse("127.0.0.1:1").value(), 1});
    pool = std::make_shared<Pool>(std::shared_ptr<const PoolSettings>(settings));
    pool->view().backends[0]->cells = {&registry.backend("main", "one", 0)};
    shared.max_connections = 100;
    worker = std::make_unique<Worker>(
        shared, 0, std::make_shared<const Snapshot>(Settings{}, std::vector<std::shared_ptr<Pool>>{pool}), no_protocol);
    worker->upstreams().put(backend(), 1, script.make_stream());
  }
  const Backend& backend() const { return *pool->view().backends[0]; }
  std::unique_ptr<net::Stream> taken() { return worker->upstreams().take(backend(), 1, false); }

  metrics::Registry registry{1, "test"};
  Shared shared{1000, registry};
  std::shared_ptr<Pool> pool;
  Script script;
  NoProtocol no_protocol;
  std::unique_ptr<Worker> worker;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(upstream_pool, Fixture)

BOOST_AUTO_TEST_CASE(a_call_that_finds_nothing_costs_no_connection) {
  script.brings_nothing();
  BOOST_TEST(script.step());
  BOOST_TEST(taken() != nullptr);
}

BOOST_AUTO_TEST_CASE(an_idle_connection_that_ends_is_gone) {
  script.brings_eof();
  BOOST_TEST(script.step());
  BOOST_TEST(taken() == nullptr);
}

BOOST_AUTO_TEST_CASE(an_idle_connection_that_says_something_unasked_is_gone) {
  script.brings("HTTP/1.1 408 Request Timeout");
  BOOST_TEST(script.step());
  BOOST_TEST(taken() == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
