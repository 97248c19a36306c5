// SPDX-License-Identifier: Apache-2.0
// For tests of the admin API and of the commands that call it: a Control that does as it is told and notes what it is
// asked, and a real Admin before it on a real event loop in a thread of its own, on a unix socket and a TCP port.
#pragma once

#include <event2/event.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proxy/admin/admin.h"
#include "proxy/base/fd.h"
#include "proxy/net/address.h"

namespace limpet::admin {

inline constexpr std::chrono::seconds kPatience{20};

// What a scripted proxy has: two pools, one backend name in both, a client's key that is hostile to terminals and JSON.
inline Status example_status() {
  Status status;
  status.version = "9.8.7";
  status.uptime_s = 3725.25;
  status.pid = 4242;
  status.workers = 2;
  status.state = "running";
  status.sessions = {{"websocket", 3}, {"sse", 1}};
  PoolStatus chat{"chat", "ring", "0123456789abcdef", 2, {}};
  chat.backends.push_back({"chat-1", "127.0.0.1:9001", "ready", "up", 1, 0.5, 3, {{"websocket", 3}, {"sse", 1}}, {}});
  chat.backends.push_back({"shared", "127.0.0.1:9002", "ready", "down", 1, 0.5, 0, {}, {}});
  PoolStatus api{"api", "maglev", "fedcba9876543210", 0, {}};
  api.backends.push_back({"shared", "127.0.0.1:9003", "drained", "up", 2, 1.0, 0, {}, {}});
  status.pools = {chat, api};
  return status;
}

inline SessionInfo example_session() {
  SessionInfo session;
  session.id = "0.7.1";
  session.protocol = "websocket";
  session.pool = "chat";
  session.backend = "chat-1";
  session.key = "al\x1b[31mice\xff";
  session.pick_reason = "hash";
  session.client = "192.0.2.7:4000";
  session.route = "/";
  session.listener = "web";
  session.state = "open";
  session.age_s = 61.5;
  session.idle_s = 2;
  session.bytes_to_client = 2048;
  return session;
}

// Members are set and read under `guard` while the loop runs.
class ScriptedControl final : public Control {
 public:
  template <typename Do>
  auto locked(Do action) const {
    const std::lock_guard lock(guard);
    return action();
  }

  // Before its users: its return type is deduced.
  bool accepting() const override {
    return locked([&] { return is_accepting; });
  }
  Status status() override {
    return locked([&] {
      ++status_calls;
      if (on_status) on_status(now);
      return now;
    });
  }
  std::string metrics() override {
    return locked([&] { return metrics_text; });
  }

  std::optional<Refusal> drain(const std::string& pool, const std::string& backend, const DrainOrder& order,
                               DrainPlan& plan) override {
    return locked([&] {
      drained = pool + "/" + backend;
      order_given = order;
      plan = plan_to_give;
      if (!refusal && on_drain) on_drain(now, pool, backend);
      return refusal;
    });
  }
  std::optional<Refusal> drain_action(const std::string& pool, const std::string& backend,
                                      DrainAction action) override {
    return locked([&] {
      drained = pool + "/" + backend;
      action_given = action;
      return refusal;
    });
  }
  std::optional<Refusal> ready(const std::string& pool, const std::string& backend) override {
    return locked([&] {
      readied.push_back(pool + "/" + backend);
      return refusal;
    });
  }

  void where(const std::string& pool, const std::string& key, std::function<void(std::optional<Where>)> done) override {
    const bool known = pool == "chat" || pool == "api";
    const Where where{key, "chat-1", "hash", {"chat-1", "shared"}, {example_session()}};
    done(known ? std::optional(where) : std::nullopt);
  }
  void sessions(const SessionFilter& filter, std::function<void(std::vector<SessionInfo>)> done) override {
    locked([&] {
      filter_given = filter;
      if (holds_answers) {
        held = std::move(done);
      }
      return 0;
    });
    if (done) done({example_session()});
  }
  void close(const SessionFilter& filter, std::function<void(std::uint64_t)> done) override {
    locked([&] { return filter_given = filter; });
    done(3);
  }
  void stop() override {
    locked([&] { return is_stopped = true; });
  }

  mutable std::mutex guard;
  Status now = example_status();
  std::function<void(Status&)> on_status;
  std::function<void(Status&, const std::string& pool, const std::string& backend)> on_drain;
  std::string metrics_text = "# TYPE limpet_sessions gauge\n";
  std::optional<Refusal> refusal;
  DrainPlan plan_to_give;
  bool is_accepting = true;
  bool holds_answers = false;
  std::function<void(std::vector<SessionInfo>)> held;

  std::string drained;
  DrainOrder order_given;
  std::optional<DrainAction> action_given;
  std::vector<std::string> readied;
  SessionFilter filter_given;
  bool is_stopped = false;
  int status_calls = 0;
};

// A directory of its own that goes with the test.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string path = "/tmp/limpet-admin-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~ScratchDirectory() { std::system(("rm -rf " + path_).c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A loop in a thread; work for it runs between its rounds.
class RunningLoop {
 public:
  RunningLoop() : base_(event_base_new()) {
    tick_ = event_new(
        base_, -1, EV_PERSIST, [](evutil_socket_t, short, void*) {}, nullptr);
    const timeval often{0, 2000};
    event_add(tick_, &often);
    thread_ = std::thread([this] {
      while (!stops_) {
        event_base_loop(base_, EVLOOP_ONCE);
        const std::lock_guard lock(guard_);
        if (work_) std::exchange(work_, nullptr)();
      }
    });
  }
  ~RunningLoop() {
    stops_ = true;
    thread_.join();
    event_free(tick_);
    event_base_free(base_);
  }
  event_base* base() { return base_; }

  // Runs `action` on the loop's thread and waits for it.
  void run(std::function<void()> action) {
    std::atomic<bool> done = false;
    {
      const std::lock_guard lock(guard_);
      work_ = [&] {
        action();
        done = true;
      };
    }
    while (!done) std::this_thread::yield();
  }

 private:
  event_base* base_;
  event* tick_ = nullptr;
  std::mutex guard_;
  std::function<void()> work_;
  std::atomic<bool> stops_ = false;
  std::thread thread_;
};

// A raw client connection.
class RawClient {
 public:
  explicit RawClient(const std::string& address) {
    auto parsed = net::Address::parse(address);
    BOOST_REQUIRE(parsed.ok());
    fd_.reset(::socket(parsed->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    BOOST_REQUIRE_EQUAL(::connect(fd_.value(), parsed->raw(), parsed->raw_size()), 0);
  }
  void sends(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has had enough; its answer tells
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Until the server closes.
  std::string receives_all() {
    while (receive_some()) {
    }
    return received_;
  }
  // True once `text` has come.
  bool receives(const std::string& text) {
    while (received_.find(text) == std::string::npos) {
      if (!receive_some()) return false;
    }
    return true;
  }
  const std::string& received() const { return received_; }
  bool has_news() const {
    pollfd waiting{fd_.value(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
  }

 private:
  bool receive_some() {
    pollfd waiting{fd_.value(), POLLIN, 0};
    BOOST_REQUIRE_MESSAGE(::poll(&waiting, 1, std::chrono::milliseconds(kPatience).count()) == 1,
                          "silence after: " + received_);
    char chunk[4096];
    const ssize_t got = ::recv(fd_.value(), chunk, sizeof chunk, 0);
    if (got > 0) received_.append(chunk, static_cast<std::size_t>(got));
    return got > 0;
  }
  Fd fd_;
  std::string received_;
};

struct Answer {
  int status = 0;
  std::string head;  // with the status line, up to the empty line
  std::string body;
  bool has_field(const std::string& line) const { return head.find("\r\n" + line + "\r\n") != std::string::npos; }
};

inline Answer answer_from(const std::string& text) {
  Answer answer;
  const auto end = text.find("\r\n\r\n");
  if (text.starts_with("HTTP/1.1 ") && end != std::string::npos) {
    answer.status = std::stoi(text.substr(9, 3));
    answer.head = text.substr(0, end + 2);
    answer.body = text.substr(end + 4);
  }
  return answer;
}

struct RunningAdmin {
  explicit RunningAdmin(std::string token = "", bool metrics_public = false) {
    ::signal(SIGPIPE, SIG_IGN);  // as the process does
    session::AdminSettings settings;
    settings.socket = directory.path() + "/run/admin.sock";
    settings.address = "127.0.0.1:0";
    settings.token = std::move(token);
    settings.metrics_public = metrics_public;
    loop.run([&] {
      admin = std::make_unique<Admin>(loop.base(), control, settings);
      problem = admin->start();
    });
    BOOST_REQUIRE_MESSAGE(!problem, *problem);
    unix_address = "unix:" + settings.socket;
    tcp_address = "127.0.0.1:" + std::to_string(admin->port());
  }
  ~RunningAdmin() {
    loop.run([&] { admin.reset(); });
  }

  Answer over_unix(const std::string& method, const std::string& target, const std::string& body = "") {
    return exchange(unix_address, method, target, "Host: x\r\n", body);
  }
  // `fields` are whole lines.
  Answer over_tcp(const std::string& method, const std::string& target, const std::string& fields = "",
                  const std::string& body = "") {
    const bool has_host = fields.find("Host:") != std::string::npos;
    return exchange(tcp_address, method, target, (has_host ? "" : "Host: " + tcp_address + "\r\n") + fields, body);
  }
  static Answer exchange(const std::string& address, const std::string& method, const std::string& target,
                         const std::string& fields, const std::string& body) {
    RawClient client(address);
    const bool has_body = method == "POST" || !body.empty();
    client.sends(method + " " + target + " HTTP/1.1\r\n" + fields +
                 (has_body ? "Content-Length: " + std::to_string(body.size()) + "\r\n" : "") + "\r\n" + body);
    return answer_from(client.receives_all());
  }

  ScratchDirectory directory;
  ScriptedControl control;
  RunningLoop loop;
  std::unique_ptr<Admin> admin;
  std::optional<std::string> problem;
  std::string unix_address, tcp_address;
};

}  // namespace limpet::admin
