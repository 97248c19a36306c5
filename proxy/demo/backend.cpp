// SPDX-License-Identifier: Apache-2.0
// See backend.h. The loop is libevent's with its own listener and bufferevents: this is a guest of the demo, not
// the data path. Connections are destroyed between two rounds of the loop, never within a callback.
#include "proxy/demo/backend.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <utility>
#include <vector>

#include "proxy/base/fd.h"

namespace limpet::demo {

namespace {

constexpr std::size_t kMaxConnections = 1000;

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

}  // namespace

class DemoBackend::Loop final {
 public:
  explicit Loop(DemoSite site) : site_(std::move(site)), base_(event_base_new()), wake_(eventfd(0, EFD_CLOEXEC)) {}

  const DemoSite& site() const { return site_; }

  // The port, or 0 with errno set.
  std::uint16_t listen() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_.reset(evconnlistener_new_bind(
        base_.get(),
        [](evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* self) { static_cast<Loop*>(self)->accept(fd); },
        this, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 128, reinterpret_cast<const sockaddr*>(&address),
        sizeof address));
    socklen_t size = sizeof address;
    if (!wake_.open() || !listener_ ||
        ::getsockname(evconnlistener_get_fd(listener_.get()), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      return 0;
    }
    timer_.reset(event_new(
        base_.get(), -1, EV_PERSIST,
        [](evutil_socket_t, short, void* self) {
          for (const auto& connection : static_cast<Loop*>(self)->connections_) connection->tick();
        },
        this));
    const timeval second{1, 0};
    event_add(timer_.get(), &second);
    woken_.reset(event_new(
        base_.get(), wake_.value(), EV_READ,
        [](evutil_socket_t, short, void* self) { static_cast<Loop*>(self)->stopping_ = true; }, this));
    event_add(woken_.get(), nullptr);
    return ntohs(address.sin_port);
  }

  void run() {
    while (!stopping_ && event_base_loop(base_.get(), EVLOOP_ONCE) == 0) {
      std::erase_if(connections_, [](const auto& connection) { return connection->done(); });
    }
    connections_.clear();
  }

  // From any thread.
  void stop() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.value(), &one, sizeof one);
  }

 private:
  void accept(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bufferevent* const bev = bufferevent_socket_new(base_.get(), fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == nullptr || connections_.size() >= kMaxConnections) {
      if (bev != nullptr) {
        bufferevent_free(bev);
      } else {
        ::close(fd);
      }
      return;
    }
    connections_.push_back(std::make_unique<DemoConnection>(site_, bev));
  }

  const DemoSite site_;

  const std::unique_ptr<event_base, Freed<event_base_free>> base_;
  const Fd wake_;
  std::unique_ptr<evconnlistener, Freed<evconnlistener_free>> listener_;
  std::unique_ptr<event, Freed<event_free>> timer_;
  std::unique_ptr<event, Freed<event_free>> woken_;
  std::vector<std::unique_ptr<DemoConnection>> connections_;

  bool stopping_ = false;
};

Result<std::unique_ptr<DemoBackend>> DemoBackend::start(DemoSite site) {
  auto loop = std::make_unique<Loop>(std::move(site));
  const std::uint16_t port = loop->listen();
  if (port == 0) return Error{.what = loop->site().name + " cannot listen: " + std::strerror(errno)};
  return std::unique_ptr<DemoBackend>(new DemoBackend(std::move(loop), port));
}

DemoBackend::DemoBackend(std::unique_ptr<Loop> loop, std::uint16_t port) : port_(port), loop_(std::move(loop)) {
  // Signals are the proxy's: the new thread inherits a mask that blocks them all.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { loop_->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

DemoBackend::~DemoBackend() {
  loop_->stop();
  thread_.join();
}

const std::string& DemoBackend::name() const {
  return loop_->site().name;
}

}  // namespace limpet::demo
