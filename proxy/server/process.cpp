// SPDX-License-Identifier: Apache-2.0
// What only a process has: its limits, its sockets, its threads and its signals. What it decides is ControlCore's.
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
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/admin/admin.h"
#include "proxy/base/exit_code.h"
#include "proxy/base/log.h"
#include "proxy/base/version.h"
#include "proxy/net/acceptor.h"
#include "proxy/net/guest_waiter.h"
#include "proxy/net/loop.h"
#include "proxy/server/control_core.h"
#include "proxy/session/http/http_protocol.h"
#include "proxy/session/worker.h"

namespace limpet::server {

namespace {

constexpr std::uint64_t kReservedDescriptors = 64;  // for listeners, health checks, admin and logs

sigset_t handled_signals() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1}) sigaddset(&mask, signal);
  return mask;
}

// What would end a process by default, and means nothing here; a write beyond a file's limit fails by itself.
void ignore_other_signals() {
  for (const int signal : {SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT, SIGXFSZ}) {
    std::signal(signal, SIG_IGN);
  }
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) std::signal(signal, SIG_IGN);
}

// What the kernel lacks is no reason not to serve.
net::Io io_of_worker(const session::Settings& settings, unsigned worker) {
  if (settings.proxy.io == session::ProxySettings::Io::Uring) {
    std::string why;
    if (auto io = net::ring_io(why); io.waiter != nullptr) return io;
    log::warn("io = \"uring\" is not possible here, epoll is used", {{"worker", worker}, {"why", why}});
  }
  return net::epoll_io();
}

// A successor may have written its own meanwhile.
void remove_pid_file(const std::string& path) {
  pid_t written = 0;
  if (std::ifstream(path) >> written && written == getpid()) ::unlink(path.c_str());
}

class Process {
 public:
  Process(const session::Settings& settings, unsigned workers) : Process(settings, workers, {}) {}
  int run();

 private:
  struct Guests {  // the loop owns the waiter, whose libevent base the admin API lives in
    std::unique_ptr<net::GuestWaiter> waiter = std::make_unique<net::GuestWaiter>();
    event_base* base = waiter->base();
  };

  Process(const session::Settings& settings, unsigned workers, Guests guests)
      : guests_(guests.base),
        loop_(nullptr, std::move(guests.waiter)),
        core_(settings, workers, {loop_, *transport_, protocol_, random_, wall_clock_}) {
    core_.set_trim_heap([] { malloc_trim(0); });
    core_.set_before_listeners_close([this] { remove_socket_files(); });
    for (unsigned w = 0; w < workers; ++w) core_.add_worker(io_of_worker(settings, w));
  }

  const session::Settings& settings() const { return core_.snapshot().settings; }
  std::optional<std::string> open_listeners();
  void limit_connections();
  void remove_socket_files();
  void take_signals(int signals);

  SystemRandom random_;
  const SystemWallClock wall_clock_;
  session::HttpProtocol protocol_;
  const std::unique_ptr<net::Transport> transport_ = net::epoll_io().transport;  // of health checks
  event_base* const guests_;
  net::Loop loop_;
  std::unique_ptr<log::AccessLog> access_log_;
  std::vector<std::string> socket_files_;  // of unix listeners; while somebody listens there nobody else takes the path
  ControlCore core_;
  bool running_ = true;
  bool told_to_stop_ = false;  // by a signal
};

std::optional<std::string> Process::open_listeners() {
  const auto& listeners = settings().listeners;
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (net::Address address : listeners[i].addresses) {
      int shared_unix = -1;
      for (auto& worker : core_.workers()) {
        Fd fd;
        if (shared_unix >= 0) {
          fd.reset(::dup(shared_unix));
        } else {
          auto opened = net::listen_on(address, listeners[i].mode);
          if (!opened) return opened.error().what;
          fd = std::move(opened).value();
          if (address.is_unix()) {
            shared_unix = fd.value();
            socket_files_.push_back(address.unix_path());
          }
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
  for (const auto& pool : core_.snapshot().pools) {
    idle += pool->settings().keepalive_connections * pool->view().backends.size() * core_.workers().size();
  }
  const std::uint64_t reserved =
      std::min(descriptors / 2, kReservedDescriptors + 8 * core_.workers().size()) + std::min(descriptors / 32, idle);
  const std::uint64_t possible = std::max<std::uint64_t>(1, (descriptors - reserved) / 2);
  const std::uint64_t wanted = settings().proxy.max_sessions;
  core_.set_max_connections(wanted == 0 ? possible : std::min(wanted, possible));
  if (wanted > possible) log::warn("max_sessions is more than the descriptor limit allows", {{"possible", possible}});
}

int Process::run() {
  const auto& settings = this->settings();
  limit_connections();
  if (settings.log.access != "off") {
    std::string problem;
    access_log_ = log::AccessLog::open(settings.log.access, problem);
    if (access_log_ == nullptr) {
      std::cerr << "limpet: " << problem << '\n';
      return kNoInput;
    }
    core_.set_access_log(access_log_.get());
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
  admin::Admin admin(guests_, core_, settings.admin);
  if (const auto problem = admin.start()) {
    std::cerr << "limpet: " << *problem << '\n';
    return kUnavailable;
  }
  if (!settings.proxy.pid_file.empty()) std::ofstream(settings.proxy.pid_file) << getpid() << '\n';

  std::vector<std::thread> threads;
  for (auto& worker : core_.workers()) threads.emplace_back([&worker] { worker->run(); });
  log::info("limpet runs", {{"version", kVersion}, {"workers", core_.workers().size()}, {"pid", getpid()}});
  const int signal_fd = signals.value();
  loop_.watch_descriptor(signal_fd, [this, signal_fd] { take_signals(signal_fd); });
  loop_.set_tick([this] { return core_.tick(); });
  while (running_ && !core_.has_left()) loop_.run_round();

  remove_socket_files();
  for (auto& worker : core_.workers()) worker->post([&worker] { worker->stop(); });
  for (auto& thread : threads) thread.join();
  core_.drop_workers();
  if (!settings.proxy.pid_file.empty()) remove_pid_file(settings.proxy.pid_file);
  log::info("limpet has left");
  return 0;
}

// Before anybody stops listening: a file that nobody listens on may be a successor's at any moment.
void Process::remove_socket_files() {
  for (const std::string& path : std::exchange(socket_files_, {})) ::unlink(path.c_str());
}

void Process::take_signals(int signals) {
  signalfd_siginfo info{};
  while (::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1) {
      if (access_log_) access_log_->reopen();
      continue;
    }
    if (std::exchange(told_to_stop_, true)) running_ = false;  // a second one stops now
    core_.stop();
  }
}

}  // namespace

int run_proxy(const session::Settings& settings) {
  ignore_other_signals();
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
