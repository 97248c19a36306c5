// SPDX-License-Identifier: Apache-2.0
#include "proxy/server/process.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iostream>
#include <map>
#include <thread>

#include "balancer/schedule.h"
#include "metrics/registry.h"
#include "proxy/base/crypto.h"
#include "proxy/base/log.h"
#include "proxy/net/acceptor.h"
#include "proxy/net/event_memory.h"
#include "proxy/net/loop.h"
#include "proxy/net/tcp_stream.h"
#include "proxy/server/admin.h"
#include "proxy/server/control.h"
#include "proxy/server/exit_code.h"
#include "proxy/server/health_checks.h"
#include "proxy/server/version.h"
#include "proxy/session/worker.h"

namespace limpet::server {

using session::Backend;
using session::BackendHealth;
using session::BackendState;
using session::CloseReason;
using session::Pool;
using session::Session;
using session::SessionRef;
using session::Worker;

namespace {

constexpr Duration kBusyTick = std::chrono::milliseconds(10);  // while something drains: turns want to be even
constexpr Duration kCalmTick = std::chrono::milliseconds(50);
constexpr Duration kSweepPeriod = std::chrono::seconds(1);
constexpr Duration kTrimDelay = std::chrono::seconds(3);  // after the last of many sessions has gone
constexpr Duration kLastRequests = std::chrono::seconds(1);
constexpr std::uint64_t kTicksPerLateKeys = 50;
constexpr std::uint64_t kReservedDescriptors = 64;  // for listeners, health checks, admin and logs

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// One backend that is being emptied.
struct Drain {
  Pool* pool = nullptr;
  Backend* backend = nullptr;
  DrainOrder order;
  std::unique_ptr<balancer::Schedule> schedule;  // null: soft
  Time began{};
  Time deadline{};
  Time paused_at{};
  bool process_leaves = false;  // the backend stays as it is: what still comes on kept connections is answered
  bool finished = false;
  std::uint64_t total = 0;
  std::uint64_t moved = 0;
  std::uint64_t cut = 0;
  bool deadline_passed = false;
};

sigset_t handled_signals() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  return mask;
}

std::string id_text(const SessionRef& ref) {
  return std::to_string(ref.worker) + "." + std::to_string(ref.slot) + "." + std::to_string(ref.generation);
}

SessionInfo describe(Session& session, Time now) {
  auto& record = session.record();
  SessionInfo info;
  info.id = id_text(record.member.ref);
  info.protocol = metrics::name(record.protocol());
  info.pool = record.route ? record.route->pool : "";
  info.backend = record.member.backend != nullptr ? record.member.backend->name : "";
  info.key = session::Affinity::key_of(record.member);
  info.pick_reason = metrics::name(record.pick_reason());
  const std::string ip = record.client.text();
  info.client = (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + std::to_string(record.client_port);
  info.route = record.route ? record.route->host + record.route->path : "";
  info.listener = record.worker.snapshot().settings.listeners[record.listener].name;
  info.state = session.state_name();
  info.age_s = seconds_of(now - record.opened_at);
  info.idle_s = seconds_of(now - session.last_activity());
  info.bytes_to_client = record.bytes(metrics::Direction::ToClient);
  info.bytes_to_backend = record.bytes(metrics::Direction::ToBackend);
  info.messages_to_client = record.messages(metrics::Direction::ToClient);
  info.messages_to_backend = record.messages(metrics::Direction::ToBackend);
  return info;
}

bool matches(const SessionInfo& info, const SessionFilter& filter) {
  const auto fits = [](const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; };
  return fits(filter.pool, info.pool) && fits(filter.backend, info.backend) && fits(filter.protocol, info.protocol) &&
         fits(filter.key, info.key) && info.age_s * 1000 >= static_cast<double>(filter.min_age.count()) &&
         info.idle_s * 1000 >= static_cast<double>(filter.min_idle.count());
}

const char* state_text(BackendState state) {
  switch (state) {
  case BackendState::Ready:
    return "ready";
  case BackendState::Draining:
    return "draining";
  case BackendState::Drained:
    return "drained";
  }
  return "";
}

class Process final : public Control {
 public:
  Process(const session::Settings& settings, unsigned workers)
      : registry_(workers, std::string(kVersion)),
        shared_(settings.proxy.max_keys, registry_),
        snapshot_(std::make_shared<session::Snapshot>(settings, make_pools(settings))),
        checks_(loop_, snapshot_->pools),
        started_(std::chrono::steady_clock::now()) {
    for (const auto& pool : snapshot_->pools) {
      for (const auto& backend : pool->backends) {
        for (unsigned w = 0; w < workers; ++w) {
          backend->cells.push_back(&registry_.backend(pool->settings->name, backend->name, w));
        }
      }
    }
    shared_.memory_budget = settings.proxy.memory_budget;
    shared_.crash_spread = settings.proxy.crash_spread;
    shared_.observed = [this](const Backend& backend, bool good) {
      loop_.post([this, &backend, good] { checks_.observed(backend, good, loop_.now()); });
    };
    for (unsigned w = 0; w < workers; ++w) {
      workers_.push_back(std::make_unique<Worker>(shared_, static_cast<std::uint16_t>(w), snapshot_));
      shared_.workers.push_back(workers_.back().get());
    }
  }

  int run();

  // --- Control ---
  bool accepting() const override { return !leaving_; }
  Status status() override;
  std::string metrics() override;
  std::optional<Refusal> drain(const std::string& pool, const std::string& backend, const DrainOrder& order,
                               DrainPlan& plan) override;
  std::optional<Refusal> drain_action(const std::string& pool, const std::string& backend, DrainAction action) override;
  std::optional<Refusal> ready(const std::string& pool, const std::string& backend) override;
  void where(const std::string& pool, const std::string& key, std::function<void(std::optional<Where>)> done) override;
  void sessions(const SessionFilter& filter, std::function<void(std::vector<SessionInfo>)> done) override;
  void close(const SessionFilter& filter, std::function<void(std::uint64_t)> done) override;
  void stop() override { begin_leaving(); }

 private:
  static std::vector<std::shared_ptr<Pool>> make_pools(const session::Settings& settings) {
    std::vector<std::shared_ptr<Pool>> pools;
    for (const auto& pool : settings.pools) pools.push_back(std::make_shared<Pool>(pool));
    return pools;
  }

  std::optional<std::string> open_listeners();
  void limit_connections();
  void take_signals(int signals);
  void tick();
  void step(Drain& drain, Time now);
  void cut_all(const Backend& backend, CloseReason reason, Drain* drain);
  void give_back_memory(Time now);
  void begin_leaving();
  void leave(Time now);
  void start_drain(Pool& pool, Backend& backend, const DrainOrder& order, bool process_leaves);
  void forget_drain(const Backend& backend);
  Drain* find_drain(const Backend& backend);
  DrainPlan plan_of(const Pool& pool, const Backend& backend, const DrainOrder& order);
  PoolStatus pool_status(const Pool& pool);
  BackendStatus backend_status(const Pool& pool, const Backend& backend, double share);
  const std::vector<double>& shares_of(const Pool& pool);
  // Runs `collect` on each worker, then `done` here with all that they returned.
  void gather(std::function<std::vector<SessionInfo>(Worker&)> collect,
              std::function<void(std::vector<SessionInfo>)> done);
  std::optional<Refusal> look_up(const std::string& pool, const std::string& backend, Pool*& p, Backend*& b);

  net::Loop loop_;
  metrics::Registry registry_;
  session::Shared shared_;
  std::shared_ptr<const session::Snapshot> snapshot_;
  HealthChecks checks_;
  const Time started_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<log::AccessLog> access_log_;
  std::vector<std::unique_ptr<Drain>> drains_;
  std::map<const Backend*, std::uint64_t> cut_total_;
  std::map<const Pool*, std::vector<double>> shares_;

  std::uint64_t ticks_ = 0;
  Time next_sweep_{};
  Time shrinking_since_{};
  std::uint64_t most_held_ = 0;  // connections and keys, at most since memory was given back
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
    idle += pool->settings->keepalive_connections * pool->backends.size() * workers_.size();
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
  loop_.set_tick(kCalmTick, [this] { tick(); });
  while (running_) loop_.run_turn();

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
  log::info("leaving: not ready from now on, sessions go on for drain_delay");
}

// The heap keeps what thousands of sessions have left behind; once they and their keys are gone the system gets it
// back.
void Process::give_back_memory(Time now) {
  std::uint64_t held = shared_.connections.load(std::memory_order_relaxed);
  for (const auto& pool : snapshot_->pools) {
    for (const auto& backend : pool->backends) held += backend->keys.load(std::memory_order_relaxed);
  }
  most_held_ = std::max(most_held_, held);
  if (most_held_ < 1000 || held > most_held_ / 2) {
    shrinking_since_ = now;
    return;
  }
  if (now < shrinking_since_ + kTrimDelay) return;
  most_held_ = held;
  for (auto* worker : shared_.workers) worker->post([worker] { worker->give_back_memory(); });
  malloc_trim(0);
}

void Process::tick() {
  const Time now = loop_.now();
  ++ticks_;
  if (now >= next_sweep_) {
    next_sweep_ = now + kSweepPeriod;
    shared_.affinity.sweep(now);
    give_back_memory(now);
  }
  const bool busy = leaving_ || !drains_.empty();
  if (busy != busy_) {
    busy_ = busy;
    loop_.set_tick(busy ? kBusyTick : kCalmTick, [this] { tick(); });
  }
  checks_.tick(now);
  for (auto& drain : drains_) step(*drain, now);
  std::erase_if(drains_, [](const auto& drain) { return drain->finished; });
  if (leaving_) leave(now);
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
      for (const auto& backend : pool->backends) {
        forget_drain(*backend);  // its own may be soft, paused or slower
        start_drain(*pool, *backend, order, true);
      }
    }
    return;
  }
  std::uint64_t open = 0;
  for (const auto& pool : snapshot_->pools) {
    for (const auto& backend : pool->backends) open += backend->sessions.load(std::memory_order_relaxed);
  }
  // Requests that were on their way when the listeners closed still get their answer.
  const Duration since_closed = now - leaving_since_ - proxy.drain_delay;
  const bool quiet =
      open == 0 && (shared_.connections.load(std::memory_order_relaxed) == 0 || since_closed >= kLastRequests);
  if (quiet || since_closed >= proxy.drain_deadline + std::chrono::seconds(1)) running_ = false;
}

void Process::forget_drain(const Backend& backend) {
  std::erase_if(drains_, [&](const auto& drain) {
    if (drain->backend != &backend) return false;
    cut_total_[&backend] += drain->cut;
    return true;
  });
}

void Process::start_drain(Pool& pool, Backend& backend, const DrainOrder& order, bool process_leaves) {
  auto drain = std::make_unique<Drain>();
  drain->pool = &pool;
  drain->backend = &backend;
  drain->order = order;
  drain->began = loop_.now();
  drain->deadline = drain->began + order.deadline;
  drain->process_leaves = process_leaves;
  if (!process_leaves) backend.state.store(BackendState::Draining);
  std::vector<balancer::KeyLoad> keys;
  for (auto& key : shared_.affinity.keys_on(backend, !process_leaves))
    keys.push_back({std::move(key.key), key.sessions});
  drain->total = backend.sessions.load();
  if (!order.soft) {
    drain->schedule =
        std::make_unique<balancer::Schedule>(std::move(keys), order.over, order.whole_keys, random64(), drain->began);
  }
  for (auto& worker : workers_) {
    worker->post([&worker, &backend] { worker->upstreams().drop(backend); });
  }
  log::info("drain begins", {{"pool", pool.settings->name}, {"backend", backend.name}, {"sessions", drain->total}});
  drains_.push_back(std::move(drain));
}

void Process::step(Drain& drain, Time now) {
  Backend& backend = *drain.backend;
  const auto reason = drain.process_leaves ? CloseReason::Shutdown : CloseReason::Drained;
  session::Affinity::Leavers leavers;
  if (drain.schedule) {
    std::vector<balancer::Turn> turns;
    drain.schedule->due(now, turns);
    for (const auto& turn : turns) {
      const std::size_t most = turn.whole ? SIZE_MAX : turn.sessions;
      shared_.affinity.turn(*drain.pool, turn.key, backend, most, !drain.process_leaves, leavers);
    }
    // What joined a key after the plan was made, under a key that the plan did not have.
    if (drain.schedule->done() && ticks_ % kTicksPerLateKeys == 0) {
      for (const auto& key : shared_.affinity.keys_on(backend, !drain.process_leaves)) {
        shared_.affinity.turn(*drain.pool, key.key, backend, SIZE_MAX, !drain.process_leaves, leavers);
      }
    }
    drain.moved += leavers.size();
    shared_.dismiss(leavers, reason);
  }
  const bool paused = drain.schedule && drain.schedule->paused();
  if (!drain.order.soft && !paused && !drain.deadline_passed && now >= drain.deadline) {
    drain.deadline_passed = true;
    cut_all(backend, CloseReason::Cut, &drain);
  }
  const bool done = !drain.schedule || drain.schedule->done() || drain.deadline_passed;
  if (done && backend.sessions.load(std::memory_order_relaxed) == 0) {
    if (drain.process_leaves) return;
    backend.state.store(BackendState::Drained);
    drain.finished = true;
    cut_total_[&backend] += drain.cut;
    log::info("drained", {{"pool", drain.pool->settings->name}, {"backend", backend.name}, {"cut", drain.cut}});
  }
}

void Process::cut_all(const Backend& backend, CloseReason reason, Drain* drain) {
  drain->cut = backend.sessions.load(std::memory_order_relaxed);
  for (auto& worker : workers_) {
    worker->post([&worker, &backend, reason] {
      std::vector<Session*> theirs;
      worker->for_each_session([&](Session& session) {
        if (session.record().member.backend == &backend) theirs.push_back(&session);
      });
      for (Session* session : theirs) session->cut(reason);
    });
  }
}

Drain* Process::find_drain(const Backend& backend) {
  for (auto& drain : drains_) {
    if (drain->backend == &backend) return drain.get();
  }
  return nullptr;
}

std::optional<Refusal> Process::look_up(const std::string& pool, const std::string& backend, Pool*& p, Backend*& b) {
  p = snapshot_->find_pool(pool);
  if (p == nullptr) return Refusal{404, "no pool '" + pool + "'"};
  b = p->find(backend);
  if (b == nullptr) return Refusal{404, "pool '" + pool + "' has no backend '" + backend + "'"};
  return std::nullopt;
}

DrainPlan Process::plan_of(const Pool& pool, const Backend& backend, const DrainOrder& order) {
  DrainPlan plan;
  plan.sessions = backend.sessions.load();
  plan.takes_s = seconds_of(order.over);
  const auto keys = shared_.affinity.keys_on(backend, false);
  plan.keys = keys.size();
  for (const auto& other : pool.backends) {
    if (other.get() != &backend) plan.load_after[other->name] = other->sessions.load();
  }
  std::vector<balancer::Candidate> candidates;
  std::vector<balancer::Index> scratch;
  pool.candidates({}, candidates);
  candidates[backend.index].available = false;
  for (const auto& key : keys) {
    if (key.sessions > 1 && key.sessions * 20 > plan.sessions) plan.heavy.emplace_back(key.key, key.sessions);
    const auto choice = balancer::choose_by_hash(*pool.ranker, balancer::hash_key(key.key, pool.settings->hash_seed),
                                                 candidates, 0, scratch);
    if (!choice) continue;
    const auto& name = pool.backends[choice->backend]->name;
    plan.goes_to[name] += key.sessions;
    plan.load_after[name] += key.sessions;
  }
  std::sort(plan.heavy.begin(), plan.heavy.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return plan;
}

std::optional<Refusal> Process::drain(const std::string& pool, const std::string& backend, const DrainOrder& order,
                                      DrainPlan& plan) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  plan = plan_of(*p, *b, order);
  if (b->state.load() != BackendState::Ready) {
    return Refusal{409, "'" + backend + "' is " + state_text(b->state.load()) + " already"};
  }
  const bool other_available = std::any_of(p->backends.begin(), p->backends.end(), [&](const auto& other) {
    return other.get() != b && other->is_available();
  });
  if (!other_available && !order.force) {
    return Refusal{409, "'" + backend + "' is the last available backend of its pool; --force drains it all the same"};
  }
  if (!order.dry_run) start_drain(*p, *b, order, false);
  return std::nullopt;
}

std::optional<Refusal> Process::drain_action(const std::string& pool, const std::string& backend, DrainAction action) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  Drain* drain = find_drain(*b);
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  if (drain == nullptr || !drain->schedule) return Refusal{409, "'" + backend + "' has no drain with a pace"};
  const Time now = loop_.now();
  // The deadline waits with a paused drain.
  if (drain->schedule->paused() && action != DrainAction::Pause) drain->deadline += now - drain->paused_at;
  switch (action) {
  case DrainAction::Pause:
    if (!drain->schedule->paused()) drain->paused_at = now;
    drain->schedule->pause(now);
    break;
  case DrainAction::Resume:
    drain->schedule->resume(now);
    break;
  case DrainAction::Hurry:
    drain->schedule->hurry(now, Duration{0});
    break;
  }
  return std::nullopt;
}

std::optional<Refusal> Process::ready(const std::string& pool, const std::string& backend) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  forget_drain(*b);
  b->state.store(BackendState::Ready);
  log::info("ready", {{"pool", pool}, {"backend", backend}});
  return std::nullopt;
}

const std::vector<double>& Process::shares_of(const Pool& pool) {
  auto& shares = shares_[&pool];
  if (shares.empty()) shares = pool.ranker->shares();
  return shares;
}

BackendStatus Process::backend_status(const Pool&, const Backend& backend, double share) {
  BackendStatus status;
  status.name = backend.name;
  status.address = backend.address.text();
  status.state = state_text(backend.state.load());
  const auto health = backend.health.load();
  status.health = health == BackendHealth::Up ? "up" : health == BackendHealth::Down ? "down" : "ejected";
  status.weight = backend.weight;
  status.share = share;
  status.keys = backend.keys.load();
  for (std::size_t p = 0; p < metrics::kProtocols; ++p) {
    std::int64_t open = 0;
    for (const auto* cells : backend.cells) open += cells->protocols[p].sessions.value();
    if (open > 0)
      status.sessions[std::string(metrics::name(static_cast<metrics::Protocol>(p)))] = static_cast<std::uint64_t>(open);
  }
  if (const Drain* drain = find_drain(backend)) {
    const Time now = loop_.now();
    DrainStatus d;
    d.remaining = backend.sessions.load();
    d.total = std::max(drain->total, d.remaining);
    d.moved = drain->moved;
    d.cut = drain->cut;
    d.over_s = seconds_of(drain->order.over);
    d.deadline_s = seconds_of(drain->order.deadline);
    d.elapsed_s = seconds_of(now - drain->began);
    if (drain->schedule) {
      d.eta_s = seconds_of(drain->schedule->remaining(now));
      d.paused = drain->schedule->paused();
      for (const auto& key : drain->schedule->heavy()) d.heavy.emplace_back(key.key, key.sessions);
    }
    status.drain = d;
  }
  return status;
}

PoolStatus Process::pool_status(const Pool& pool) {
  PoolStatus status;
  const auto& settings = *pool.settings;
  status.name = settings.name;
  status.algorithm = settings.algorithm == balancer::Algorithm::Ring     ? "ring"
                     : settings.algorithm == balancer::Algorithm::Maglev ? "maglev"
                                                                         : "rendezvous";
  std::vector<balancer::Spec> specs;
  for (const auto& backend : settings.backends) specs.push_back({backend.name, backend.weight});
  status.digest = balancer::digest(settings.algorithm, specs, settings.hash_seed);
  status.misplaced_keys = static_cast<std::uint64_t>(std::max<std::int64_t>(0, pool.misplaced_keys.load()));
  const auto& shares = shares_of(pool);
  for (const auto& backend : pool.backends) {
    status.backends.push_back(backend_status(pool, *backend, shares[backend->index]));
  }
  return status;
}

Status Process::status() {
  Status status;
  status.version = kVersion;
  status.uptime_s = seconds_of(loop_.now() - started_);
  status.pid = getpid();
  status.workers = static_cast<unsigned>(workers_.size());
  status.state = leaving_ ? "draining" : "running";
  for (const auto& pool : snapshot_->pools) {
    status.pools.push_back(pool_status(*pool));
    for (const auto& backend : status.pools.back().backends) {
      for (const auto& [protocol, open] : backend.sessions) status.sessions[protocol] += open;
    }
  }
  return status;
}

std::string Process::metrics() {
  metrics::Facts facts;
  for (const auto& pool : snapshot_->pools) {
    metrics::PoolFacts p;
    p.pool = pool->settings->name;
    p.misplaced_keys = static_cast<std::uint64_t>(std::max<std::int64_t>(0, pool->misplaced_keys.load()));
    const auto& shares = shares_of(*pool);
    for (const auto& backend : pool->backends) {
      p.affinity_keys += backend->keys.load();
      metrics::BackendFacts b;
      b.pool = p.pool;
      b.backend = backend->name;
      b.up = backend->health.load() == BackendHealth::Up;
      b.state = state_text(backend->state.load());
      b.weight = backend->weight;
      b.hash_share = shares[backend->index];
      b.drain_sessions_cut = cut_total_[backend.get()];
      if (const Drain* drain = find_drain(*backend)) {
        b.drain_sessions_remaining = backend->sessions.load();
        b.drain_sessions_cut += drain->cut;
      }
      facts.backends.push_back(b);
    }
    facts.pools.push_back(p);
  }
  const auto age = std::chrono::steady_clock::now() - started_;
  facts.last_reload_success =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count() - seconds_of(age);
  return registry_.text(facts);
}

void Process::gather(std::function<std::vector<SessionInfo>(Worker&)> collect,
                     std::function<void(std::vector<SessionInfo>)> done) {
  struct Join {
    std::size_t waiting;
    std::vector<SessionInfo> all;
    std::function<void(std::vector<SessionInfo>)> done;
  };
  auto join = std::make_shared<Join>(Join{workers_.size(), {}, std::move(done)});
  for (auto& worker : workers_) {
    worker->post([this, &worker, collect, join] {
      auto found = std::make_shared<std::vector<SessionInfo>>(collect(*worker));
      loop_.post([join, found] {
        join->all.insert(join->all.end(), found->begin(), found->end());
        if (--join->waiting == 0) join->done(std::move(join->all));
      });
    });
  }
}

void Process::sessions(const SessionFilter& filter, std::function<void(std::vector<SessionInfo>)> done) {
  gather(
      [filter](Worker& worker) {
        std::vector<SessionInfo> found;
        const Time now = worker.now();
        worker.for_each_session([&](Session& session) {
          if (found.size() >= filter.limit || !session.record().counted()) return;
          SessionInfo info = describe(session, now);
          if (matches(info, filter)) found.push_back(std::move(info));
        });
        return found;
      },
      [filter, done = std::move(done)](std::vector<SessionInfo> all) {
        if (all.size() > filter.limit) all.resize(filter.limit);
        done(std::move(all));
      });
}

void Process::close(const SessionFilter& filter, std::function<void(std::uint64_t)> done) {
  gather(
      [filter](Worker& worker) {
        std::vector<SessionInfo> found;
        std::vector<Session*> leaving;
        const Time now = worker.now();
        worker.for_each_session([&](Session& session) {
          if (!session.record().counted()) return;
          SessionInfo info = describe(session, now);
          if (!matches(info, filter)) return;
          found.push_back(std::move(info));
          leaving.push_back(&session);
        });
        for (Session* session : leaving) session->farewell(CloseReason::Drained);
        return found;
      },
      [done = std::move(done)](const std::vector<SessionInfo>& all) { done(all.size()); });
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
  const std::uint64_t hash = balancer::hash_key(key, p->settings->hash_seed);
  std::vector<balancer::Index> ranking;
  p->ranker->rank(hash, ranking);
  for (const auto index : ranking) answer->ranking.push_back(p->backends[index]->name);
  const auto home = shared_.affinity.find(*p, key, loop_.now());
  if (home.backend != nullptr && home.backend->serves()) {
    answer->backend = home.backend->name;
    answer->reason = "live";
  } else {
    std::vector<balancer::Candidate> candidates;
    p->candidates({}, candidates);
    const auto choice = balancer::choose_by_hash(*p->ranker, hash, candidates, p->settings->load_factor, ranking);
    if (choice) answer->backend = p->backends[choice->backend]->name;
    answer->reason = !choice ? "no_backend" : choice->how == balancer::How::Fallback ? "fallback" : "hash";
  }
  SessionFilter filter;
  filter.pool = p->settings->name;
  filter.key = key;
  sessions(filter, [answer, done = std::move(done)](std::vector<SessionInfo> open) {
    answer->sessions = std::move(open);
    done(*answer);
  });
}

}  // namespace

int run_proxy(const session::Settings& settings, const std::string&) {
  std::signal(SIGPIPE, SIG_IGN);
  net::keep_event_slots_apart();
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
