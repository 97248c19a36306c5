// SPDX-License-Identifier: Apache-2.0
#include "proxy/server/process.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <thread>

#include "balancer/choice.h"
#include "balancer/hash.h"
#include "metrics/registry.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/control.h"
#include "proxy/base/exit_code.h"
#include "proxy/base/log.h"
#include "proxy/base/version.h"
#include "proxy/net/acceptor.h"
#include "proxy/net/loop.h"
#include "proxy/server/drains.h"
#include "proxy/server/health_checks.h"
#include "proxy/server/reports.h"
#include "proxy/server/session_list.h"
#include "proxy/server/shrinkage.h"
#include "proxy/session/http/http_protocol.h"
#include "proxy/session/worker.h"

namespace limpet::server {

using admin::Admin;
using admin::Control;
using admin::DrainAction;
using admin::DrainOrder;
using admin::DrainPlan;
using admin::Refusal;
using admin::SessionFilter;
using admin::SessionInfo;
using admin::Status;
using admin::Where;
using session::Backend;
using session::BackendState;
using session::Pool;
using session::Worker;

namespace {

constexpr Duration kBusyTick = std::chrono::milliseconds(10);  // while something drains: turns want to be even
constexpr Duration kSweepPeriod = std::chrono::seconds(1);
constexpr Duration kLastRequests = std::chrono::seconds(1);
constexpr std::uint64_t kReservedDescriptors = 64;  // for listeners, health checks, admin and logs

sigset_t handled_signals() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  return mask;
}

class Process final : public Control {
 public:
  Process(const session::Settings& settings, unsigned workers)
      : registry_(workers, std::string(kVersion)),
        shared_(settings.proxy.max_keys, registry_),
        snapshot_(std::make_shared<session::Snapshot>(settings, make_pools(settings))),
        checks_(loop_, snapshot_->pools),
        drains_(shared_),
        reports_(registry_, snapshot_->pools, drains_, workers, std::chrono::steady_clock::now()),
        session_list_(loop_, shared_.workers) {
    for (const auto& pool : snapshot_->pools) {
      for (Backend* backend : pool->view().backends) {
        for (unsigned w = 0; w < workers; ++w) {
          backend->cells.push_back(&registry_.backend(pool->name, backend->name, w));
        }
      }
    }
    shared_.memory_budget = settings.proxy.memory_budget;
    shared_.crash_spread = settings.proxy.crash_spread;
    shared_.observed = [this](const Backend& backend, bool good) {
      loop_.post([this, &backend, good] { checks_.observed(backend, good, loop_.now()); });
    };
    for (unsigned w = 0; w < workers; ++w) {
      workers_.push_back(std::make_unique<Worker>(shared_, static_cast<std::uint16_t>(w), snapshot_, protocol_));
      if (settings.proxy.io == session::ProxySettings::Io::Uring) use_ring(*workers_.back());
      shared_.workers.push_back(workers_.back().get());
    }
  }

  int run();
  static void use_ring(Worker& worker);

  // --- Control ---
  bool accepting() const override { return !leaving_; }
  Status status() override { return reports_.status(leaving_, loop_.now()); }
  std::string metrics() override { return reports_.metrics(loop_.now()); }
  std::optional<Refusal> drain(const std::string& pool, const std::string& backend, const DrainOrder& order,
                               DrainPlan& plan) override;
  std::optional<Refusal> drain_action(const std::string& pool, const std::string& backend, DrainAction action) override;
  std::optional<Refusal> ready(const std::string& pool, const std::string& backend) override;
  void where(const std::string& pool, const std::string& key, std::function<void(std::optional<Where>)> done) override;
  void sessions(const SessionFilter& filter, std::function<void(std::vector<SessionInfo>)> done) override {
    session_list_.find(filter, std::move(done));
  }
  void close(const SessionFilter& filter, std::function<void(std::uint64_t)> done) override {
    session_list_.close(filter, std::move(done));
  }
  void stop() override { begin_leaving(); }

 private:
  static std::vector<std::shared_ptr<Pool>> make_pools(const session::Settings& settings) {
    std::vector<std::shared_ptr<Pool>> pools;
    for (const auto& pool : settings.pools) {
      pools.push_back(std::make_shared<Pool>(pool, static_cast<std::uint32_t>(pools.size())));
    }
    return pools;
  }

  std::optional<std::string> open_listeners();
  void limit_connections();
  void take_signals(int signals);
  Time tick();
  void give_back_memory(Time now);
  void begin_leaving();
  void leave(Time now);
  std::optional<Refusal> look_up(const std::string& pool, const std::string& backend, Pool*& p, Backend*& b);

  net::Loop loop_;
  metrics::Registry registry_;
  session::Shared shared_;
  std::shared_ptr<const session::Snapshot> snapshot_;
  session::HttpProtocol protocol_;
  HealthChecks checks_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<log::AccessLog> access_log_;
  Drains drains_;
  Reports reports_;
  SessionList session_list_;

  Time next_sweep_{};
  Shrinkage shrinkage_;  // of connections and keys
  bool trims_next_ = false;
  bool busy_ = false;
  bool leaving_ = false;  // SIGTERM: the process drains itself
  bool listeners_closed_ = false;
  bool running_ = true;
  Time leaving_since_{};
};

std::optional<std::string> Process::open_listeners() {
  const auto& listeners = snapshot_->settings.listeners;
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (net::Address address : listeners[i].addresses) {
      int shared_unix = -1;
      for (auto& worker : workers_) {
        Fd fd;
        if (shared_unix >= 0) {
          fd.reset(::dup(shared_unix));
        } else {
          auto opened = net::listen_on(address, listeners[i].mode);
          if (!opened) return opened.error().what;
          fd = std::move(opened).value();
          if (address.is_unix()) shared_unix = fd.value();
          address = address.is_unix() ? address : net::bound_address(fd.value());
        }
        worker->listen(static_cast<std::uint16_t>(i), std::move(fd));
      }
      log::info("listening", {{"listener", listeners[i].name}, {"address", address.text()}});
    }
  }
  return std::nullopt;
}

// A session needs two descriptors.
void Process::limit_connections() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  const std::uint64_t descriptors = limit.rlim_cur;
  std::uint64_t idle = 0;  // upstream connections that wait for their next request
  for (const auto& pool : snapshot_->pools) {
    idle += pool->settings().keepalive_connections * pool->view().backends.size() * workers_.size();
  }
  const std::uint64_t reserved =
      std::min(descriptors / 2, kReservedDescriptors + 8 * workers_.size()) + std::min(descriptors / 32, idle);
  const std::uint64_t possible = std::max<std::uint64_t>(1, (descriptors - reserved) / 2);
  const std::uint64_t wanted = snapshot_->settings.proxy.max_sessions;
  shared_.max_connections = wanted == 0 ? possible : std::min(wanted, possible);
  if (wanted > possible) log::warn("max_sessions is more than the descriptor limit allows", {{"possible", possible}});
}

int Process::run() {
  const auto& settings = snapshot_->settings;
  limit_connections();
  if (settings.log.access != "off") {
    std::string problem;
    access_log_ = log::AccessLog::open(settings.log.access, problem);
    if (access_log_ == nullptr) {
      std::cerr << "limpet: " << problem << '\n';
      return kNoInput;
    }
    shared_.access_log = access_log_.get();
  }
  const sigset_t mask = handled_signals();
  const Fd signals(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals.open()) {
    std::cerr << "limpet: signalfd: " << std::strerror(errno) << '\n';
    return kUnavailable;
  }

  if (const auto problem = open_listeners()) {
    std::cerr << "limpet: " << *problem << '\n';
    return kUnavailable;
  }
  Admin admin(loop_.base(), *this, settings.admin);
  if (const auto problem = admin.start()) {
    std::cerr << "limpet: " << *problem << '\n';
    return kUnavailable;
  }
  if (!settings.proxy.pid_file.empty()) std::ofstream(settings.proxy.pid_file) << getpid() << '\n';

  std::vector<std::thread> threads;
  for (auto& worker : workers_) threads.emplace_back([&worker] { worker->run(); });
  log::info("limpet runs", {{"version", kVersion}, {"workers", workers_.size()}, {"pid", getpid()}});
  const int signal_fd = signals.value();
  loop_.watch_descriptor(signal_fd, [this, signal_fd] { take_signals(signal_fd); });
  loop_.set_tick([this] { return tick(); });
  while (running_) loop_.run_round();

  for (auto& worker : workers_) worker->post([&worker] { worker->stop(); });
  for (auto& thread : threads) thread.join();
  workers_.clear();
  if (!settings.proxy.pid_file.empty()) ::unlink(settings.proxy.pid_file.c_str());
  for (const auto& listener : settings.listeners) {
    for (const auto& address : listener.addresses) {
      if (address.is_unix()) ::unlink(address.unix_path().c_str());
    }
  }
  log::info("limpet has left");
  return 0;
}

// What the kernel lacks is no reason not to serve.
void Process::use_ring(Worker& worker) {
  const std::string why = worker.loop().use_ring();
  if (!why.empty())
    log::warn("io = \"uring\" is not possible here, epoll is used", {{"worker", worker.index()}, {"why", why}});
}

void Process::take_signals(int signals) {
  signalfd_siginfo info{};
  while (::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP) {
      if (access_log_) access_log_->reopen();
      continue;
    }
    if (leaving_) running_ = false;  // a second one stops now
    begin_leaving();
  }
}

void Process::begin_leaving() {
  if (leaving_) return;
  leaving_ = true;
  leaving_since_ = loop_.now();
  loop_.tick_by(leaving_since_);
  log::info("leaving: not ready from now on, sessions go on for drain_delay");
}

// The heap keeps what thousands of sessions have left behind; once they and their keys are gone the system gets it
// back.
void Process::give_back_memory(Time now) {
  if (busy_) return;  // it holds up whoever allocates meanwhile: not while something wants even turns
  if (trims_next_) {
    trims_next_ = false;
    malloc_trim(0);
  }
  std::uint64_t held = shared_.connections.load(std::memory_order_relaxed);
  for (const auto& pool : snapshot_->pools) {
    for (Backend* backend : pool->view().backends) held += backend->keys.load(std::memory_order_relaxed);
  }
  if (!shrinkage_.is_due(held, now)) return;
  for (auto* worker : shared_.workers) worker->post([worker] { worker->give_back_memory(); });
  trims_next_ = true;  // when the workers have done theirs
}

Time Process::tick() {
  const Time now = loop_.now();
  if (now >= next_sweep_) {
    next_sweep_ = now + kSweepPeriod;
    shared_.affinity.sweep(now);
    give_back_memory(now);
  }
  const Time check_due = checks_.tick(now);
  drains_.step(now);
  if (leaving_) leave(now);
  busy_ = leaving_ || !drains_.empty();
  return std::min({next_sweep_, check_due, busy_ ? now + kBusyTick : Time::max()});
}

// After drain_delay: listeners close, then every backend's sessions leave by farewell at one pace.
void Process::leave(Time now) {
  const auto& proxy = snapshot_->settings.proxy;
  if (now < leaving_since_ + proxy.drain_delay) return;
  if (!listeners_closed_) {
    listeners_closed_ = true;
    shared_.draining.store(true, std::memory_order_relaxed);
    for (auto& worker : workers_) worker->post([&worker] { worker->stop_listening(); });
    DrainOrder order;
    order.over = proxy.drain_over;
    order.deadline = proxy.drain_deadline;
    for (const auto& pool : snapshot_->pools) {
      for (Backend* backend : pool->view().backends) {
        drains_.forget(*backend);  // its own may be soft, paused or slower
        drains_.start(*pool, *backend, order, true, now);
      }
    }
    return;
  }
  std::uint64_t open = 0;
  for (const auto& pool : snapshot_->pools) {
    for (Backend* backend : pool->view().backends) open += backend->sessions.load(std::memory_order_relaxed);
  }
  // Requests that were on their way when the listeners closed still get their answer.
  const Duration since_closed = now - leaving_since_ - proxy.drain_delay;
  const bool answered = since_closed >= kLastRequests && shared_.buffered.load(std::memory_order_relaxed) <= 0;
  const bool quiet = open == 0 && (shared_.connections.load(std::memory_order_relaxed) == 0 || answered);
  if (quiet || since_closed >= proxy.drain_deadline + std::chrono::seconds(1)) running_ = false;
}

std::optional<Refusal> Process::look_up(const std::string& pool, const std::string& backend, Pool*& p, Backend*& b) {
  p = snapshot_->find_pool(pool);
  if (p == nullptr) return Refusal{404, "no pool '" + pool + "'"};
  b = p->find(backend);
  if (b == nullptr) return Refusal{404, "pool '" + pool + "' has no backend '" + backend + "'"};
  return std::nullopt;
}

std::optional<Refusal> Process::drain(const std::string& pool, const std::string& backend, const DrainOrder& order,
                                      DrainPlan& plan) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  plan = drains_.plan(*p, *b, order);
  if (b->state.load() != BackendState::Ready) {
    return Refusal{409, "'" + backend + "' is " + state_text(b->state.load()) + " already"};
  }
  const bool other_available = std::ranges::any_of(
      p->view().backends, [&](const Backend* other) { return other != b && other->is_available(); });
  if (!other_available && !order.force) {
    return Refusal{409, "'" + backend + "' is the last available backend of its pool; --force drains it all the same"};
  }
  if (order.dry_run) return std::nullopt;
  drains_.start(*p, *b, order, false, loop_.now());
  loop_.tick_by(loop_.now());
  return std::nullopt;
}

std::optional<Refusal> Process::drain_action(const std::string& pool, const std::string& backend, DrainAction action) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  return drains_.act(*b, action, loop_.now());
}

std::optional<Refusal> Process::ready(const std::string& pool, const std::string& backend) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  drains_.forget(*b);
  b->state.store(BackendState::Ready);
  log::info("ready", {{"pool", pool}, {"backend", backend}});
  return std::nullopt;
}

void Process::where(const std::string& pool, const std::string& key, std::function<void(std::optional<Where>)> done) {
  const Pool* p = snapshot_->find_pool(pool);
  if (pool.empty()) {
    for (const auto& candidate : snapshot_->pools) {
      if (p == nullptr || shared_.affinity.find(*candidate, key, loop_.now()).backend != nullptr) p = candidate.get();
    }
  }
  if (p == nullptr) return done(std::nullopt);
  auto answer = std::make_shared<Where>();
  answer->key = key;
  const session::PoolView& view = p->view();
  const std::uint64_t hash = balancer::hash_key(key, view.settings->hash_seed);
  std::vector<balancer::Index> ranking;
  view.ranker->rank(hash, ranking);
  for (const auto index : ranking) answer->ranking.push_back(view.backends[index]->name);
  const auto placement = shared_.affinity.find(*p, key, loop_.now());
  if (placement.backend != nullptr && placement.backend->serves()) {
    answer->backend = placement.backend->name;
    answer->reason = "live";
  } else {
    std::vector<balancer::Candidate> candidates;
    view.candidates({}, candidates);
    const auto choice = balancer::choose_by_hash(*view.ranker, hash, candidates, view.settings->load_factor, ranking);
    if (choice) answer->backend = view.backends[choice->backend]->name;
    answer->reason = !choice ? "no_backend" : choice->how == balancer::How::Fallback ? "fallback" : "hash";
  }
  SessionFilter filter;
  filter.pool = p->name;
  filter.key = key;
  session_list_.find(filter, [answer, done = std::move(done)](std::vector<SessionInfo> open) {
    answer->sessions = std::move(open);
    done(*answer);
  });
}

}  // namespace

int run_proxy(const session::Settings& settings) {
  std::signal(SIGPIPE, SIG_IGN);
  // Before the first thread: every thread inherits it, and the control loop alone reads the signals.
  const sigset_t mask = handled_signals();
  pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  log::start(static_cast<log::Level>(settings.log.level), settings.log.json);
  const unsigned workers =
      settings.proxy.workers > 0 ? settings.proxy.workers : std::max(1U, std::thread::hardware_concurrency());
  int code = kInternal;
  try {
    Process process(settings, workers);
    code = process.run();
  } catch (const std::exception& failure) {
    std::cerr << "limpet: " << failure.what() << '\n';
  }
  log::stop();
  return code;
}

}  // namespace limpet::server
