// SPDX-License-Identifier: Apache-2.0
// A scrape as Prometheus reads it (exposition.h): which families there are, what is left out, that workers are summed,
// and that a scrape stays consistent and quick while they count.
#include "metrics/registry.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "tests/metrics/exposition.h"

namespace limpet::metrics {

namespace {

Facts facts_of(const std::vector<std::string>& backends) {
  Facts facts;
  facts.pools.push_back({"chat", 12, 3});
  for (const auto& backend : backends) {
    facts.backends.push_back({.pool = "chat", .backend = backend, .state = "ready", .weight = 2, .hash_share = 0.25});
  }
  facts.reloads_ok = 4;
  facts.reloads_failed = 1;
  facts.last_reload_success = 1767319445.5;
  return facts;
}

LabelMap at(const std::string& protocol, const std::string& backend, LabelMap more = {}) {
  more.insert({{"protocol", protocol}, {"pool", "chat"}, {"backend", backend}});
  return more;
}

// Something of everything that a protocol can count.
void use(BackendCells& cells, Protocol protocol) {
  auto& of = cells.of(protocol);
  of.sessions.add(2);
  of.opened[1].add(5);
  of.closed[0].add(3);
  of.picks[2].add(5);
  of.bytes[0].add(1000);
  of.bytes[1].add(100);
  of.messages[0].add(10);
  of.messages[1].add(1);
  of.duration.observe(42);
  of.handshake.observe(0.003);
  cells.websocket_closes[close_code_index(1000)][0].add(2);
  cells.ping_rtt[0].observe(0.02);
  cells.ping_rtt[1].observe(0.02);
  cells.http_responses[200 - 100].add(7);
  cells.http_request_duration.observe(0.2);
}

// Of this thread: what others do on the machine does not count.
double cpu_ms() {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) * 1e3 + static_cast<double>(spent.tv_nsec) / 1e6;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(registry)

BOOST_AUTO_TEST_CASE(every_family_has_the_name_type_and_labels_of_the_contract) {
  struct Row {
    const char* family;
    const char* type;
    std::vector<std::string> labels;
  };
  const std::vector<std::string> session = {"backend", "pool", "protocol"};
  const std::vector<std::string> backend = {"backend", "pool"};
  const std::vector<Row> contract = {
      {"limpet_sessions", "gauge", session},
      {"limpet_sessions_opened_total", "counter", {"backend", "http_version", "pool", "protocol"}},
      {"limpet_sessions_closed_total", "counter", {"backend", "pool", "protocol", "reason"}},
      {"limpet_session_duration_seconds", "histogram", session},
      {"limpet_handshake_duration_seconds", "histogram", session},
      {"limpet_relayed_bytes_total", "counter", {"backend", "direction", "pool", "protocol"}},
      {"limpet_relayed_messages_total", "counter", {"backend", "direction", "pool", "protocol"}},
      {"limpet_websocket_closes_total", "counter", {"backend", "by", "code", "pool", "protocol"}},
      {"limpet_ping_rtt_seconds", "histogram", {"backend", "pool", "protocol", "side"}},
      {"limpet_picks_total", "counter", {"backend", "pool", "protocol", "reason"}},
      {"limpet_affinity_keys", "gauge", {"pool"}},
      {"limpet_misplaced_keys", "gauge", {"pool"}},
      {"limpet_backend_up", "gauge", backend},
      {"limpet_backend_state", "gauge", {"backend", "pool", "state"}},
      {"limpet_backend_weight", "gauge", backend},
      {"limpet_backend_hash_share", "gauge", backend},
      {"limpet_drain_sessions_remaining", "gauge", backend},
      {"limpet_drain_sessions_cut_total", "counter", backend},
      {"limpet_rejected_total", "counter", {"reason"}},
      {"limpet_http_responses_total", "counter", {"backend", "code", "pool", "protocol"}},
      {"limpet_http_request_duration_seconds", "histogram", session},
      {"limpet_loop_lag_seconds", "histogram", {}},
      {"limpet_buffered_bytes", "gauge", {}},
      {"limpet_backpressure_pauses_total", "counter", {}},
      {"limpet_connections", "gauge", {}},
      {"limpet_connections_accepted_total", "counter", {}},
      {"limpet_accept_pauses_total", "counter", {"reason"}},
      {"limpet_config_reloads_total", "counter", {"result"}},
      {"limpet_config_last_reload_success_timestamp_seconds", "gauge", {}},
      {"limpet_build_info", "gauge", {"version"}},
      {"process_cpu_seconds_total", "counter", {}},
      {"process_threads", "gauge", {}},
      {"process_start_time_seconds", "gauge", {}},
      {"process_virtual_memory_bytes", "gauge", {}},
      {"process_resident_memory_bytes", "gauge", {}},
      {"process_open_fds", "gauge", {}},
      {"process_max_fds", "gauge", {}},
  };
  Registry registry(2, "1.2.3");
  use(registry.backend("chat", "a", 0), Protocol::WebSocket);
  const Exposition scrape(registry.text(facts_of({"a"})));
  BOOST_TEST(scrape.families().size() == contract.size());
  for (const auto& row : contract) {
    BOOST_TEST_CONTEXT(row.family) {
      BOOST_TEST_REQUIRE(scrape.families().contains(row.family));
      const auto& family = scrape.families().at(row.family);
      BOOST_TEST(family.type == row.type);
      BOOST_TEST_REQUIRE(!family.samples.empty());
      for (const auto& sample : family.samples) {
        std::vector<std::string> labels;
        for (const auto& [label, value] : sample.labels) {
          if (label != "le") labels.push_back(label);
        }
        BOOST_TEST(labels == row.labels, boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_fresh_proxy_without_backends_is_valid_text) {
  Registry registry(1, "1.2.3");
  const Exposition scrape(registry.text({}));
  BOOST_TEST(scrape.value("limpet_build_info", {{"version", "1.2.3"}}) == 1);
  BOOST_TEST(scrape.count("limpet_sessions") == 0U);
  BOOST_TEST(scrape.value("limpet_loop_lag_seconds_count") == 0);
}

BOOST_AUTO_TEST_CASE(workers_are_summed) {
  Registry registry(3, "1");
  for (unsigned worker = 0; worker < 3; ++worker) {
    auto& cells = registry.backend("chat", "a", worker).of(Protocol::Sse);
    cells.sessions.add(worker + 1);
    cells.bytes[0].add(5'000'000'000'000ULL);
    cells.duration.observe(10.0);
    registry.worker(worker).accepted.add(10);
    registry.worker(worker).connections.add(worker == 2 ? -1 : 2);
    registry.worker(worker).loop_lag.observe(0.002);
  }
  const Exposition scrape(registry.text(facts_of({"a"})));
  BOOST_TEST(scrape.value("limpet_sessions", at("sse", "a")) == 6);
  BOOST_TEST(scrape.value("limpet_relayed_bytes_total", at("sse", "a", {{"direction", "to_client"}})) == 15e12);
  BOOST_TEST(scrape.value("limpet_session_duration_seconds_count", at("sse", "a")) == 3);
  BOOST_TEST(scrape.value("limpet_session_duration_seconds_sum", at("sse", "a")) == 30);
  BOOST_TEST(scrape.value("limpet_connections_accepted_total") == 30);
  BOOST_TEST(scrape.value("limpet_connections") == 3);
  BOOST_TEST(scrape.value("limpet_loop_lag_seconds_bucket", {{"le", "0.001"}}) == 0);
  BOOST_TEST(scrape.value("limpet_loop_lag_seconds_bucket", {{"le", "0.0025"}}) == 3);
}

BOOST_AUTO_TEST_CASE(an_idle_protocol_is_left_out_but_for_its_open_sessions) {
  Registry registry(1, "1");
  use(registry.backend("chat", "a", 0), Protocol::WebSocket);
  const Exposition scrape(registry.text(facts_of({"a", "b"})));
  BOOST_TEST(scrape.count("limpet_sessions") == 8U);
  for (const char* protocol : {"websocket", "sse", "long_poll", "http"}) {
    BOOST_TEST(scrape.value("limpet_sessions", at(protocol, "b")) == 0);
  }
  BOOST_TEST(scrape.count("limpet_sessions_opened_total") == 1U);
  BOOST_TEST(scrape.value("limpet_sessions_opened_total", at("websocket", "a", {{"http_version", "1.1"}})) == 5);
  BOOST_TEST(scrape.count("limpet_session_duration_seconds") == kDurationBounds.size() + 3);
  BOOST_TEST(scrape.value("limpet_backend_up", {{"pool", "chat"}, {"backend", "b"}}) == 1);
}

BOOST_AUTO_TEST_CASE(a_protocol_beyond_http_shows_up_once_it_is_used) {
  Registry registry(1, "1");
  registry.backend("chat", "a", 0).of(Protocol::Mqtt).sessions.add(1);
  const Exposition scrape(registry.text(facts_of({"a"})));
  BOOST_TEST(scrape.value("limpet_sessions", at("mqtt", "a")) == 1);
  BOOST_TEST(!scrape.has("limpet_sessions", at("stomp", "a")));
}

BOOST_AUTO_TEST_CASE(what_alerts_need_is_there_before_it_happens) {
  Registry registry(2, "1");
  registry.worker(1).reject(RejectReason::TooLarge);
  registry.worker(0).accept_pauses[0].add();
  const Exposition scrape(registry.text({}));
  BOOST_TEST(scrape.count("limpet_rejected_total") == kRejectReasons);
  for (std::size_t i = 0; i < kRejectReasons; ++i) {
    const auto reason = static_cast<RejectReason>(i);
    BOOST_TEST(scrape.value("limpet_rejected_total", {{"reason", std::string(name(reason))}}) ==
               (reason == RejectReason::TooLarge ? 1 : 0));
  }
  BOOST_TEST(scrape.count("limpet_accept_pauses_total") == kPauseReasons);
  BOOST_TEST(scrape.value("limpet_accept_pauses_total", {{"reason", "descriptors"}}) == 1);
  BOOST_TEST(scrape.value("limpet_config_reloads_total", {{"result", "failed"}}) == 0);
}

BOOST_AUTO_TEST_CASE(facts_of_the_control_loop_are_shown) {
  Registry registry(1, "1");
  auto facts = facts_of({"a"});
  facts.backends[0].up = false;
  facts.backends[0].state = "draining";
  facts.backends[0].drain_sessions_remaining = 17;
  facts.backends[0].drain_sessions_cut = 4;
  const Exposition scrape(registry.text(facts));
  const LabelMap a = {{"pool", "chat"}, {"backend", "a"}};
  BOOST_TEST(scrape.value("limpet_backend_up", a) == 0);
  BOOST_TEST(scrape.value("limpet_backend_weight", a) == 2);
  BOOST_TEST(scrape.value("limpet_backend_hash_share", a) == 0.25);
  BOOST_TEST(scrape.value("limpet_drain_sessions_remaining", a) == 17);
  BOOST_TEST(scrape.value("limpet_drain_sessions_cut_total", a) == 4);
  for (const std::string state : {"ready", "draining", "drained"}) {
    LabelMap labels = a;
    labels["state"] = state;
    BOOST_TEST(scrape.value("limpet_backend_state", labels) == (state == "draining" ? 1 : 0));
  }
  BOOST_TEST(scrape.value("limpet_affinity_keys", {{"pool", "chat"}}) == 12);
  BOOST_TEST(scrape.value("limpet_misplaced_keys", {{"pool", "chat"}}) == 3);
  BOOST_TEST(scrape.value("limpet_config_reloads_total", {{"result", "ok"}}) == 4);
  BOOST_TEST(scrape.value("limpet_config_last_reload_success_timestamp_seconds") == 1767319445.5);
}

BOOST_AUTO_TEST_CASE(a_backend_that_left_and_came_back_goes_on_counting) {
  Registry registry(1, "1");
  auto* const cells = &registry.backend("chat", "a", 0);
  use(*cells, Protocol::Http);
  cells->of(Protocol::Http).sessions.add(-2);
  const Exposition gone(registry.text(facts_of({})));
  const LabelMap ok = at("http", "a", {{"code", "200"}});
  BOOST_TEST(gone.value("limpet_http_responses_total", ok) == 7);
  BOOST_TEST(!gone.has("limpet_sessions", at("http", "a")));
  BOOST_TEST(gone.count("limpet_backend_up") == 0U);
  BOOST_TEST(&registry.backend("chat", "a", 0) == cells);
  registry.backend("chat", "a", 0).http_responses[100].add();
  const Exposition back(registry.text(facts_of({"a"})));
  BOOST_TEST(back.value("limpet_http_responses_total", ok) == 8);
}

BOOST_AUTO_TEST_CASE(pools_of_the_same_backend_name_are_apart) {
  Registry registry(1, "1");
  registry.backend("chat", "a", 0).of(Protocol::Sse).sessions.add(1);
  registry.backend("feed", "a", 0).of(Protocol::Sse).sessions.add(2);
  auto facts = facts_of({"a"});
  facts.backends.push_back({.pool = "feed", .backend = "a", .state = "ready"});
  const Exposition scrape(registry.text(facts));
  BOOST_TEST(scrape.value("limpet_sessions", at("sse", "a")) == 1);
  BOOST_TEST(scrape.value("limpet_sessions", {{"protocol", "sse"}, {"pool", "feed"}, {"backend", "a"}}) == 2);
}

BOOST_AUTO_TEST_CASE(label_values_are_escaped) {
  const std::string odd = "a\"b\\c\nd}e,f=";
  Registry registry(1, odd);
  use(registry.backend("chat", odd, 0), Protocol::WebSocket);
  const Exposition scrape(registry.text(facts_of({odd})));
  BOOST_TEST(scrape.value("limpet_sessions", at("websocket", odd)) == 2);
  BOOST_TEST(
      scrape.value("limpet_websocket_closes_total", at("websocket", odd, {{"code", "1000"}, {"by", "client"}})) == 2);
  BOOST_TEST(scrape.value("limpet_build_info", {{"version", odd}}) == 1);
}

BOOST_AUTO_TEST_CASE(a_histogram_counts_a_value_on_a_bound_below_it) {
  Registry registry(1, "1");
  auto& rtt = registry.backend("chat", "a", 0).ping_rtt[1];
  rtt.observe(0.0005);
  rtt.observe(0.00051);
  rtt.observe(31);
  rtt.observe(-1);
  const Exposition scrape(registry.text(facts_of({"a"})));
  auto bucket = [&](const char* bound) {
    return scrape.value("limpet_ping_rtt_seconds_bucket", at("websocket", "a", {{"side", "backend"}, {"le", bound}}));
  };
  BOOST_TEST(bucket("0.0005") == 2);
  BOOST_TEST(bucket("0.001") == 3);
  BOOST_TEST(bucket("30") == 3);
  BOOST_TEST(bucket("+Inf") == 4);
  BOOST_TEST(scrape.value("limpet_ping_rtt_seconds_sum", at("websocket", "a", {{"side", "backend"}})) == 31.00101,
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(!scrape.has("limpet_ping_rtt_seconds_count", at("websocket", "a", {{"side", "client"}})));
}

BOOST_AUTO_TEST_CASE(the_process_is_measured) {
  Registry registry(1, "1");
  const Exposition scrape(registry.text({}));
  const auto now = static_cast<double>(std::time(nullptr));
  BOOST_TEST(scrape.value("process_start_time_seconds") <= now + 2);
  BOOST_TEST(scrape.value("process_start_time_seconds") > now - 3600);
  BOOST_TEST(scrape.value("process_threads") >= 1);
  BOOST_TEST(scrape.value("process_resident_memory_bytes") > 1e6);
  BOOST_TEST(scrape.value("process_virtual_memory_bytes") >= scrape.value("process_resident_memory_bytes"));
  int ends[2];
  BOOST_TEST_REQUIRE(pipe(ends) == 0);
  const Exposition later(registry.text({}));
  BOOST_TEST(later.value("process_open_fds") == scrape.value("process_open_fds") + 2);
  close(ends[0]);
  close(ends[1]);
}

BOOST_AUTO_TEST_CASE(scrapes_stay_consistent_while_a_worker_counts) {
  Registry registry(2, "1");
  auto& cells = registry.backend("chat", "a", 1);
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    for (unsigned i = 0; !stop; ++i) {
      use(cells, Protocol::WebSocket);
      cells.of(Protocol::WebSocket).handshake.observe(0.0001 * (i % 1000));
      registry.worker(1).loop_lag.observe(0.00001 * (i % 1000));
      registry.worker(1).reject(RejectReason::Rate);
    }
  });
  double before = 0;
  const LabelMap labels = at("websocket", "a");
  for (int round = 0; round < 100; ++round) {
    registry.backend("chat", std::to_string(round), 0).of(Protocol::Http).sessions.add(1);
    const Exposition scrape(registry.text(facts_of({"a"})));
    if (!scrape.has("limpet_handshake_duration_seconds_count", labels)) continue;
    const double count = scrape.value("limpet_handshake_duration_seconds_count", labels);
    BOOST_TEST_REQUIRE(count >= before);
    before = count;
  }
  stop = true;
  worker.join();
  const Exposition scrape(registry.text(facts_of({"a"})));
  BOOST_TEST(scrape.value("limpet_handshake_duration_seconds_count", labels) > 0);
  BOOST_TEST(scrape.value("limpet_handshake_duration_seconds_count", labels) ==
             2 * scrape.value("limpet_rejected_total", {{"reason", "rate"}}));
}

// 20 ms in Release; the bound is wider where compilers do not optimise.
BOOST_AUTO_TEST_CASE(a_scrape_of_two_workers_and_a_hundred_backends_is_quick) {
#if defined(NDEBUG) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
  constexpr double kBound = 20;
#else
  constexpr double kBound = 400;
#endif
  Registry registry(2, "1");
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back(std::to_string(i) + "-chat");
  for (const auto& name : names) {
    for (unsigned worker = 0; worker < 2; ++worker) {
      use(registry.backend("chat", name, worker), Protocol::WebSocket);
      use(registry.backend("chat", name, worker), Protocol::Http);
    }
  }
  const auto facts = facts_of(names);
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    const double start = cpu_ms();
    const auto text = registry.text(facts);
    best = std::min(best, cpu_ms() - start);
    BOOST_TEST_REQUIRE(text.size() > 100'000U);
  }
  BOOST_TEST_MESSAGE("best of 20 scrapes: " << best << " ms of CPU");
  BOOST_TEST(best < kBound);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::metrics
