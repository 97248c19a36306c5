// SPDX-License-Identifier: Apache-2.0
// Event streams, long polls and exchanges through a drain, with the real proxy: every EventSource gets every event of a
// shared history exactly once, whatever the chunks and line ends; what is in flight is answered. A hundred clients in
// the normal run, five hundred in the heavy one.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/e2e/backend.h"
#include "tests/e2e/drain_run.h"
#include "tests/e2e/event_client.h"
#include "tests/e2e/judge.h"
#include "tests/e2e/proxy_process.h"
#include "tests/e2e/request_client.h"

namespace limpet::e2e {
namespace {

constexpr long kRetry = 200, kRetryJitter = 800;  // milliseconds

// All but the listener and the backends.
const std::string kFeed = R"(
[[route]]
path = "/"
pool = "feed"
[route.sse]
heartbeat = "500ms"
retry = ")" + std::to_string(kRetry) +
                          R"(ms"
retry_jitter = ")" + std::to_string(kRetryJitter) +
                          R"(ms"
[[route]]
path = "/poll"
pool = "feed"
[route.long_poll]
always = true
[[pool]]
name = "feed"
[pool.affinity]
keys = ["query:user"]
)";

class FeedRun {
 public:
  explicit FeedRun(std::uint32_t streams) {
    allow_many_descriptors();
    for (const char* name : {"b1", "b2", "b3"}) {
      backends_.push_back(std::make_unique<Backend>(loop_, log_, hub_, Backend::Options{name, {}, 0.8, 4}));
    }
    const auto port = free_port();
    proxy_ = std::make_unique<ProxyProcess>(config_for(port, kFeed, backends_));
    std::uint32_t client = 0;
    for (std::uint32_t key = 0; key < streams; ++key) {
      streams_.push_back(std::make_unique<EventClient>(loop_, log_, EventClient::Options{port, key, client++}));
      if (key % 3 != 0) continue;
      const std::string path = key % 2 == 0 ? "/poll" : "/slow";
      requests_.push_back(
          std::make_unique<RequestClient>(loop_, log_, RequestClient::Options{port, key, client++, path, 0.2}));
    }
  }

  void start() {
    hub_.start();
    double at = 0;
    for (const auto& stream : streams_) loop_.after(at += 0.004, [client = stream.get()] { client->connect(); });
    for (const auto& request : requests_) loop_.after(at += 0.004, [client = request.get()] { client->start(); });
    const auto open = [&] {
      return std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) { return stream->open(); });
    };
    BOOST_TEST_REQUIRE(loop_.run_until(open, at + 20), proxy_->log());
    loop_.run_for(4);
  }

  void drain(double over) {
    log_.drained = "b1";
    log_.over = over;
    log_.drain_began = loop_.now();
    const auto answer =
        proxy_->admin("POST", "/v1/pools/feed/backends/b1/drain",
                      R"({"over":")" + std::to_string(static_cast<int>(over)) + R"(s","deadline":"30s"})");
    BOOST_TEST_REQUIRE(answer.status == 202, answer.body);
    loop_.run_for(over);
    BOOST_TEST(loop_.run_until([this] { return drained(); }, 20), proxy_->log());
    loop_.run_for(6);
  }

  const EventLog& end() {
    log_.quiet = loop_.now();
    log_.last_event = hub_.last();
    hub_.stop();
    for (const auto& request : requests_) request->leave();
    loop_.run_for(8);
    log_.ended = loop_.now();
    for (const auto& stream : streams_) {
      comments_ += stream->comments_so_far();
      if (stream->returned()) retries_after_return_.insert(stream->stream_retry_ms());
      stream->leave();
    }
    loop_.run_for(0.5);
    return log_;
  }

  std::size_t comments() const { return comments_; }
  const std::set<long>& retries_after_return() const { return retries_after_return_; }
  ProxyProcess& proxy() { return *proxy_; }

 private:
  bool drained() {
    if (loop_.now() < asked_ + 0.3) return false;
    asked_ = loop_.now();
    const auto answer = proxy_->admin("GET", "/v1/pools/feed");
    const auto pool = nlohmann::json::parse(answer.body);
    for (const auto& backend : pool.at("backends")) {
      if (backend.at("name") == "b1") return backend.at("state") == "drained";
    }
    return false;
  }

  Loop loop_;
  EventLog log_;
  EventHub hub_{loop_, 0.25};
  std::vector<std::unique_ptr<Backend>> backends_;
  std::unique_ptr<ProxyProcess> proxy_;
  std::vector<std::unique_ptr<EventClient>> streams_;
  std::vector<std::unique_ptr<RequestClient>> requests_;
  std::size_t comments_ = 0;
  std::set<long> retries_after_return_;
  double asked_ = 0;
};

// Every farewell gave a retry within its bounds, and they differ.
void judge_retries(const EventLog& log) {
  std::set<std::int64_t> given;
  for (const Event& event : log.events) {
    if (event.kind != Kind::StreamEnded || event.time >= log.ended) continue;
    given.insert(event.number);
    BOOST_TEST((event.number >= kRetry && event.number <= kRetry + kRetryJitter),
               "a farewell with retry " << event.number);
  }
  BOOST_TEST(given.size() > 5U, "farewells with only " << given.size() << " different retries");
}

void drain_of(std::uint32_t streams, double over) {
  FeedRun run(streams);
  run.start();
  run.drain(over);
  const EventLog& log = run.end();
  kept(kPromisesToAll, log);
  kept(kPromisesToRequests, log);
  judge_retries(log);
  BOOST_TEST((run.retries_after_return() == std::set<long>{kRetry}),
             "a stream that came back was not told the normal retry");
  BOOST_TEST(run.comments() > streams, "no heartbeats were seen");
  BOOST_TEST(run.proxy().terminate(15) == 0, run.proxy().log());
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_hundred_event_sources_miss_nothing_when_a_backend_drains) {
  drain_of(100, 4);
}

BOOST_AUTO_TEST_CASE(five_hundred_event_sources_miss_nothing_when_a_backend_drains) {
  drain_of(500, 8);
}

}  // namespace limpet::e2e
