// SPDX-License-Identifier: Apache-2.0
// Which route a request gets, by host, path, listener and order in the file; and what a snapshot of the settings holds.
#include "proxy/session/router.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace limpet::session {

namespace {

struct Fixture {
  Settings settings;
  std::vector<std::shared_ptr<Pool>> pools;

  RouteSettings& route(const std::string& host, const std::string& path, const std::string& pool,
                       const std::string& listener = "") {
    auto made = std::make_shared<RouteSettings>();
    made->host = host;
    made->path = path;
    made->pool = pool;
    made->listener = listener;
    settings.routes.push_back(made);
    return *made;
  }
  void listener(const std::string& name, const std::string& pool = "") {
    settings.listeners.emplace_back().name = name;
    settings.listeners.back().pool = pool;
  }
  std::shared_ptr<const Snapshot> snapshot() {
    for (const char* name : {"a", "b", "c", "d"}) {
      auto pool = std::make_shared<PoolSettings>();
      pool->name = name;
      pool->backends.push_back({"one", {}, 1});
      pools.push_back(std::make_shared<Pool>(pool));
    }
    return std::make_shared<const Snapshot>(settings, pools);
  }
  static std::string pool_for(const Snapshot& snapshot, const std::string& listener, const std::string& host,
                              const std::string& path) {
    const Route* route = snapshot.router.match(listener, host, path);
    if (route == nullptr) return "none";
    BOOST_TEST(route->pool->name == route->settings->pool);
    return route->settings->pool;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(router, Fixture)

BOOST_AUTO_TEST_CASE(an_exact_host_goes_before_a_wildcard_and_that_before_none) {
  route("", "/", "a");
  route("*.example.com", "/", "b");
  route("chat.example.com", "/", "c");
  const auto made = snapshot();
  BOOST_TEST(pool_for(*made, "web", "chat.example.com", "/x") == "c");
  BOOST_TEST(pool_for(*made, "web", "api.example.com", "/x") == "b");
  BOOST_TEST(pool_for(*made, "web", "deep.chat.example.com", "/x") == "b");
  BOOST_TEST(pool_for(*made, "web", "example.com", "/x") == "a");
  BOOST_TEST(pool_for(*made, "web", ".example.com", "/x") == "a");
  BOOST_TEST(pool_for(*made, "web", "badexample.com", "/x") == "a");
  BOOST_TEST(pool_for(*made, "web", "", "/x") == "a");
}

BOOST_AUTO_TEST_CASE(a_more_specific_host_whose_paths_do_not_match_gives_way) {
  route("chat.example.com", "/ws", "a");
  route("*.example.com", "/api", "b");
  route("", "/", "c");
  const auto made = snapshot();
  BOOST_TEST(pool_for(*made, "web", "chat.example.com", "/ws") == "a");
  BOOST_TEST(pool_for(*made, "web", "chat.example.com", "/api") == "b");
  BOOST_TEST(pool_for(*made, "web", "chat.example.com", "/else") == "c");
}

BOOST_AUTO_TEST_CASE(a_longer_wildcard_goes_before_a_shorter_one) {
  route("*.com", "/", "a");
  route("*.example.com", "/", "b");
  const auto made = snapshot();
  BOOST_TEST(pool_for(*made, "web", "x.example.com", "/") == "b");
  BOOST_TEST(pool_for(*made, "web", "example.com", "/") == "a");
}

BOOST_AUTO_TEST_CASE(the_longer_path_wins_whatever_the_order_in_the_file) {
  route("", "/", "a");
  route("", "/chat/rooms/", "c");
  route("", "/chat", "b");
  const auto made = snapshot();
  BOOST_TEST(pool_for(*made, "web", "h", "/chat/rooms/1") == "c");
  BOOST_TEST(pool_for(*made, "web", "h", "/chat/rooms") == "c");
  BOOST_TEST(pool_for(*made, "web", "h", "/chat/roomsy") == "b");
  BOOST_TEST(pool_for(*made, "web", "h", "/chat") == "b");
  BOOST_TEST(pool_for(*made, "web", "h", "/chatter") == "a");
}

BOOST_AUTO_TEST_CASE(the_order_in_the_file_breaks_ties) {
  route("", "/chat/", "a");
  route("", "/chat", "b");
  BOOST_TEST(pool_for(*snapshot(), "web", "h", "/chat/x") == "a");
}

BOOST_AUTO_TEST_CASE(a_route_of_one_listener_is_not_seen_from_another) {
  route("", "/", "a", "inside");
  route("", "/", "b");
  const auto made = snapshot();
  BOOST_TEST(pool_for(*made, "inside", "h", "/") == "a");
  BOOST_TEST(pool_for(*made, "web", "h", "/") == "b");
}

BOOST_AUTO_TEST_CASE(where_no_route_matches_the_listeners_pool_takes_it_or_nobody) {
  route("chat.example.com", "/", "a");
  listener("web", "d");
  listener("bare");
  const auto made = snapshot();
  BOOST_TEST(pool_for(*made, "web", "chat.example.com", "/") == "a");
  BOOST_TEST(pool_for(*made, "web", "other", "/") == "d");
  BOOST_TEST(pool_for(*made, "bare", "other", "/") == "none");
  BOOST_TEST(pool_for(*made, "unknown", "other", "/") == "none");
}

BOOST_AUTO_TEST_CASE(before_routing_a_head_has_the_most_generous_limits_of_its_listeners_routes) {
  route("", "/a", "a").http.max_head = 1000;
  route("", "/b", "a").http.max_head = 5000;
  route("", "/c", "a", "inside").http.max_head = 9000;
  route("", "/d", "a").http.request_header_timeout = milliseconds(77'000);
  // The route of "/d" has the default of max_head.
  listener("web");
  listener("inside");
  const auto made = snapshot();
  BOOST_TEST(made->router.before_routing("web").max_head == HttpSettings{}.max_head);
  BOOST_TEST((made->router.before_routing("web").request_header_timeout == milliseconds(77'000)));
}

BOOST_AUTO_TEST_CASE(before_routing_the_limits_may_be_tighter_than_the_defaults) {
  route("", "/a", "a").http.max_head = 1000;
  route("", "/b", "a").http.max_head = 5000;
  route("", "/c", "a", "inside").http.max_head = 9000;
  listener("web");
  listener("inside");
  const auto made = snapshot();
  BOOST_TEST(made->router.before_routing("web").max_head == 5000U);
  BOOST_TEST(made->router.before_routing("inside").max_head == 9000U);
  BOOST_TEST(made->router.before_routing("unknown").max_head == HttpSettings{}.max_head);
}

BOOST_AUTO_TEST_CASE(a_snapshot_finds_its_pools_and_has_a_gate_per_listener) {
  listener("web");
  listener("inside");
  const auto made = snapshot();
  BOOST_TEST(made->find_pool("c")->name == "c");
  BOOST_TEST((made->find_pool("z") == nullptr));
  BOOST_TEST_REQUIRE(made->listeners.size() == 2U);
  BOOST_TEST(made->listeners[1]->settings.name == "inside");
  BOOST_TEST((made->listeners[0]->gate != nullptr));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
