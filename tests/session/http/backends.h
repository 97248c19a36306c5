// SPDX-License-Identifier: Apache-2.0
// Backends: scripted clients before two backends, "a" and "b", on loopback, each of which can be slow, refuse, be full,
// lose a connection or be called down by its checks. Clients name their key in X-Key. One thread, a clock that is set
// by hand.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/ranker.h"
#include "metrics/registry.h"
#include "proxy/net/acceptor.h"
#include "proxy/session/http/connection.h"
#include "proxy/session/http/http_protocol.h"
#include "proxy/session/worker.h"
#include "tests/session/scripted_stream.h"

namespace limpet::session {

class Backends {
 public:
  enum Name : std::size_t { a, b };

  // `change`: what is not as usual.
  explicit Backends(const std::function<void(PoolSettings&, RouteSettings&)>& change = {}) {
    auto settings = std::make_shared<PoolSettings>();
    settings->name = "main";
    settings->cookie.enabled = false;
    settings->keys = {{KeySource::Kind::Header, "X-Key", 0}};
    for (const Name name : {a, b}) {
      auto& listening = backends_[name].listening;
      listening = net::listen_on(net::Address::parse("127.0.0.1:0").value(), 0).value();
      settings->backends.push_back({name == a ? "a" : "b", net::bound_address(listening.value()), 1});
    }
    auto route = std::make_shared<RouteSettings>();
    route->pool = "main";
    if (change) change(*settings, *route);
    pool_ = std::make_shared<Pool>(std::shared_ptr<const PoolSettings>(settings));
    for (const Name name : {a, b}) backend(name).cells = {&registry_.backend("main", backend(name).name, 0)};
    shared.max_connections = 1000;
    shared.observed = [this](const Backend& backend, bool good) {
      if (!good) ++failures[backend.name == "a" ? a : b];
    };
    Settings all;
    all.listeners.emplace_back().name = "web";
    all.listeners.back().pool = "main";
    all.routes = {route};
    worker_ = std::make_unique<Worker>(
        shared, 0, std::make_shared<const Snapshot>(all, std::vector<std::shared_ptr<Pool>>{pool_}), protocol_, &clock);
    shared.workers = {worker_.get()};
  }
  ~Backends() {
    worker_.reset();
    BOOST_TEST(shared.buffered == 0);
  }

  Script& client() {
    clients_.push_back(std::make_unique<Script>());
    worker_->accepted(0, clients_.back()->make_stream(), net::Address::parse("127.0.0.9:9").value());
    return *clients_.back();
  }
  // A key whose ranking begins with that backend.
  std::string key_of(Name name) const {
    for (int i = 0;; ++i) {
      std::string key = "key" + std::to_string(i);
      if (pool_->view().ranker->first(balancer::hash_key(key, 0)) == name) return key;
    }
  }

  void run_round() {
    for (auto& client : clients_) client->step();
    worker_->loop().tick_by(clock.now());  // so that the round ends though nothing comes
    worker_->run_round();
    for (auto& backend : backends_) {
      if (backend.full) continue;
      Fd fd(backend.listening.open()
                ? ::accept4(backend.listening.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)
                : -1);
      if (fd.open()) backend.connections.push_back(std::move(fd));
      if (!backend.reads) continue;
      for (std::size_t i = 0; i < backend.connections.size(); ++i) hear(backend, i);
    }
  }
  void run_rounds() {
    for (int i = 0; i < 6; ++i) run_round();
  }
  void pass(Duration time) {
    clock.advance(time);
    run_rounds();
  }

  void asks(Script& client, std::string_view request) {
    for (auto& backend : backends_) backend.heard.clear();
    client.written.clear();
    client.brings(request);
    run_rounds();
  }
  // What it has heard since the last request.
  const std::string& heard(Name name) const { return backends_[name].heard; }
  std::size_t connections(Name name) const { return backends_[name].connections.size(); }
  // Over the connection that it heard last.
  void says(Name name, std::string_view text) {
    BOOST_TEST_REQUIRE(!backends_[name].connections.empty());
    const Fd& fd = backends_[name].connections[backends_[name].talking];
    BOOST_TEST_REQUIRE(fd.open());
    BOOST_TEST_REQUIRE(::send(fd.value(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    run_rounds();
  }
  void loses_its_connections(Name name) {
    closes_unseen(name);
    run_rounds();
  }
  void resets_unseen(Name name) {
    const linger at_once{1, 0};
    for (auto& connection : backends_[name].connections) {
      if (connection.open()) ::setsockopt(connection.value(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    closes_unseen(name);
  }
  // Nobody has looked since.
  void closes_unseen(Name name) {
    for (auto& connection : backends_[name].connections) connection.reset();
  }
  // Nobody listens there any more; its connections are lost, too.
  void dies(Name name) {
    backends_[name].listening.reset();
    loses_its_connections(name);
  }
  // Its queue is full: connects to it neither succeed nor fail.
  void fills(Name name) {
    auto& one = backends_[name];
    one.full = true;
    BOOST_TEST_REQUIRE(::listen(one.listening.value(), 0) == 0);
    const auto address = net::bound_address(one.listening.value());
    for (int i = 0; i < 4; ++i) {
      one.fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(one.fillers.back().value(), address.raw(), address.raw_size());
    }
  }
  // What filled its queue leaves it; the next connects come in, within the kernel's time for another attempt.
  void makes_room(Name name) {
    auto& one = backends_[name];
    one.full = false;
    one.fillers.clear();
    pollfd readable{one.listening.value(), POLLIN, 0};
    while (one.connections.empty() && ::poll(&readable, 1, 5000) > 0) {
      Fd fd(::accept4(one.listening.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      char byte;
      if (::recv(fd.value(), &byte, 1, MSG_PEEK) != 0) one.connections.push_back(std::move(fd));  // 0: it filled
    }
    run_rounds();
  }
  void reads(Name name, bool does) { backends_[name].reads = does; }
  // It reads so much of what has come, at most.
  void takes(Name name, std::size_t size) {
    std::string bytes(size, '\0');
    auto& one = backends_[name];
    const ssize_t n = ::recv(one.connections.back().value(), bytes.data(), bytes.size(), 0);
    if (n > 0) one.heard.append(bytes, 0, static_cast<std::size_t>(n));
  }
  // All of what has been and is being sent, so many bytes since the last request.
  void takes_all(Name name, std::size_t size) {
    auto& one = backends_[name];
    pollfd readable{one.connections.back().value(), POLLIN, 0};
    while (one.heard.size() < size && ::poll(&readable, 1, 5000) > 0) {
      hear(one, one.connections.size() - 1);
      run_round();
    }
    BOOST_TEST(one.heard.size() == size);
    one.reads = true;
  }
  void small_buffers(Name name) {
    const int size = 4096;
    ::setsockopt(backends_[name].listening.value(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }

  Backend& backend(Name name) { return *pool_->view().backends[name]; }
  // The turn of that key on that backend has come, in a drain.
  void turn_of(std::string_view key, Name name) {
    backend(name).state = BackendState::Draining;
    SessionRefs departing;
    shared.affinity.take_turn(*pool_, key, backend(name), 100, true, departing);
    shared.dismiss(departing, CloseReason::Drained);
    run_rounds();
  }
  Worker& worker() { return *worker_; }

  metrics::Registry registry_{1, "test"};
  Shared shared{1000, registry_};
  ManualClock clock;
  std::array<int, 2> failures{};  // that were observed

 private:
  struct One {
    Fd listening;
    std::vector<Fd> connections;
    std::vector<Fd> fillers;
    std::string heard;
    std::size_t talking = 0;  // which connection
    bool full = false;
    bool reads = true;
  };
  static void hear(One& backend, std::size_t at) {
    Fd& connection = backend.connections[at];
    char buffer[4096];
    ssize_t n;
    while (connection.open() && (n = ::recv(connection.value(), buffer, sizeof buffer, 0)) >= 0) {
      backend.heard.append(buffer, static_cast<std::size_t>(n));
      if (n == 0) connection.reset();
      if (n > 0) backend.talking = at;
    }
  }

  HttpProtocol protocol_;
  std::shared_ptr<Pool> pool_;
  std::array<One, 2> backends_;
  std::vector<std::unique_ptr<Script>> clients_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace limpet::session
