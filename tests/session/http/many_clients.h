// SPDX-License-Identifier: Apache-2.0
// ManyClients: scripted clients before one backend on loopback, whose connections the test holds: which client is
// served over which of them, and who reads what came on it. One thread, a clock that is set by hand.
#pragma once

#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/registry.h"
#include "proxy/net/acceptor.h"
#include "proxy/session/http/connection.h"
#include "proxy/session/http/http_protocol.h"
#include "proxy/session/worker.h"
#include "tests/session/scripted_stream.h"

namespace limpet::session {

class ManyClients {
 public:
  // Clients of 127.0.0.8 are trusted proxies.
  ManyClients() {
    listening_ = net::listen_on(net::Address::parse("127.0.0.1:0").value(), 0).value();
    auto settings = std::make_shared<PoolSettings>();
    settings->name = "main";
    settings->cookie.enabled = false;
    settings->keys.emplace_back();  // the client's address
    settings->backends.push_back({"one", net::bound_address(listening_.value()), 1});
    pool_ = std::make_shared<Pool>(std::shared_ptr<const PoolSettings>(settings));
    pool_->view().backends[0]->cells = {&registry_.backend("main", "one", 0)};
    shared.max_connections = 1000;
    shared.observed = [](const Backend&, bool) {};
    Settings all;
    auto& listener = all.listeners.emplace_back();
    listener.name = "web";
    listener.pool = "main";
    listener.trusted_proxies = {*net::Cidr::parse("127.0.0.8/32")};
    worker = std::make_unique<Worker>(
        shared, 0, std::make_shared<const Snapshot>(all, std::vector<std::shared_ptr<Pool>>{pool_}), protocol, &clock);
    shared.workers = {worker.get()};
  }
  ~ManyClients() {
    worker.reset();
    BOOST_TEST(shared.buffered == 0);
  }

  Script& client(const char* address = "127.0.0.9:9") {
    clients_.push_back(std::make_unique<Script>());
    worker->accepted(0, clients_.back()->make_stream(), net::Address::parse(address).value());
    return *clients_.back();
  }

  void run_round() {
    for (auto& client : clients_) client->step();
    worker->loop().tick_by(clock.now());  // so that the round ends though nothing comes
    worker->run_round();
    Fd fd(::accept4(listening_.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.open()) upstreams_.push_back({std::move(fd), {}});
    for (auto& upstream : upstreams_) {
      char buffer[4096];
      ssize_t n;
      while (upstream.fd.open() && (n = ::recv(upstream.fd.value(), buffer, sizeof buffer, 0)) >= 0) {
        upstream.heard.append(buffer, static_cast<std::size_t>(n));
        if (n == 0) upstream.fd.reset();
      }
    }
  }
  void run_rounds() {
    for (int i = 0; i < 6; ++i) run_round();
  }
  void pass(Duration time) {
    clock.advance(time);
    run_rounds();
  }

  // The request's way: over which of the backend's connections it comes, in the order in which they were opened; -1:
  // none.
  int asks(Script& client, std::string_view request) {
    for (auto& upstream : upstreams_) upstream.heard.clear();
    client.brings(request);
    run_rounds();
    for (std::size_t i = 0; i < upstreams_.size(); ++i) {
      if (!upstreams_[i].heard.empty()) return static_cast<int>(i);
    }
    return -1;
  }
  void says(int upstream, std::string_view text) {
    const Fd& fd = upstreams_.at(static_cast<std::size_t>(upstream)).fd;
    BOOST_TEST_REQUIRE(fd.open());
    BOOST_TEST_REQUIRE(::send(fd.value(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  // The request goes out in the round of the loop in which `stray` is found, and before it is.
  void asks_as_it_says(Script& client, std::string_view request, int upstream, std::string_view stray) {
    run_rounds();
    for (auto& each : upstreams_) each.heard.clear();
    client.brings(request);
    worker->post([&client] { client.step(); });
    says(upstream, stray);
    worker->run_round();
    run_rounds();
  }
  // Asks and is answered; over which connection.
  int exchange(Script& client, std::string_view request, std::string_view answer) {
    const int upstream = asks(client, request);
    BOOST_TEST_REQUIRE(upstream >= 0, client.written);
    client.written.clear();
    says(upstream, answer);
    run_rounds();
    return upstream;
  }
  void ends(int upstream) {
    upstreams_.at(static_cast<std::size_t>(upstream)).fd.reset();
    run_rounds();
  }
  bool is_open(int upstream) const { return upstreams_.at(static_cast<std::size_t>(upstream)).fd.open(); }
  std::string heard(int upstream) const { return upstreams_.at(static_cast<std::size_t>(upstream)).heard; }
  Backend& backend() { return *pool_->view().backends[0]; }

  metrics::Registry registry_{1, "test"};
  Shared shared{1000, registry_};
  ManualClock clock;
  HttpProtocol protocol;
  std::unique_ptr<Worker> worker;

 private:
  struct Upstream {
    Fd fd;
    std::string heard;
  };
  std::shared_ptr<Pool> pool_;
  Fd listening_;
  std::vector<Upstream> upstreams_;
  std::vector<std::unique_ptr<Script>> clients_;
};

}  // namespace limpet::session
