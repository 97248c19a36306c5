// SPDX-License-Identifier: Apache-2.0
// What a message costs once a session is under way, over real sockets: one read, one write, nothing else. This
// program's own operator new and system calls are counted, on the thread that asks for it.
#include <dlfcn.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdarg>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <new>
#include <string>

#include "proxy/net/acceptor.h"
#include "proxy/session/http/http_protocol.h"
#include "proxy/session/worker.h"

namespace {

struct Costs {
  int allocations = 0;
  int reads = 0;
  int writes = 0;
  int interest_changes = 0;
  int ring_calls = 0;
};

thread_local Costs costs;
thread_local bool counting = false;

void* counted_allocation(std::size_t size) {
  if (counting) ++costs.allocations;
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return counted_allocation(size);
}
void* operator new[](std::size_t size) {
  return counted_allocation(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (counting) ++costs.allocations;
  return std::malloc(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  if (counting) ++costs.allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

extern "C" {
ssize_t recv(int fd, void* to, size_t size, int flags) {
  static const auto real = reinterpret_cast<ssize_t (*)(int, void*, size_t, int)>(::dlsym(RTLD_NEXT, "recv"));
  if (counting) ++costs.reads;
  return real(fd, to, size, flags);
}
ssize_t send(int fd, const void* from, size_t size, int flags) {
  static const auto real = reinterpret_cast<ssize_t (*)(int, const void*, size_t, int)>(::dlsym(RTLD_NEXT, "send"));
  if (counting) ++costs.writes;
  return real(fd, from, size, flags);
}
long syscall(long number, ...) noexcept {
  using Call = long (*)(long, long, long, long, long, long, long);
  static const auto real = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, "syscall"));
  if (counting && number == SYS_recvfrom) ++costs.reads;
  if (counting && number == SYS_sendto) ++costs.writes;
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static const auto real = reinterpret_cast<ssize_t (*)(int, const msghdr*, int)>(::dlsym(RTLD_NEXT, "sendmsg"));
  if (counting) ++costs.writes;
  return real(fd, message, flags);
}
int epoll_ctl(int set, int operation, int fd, epoll_event* event) noexcept {
  static const auto real = reinterpret_cast<int (*)(int, int, int, epoll_event*)>(::dlsym(RTLD_NEXT, "epoll_ctl"));
  if (counting) ++costs.interest_changes;
  return real(set, operation, fd, event);
}
int io_uring_submit(io_uring* ring) {
  static const auto real = reinterpret_cast<int (*)(io_uring*)>(::dlsym(RTLD_NEXT, "io_uring_submit"));
  if (counting) ++costs.ring_calls;
  return real(ring);
}
int io_uring_submit_and_get_events(io_uring* ring) {
  static const auto real = reinterpret_cast<int (*)(io_uring*)>(::dlsym(RTLD_NEXT, "io_uring_submit_and_get_events"));
  if (counting) ++costs.ring_calls;
  return real(ring);
}
int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** found, unsigned least, __kernel_timespec* patience,
                                     sigset_t* mask) {
  using Call = int (*)(io_uring*, io_uring_cqe**, unsigned, __kernel_timespec*, sigset_t*);
  static const auto real = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, "io_uring_submit_and_wait_timeout"));
  if (counting) ++costs.ring_calls;
  return real(ring, found, least, patience, mask);
}
}

namespace limpet::session {

namespace {

constexpr int kMessages = 200;

// A worker with a listener and one backend; the peers' sockets block, and are used while the worker has nothing to do.
struct Rig {
  explicit Rig(bool with_ring = false) {
    const net::Address anywhere = net::Address::parse("127.0.0.1:0").value();
    Fd listening = net::listen_on(anywhere, 0).value();
    const net::Address proxy = net::bound_address(listening.value());
    backend_listening = net::listen_on(anywhere, 0).value();

    auto pool_settings = std::make_shared<PoolSettings>();
    pool_settings->name = "main";
    pool_settings->backends.push_back({"one", net::bound_address(backend_listening.value()), 1});
    pool = std::make_shared<Pool>(std::shared_ptr<const PoolSettings>(pool_settings));
    pool->view().backends[0]->cells = {&registry.backend("main", "one", 0)};
    auto route = std::make_shared<RouteSettings>();
    route->pool = "main";
    Settings settings;
    settings.listeners.emplace_back().name = "web";
    settings.routes.push_back(route);
    settings.pools.push_back(pool_settings);
    shared.max_connections = 100;
    std::string why;
    net::Io io = with_ring ? net::ring_io(why) : net::epoll_io();
    BOOST_TEST_REQUIRE(why == "");
    worker = std::make_unique<Worker>(
        shared, 0, std::make_shared<const Snapshot>(settings, std::vector<std::shared_ptr<Pool>>{pool}), protocol,
        nullptr, std::move(io));
    shared.workers = {worker.get()};
    worker->listen(0, std::move(listening));

    client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    BOOST_TEST_REQUIRE(::connect(client.value(), proxy.raw(), proxy.raw_size()) == 0);
  }

  ~Rig() {
    client.reset();
    backend.reset();
    run_rounds(3);
  }

  // A round that ends soon, though nothing may come.
  void run_round() {
    worker->loop().tick_by(worker->loop().read_clock() + std::chrono::milliseconds(5));
    worker->run_round();
  }

  static void says(const Fd& peer, std::string_view text) {
    BOOST_TEST_REQUIRE(::send(peer.value(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  // What has come, once there is something.
  std::string hears(const Fd& peer) {
    std::string got(256 * 1024, '\0');
    for (int i = 0; i < 1000; ++i) {
      const ssize_t n = ::recv(peer.value(), got.data(), got.size(), MSG_DONTWAIT);
      if (n > 0) {
        got.resize(static_cast<std::size_t>(n));
        return got;
      }
      run_round();
    }
    BOOST_FAIL("nothing came");
    return {};
  }
  void run_rounds(int n) {
    for (int i = 0; i < n; ++i) run_round();
  }

  // The request goes out and its connection comes in.
  void asks(std::string_view head) {
    says(client, head);
    for (int i = 0; i < 1000 && !backend.open(); ++i) {
      run_round();
      backend = Fd(::accept4(backend_listening.value(), nullptr, nullptr, SOCK_CLOEXEC));
    }
    BOOST_TEST_REQUIRE(backend.open());
    hears(backend);
  }

  void opens_websocket() {
    asks(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    says(backend,
         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    BOOST_TEST_REQUIRE(hears(client).starts_with("HTTP/1.1 101 "));
  }
  void opens_event_stream() {
    asks("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    says(backend, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string begun;
    while (begun.find("retry: ") == std::string::npos) begun += hears(client);
    BOOST_TEST_REQUIRE(begun.starts_with("HTTP/1.1 200 "));
  }

  struct Passage {
    const Fd& from;
    const Fd& to;
    std::string message;
  };

  // Sends the messages often, all at once, and counts what the worker's rounds cost until the other sides have them.
  Costs relayed(std::initializer_list<Passage> passages) {
    Costs sum;
    for (int i = -20; i < kMessages; ++i) {  // the first ones may make room
      for (const Passage& passage : passages) says(passage.from, passage.message);
      costs = {};
      for (const Passage& passage : passages) BOOST_TEST_REQUIRE(counts_until_heard(passage) == passage.message);
      if (i < 0) continue;
      sum.allocations += costs.allocations;
      sum.reads += costs.reads;
      sum.writes += costs.writes;
      sum.interest_changes += costs.interest_changes;
      sum.ring_calls += costs.ring_calls;
    }
    return sum;
  }
  Costs relayed(const Fd& from, const Fd& to, const std::string& message) { return relayed({{from, to, message}}); }
  std::string counts_until_heard(const Passage& passage) {
    std::string got;
    got.reserve(passage.message.size() * 2);
    for (;;) {
      char part[64 * 1024];
      for (ssize_t n; (n = ::recv(passage.to.value(), part, sizeof part, MSG_DONTWAIT)) > 0;) {
        got.append(part, static_cast<std::size_t>(n));
      }
      if (got.size() >= passage.message.size()) return got;
      counting = true;
      run_round();
      counting = false;
    }
  }

  metrics::Registry registry{1, "test"};
  Shared shared{1000, registry};
  std::shared_ptr<Pool> pool;
  Fd backend_listening;
  HttpProtocol protocol;
  std::unique_ptr<Worker> worker;
  Fd client;
  Fd backend;
};

void costs_one_read_and_one_write(const Costs& costs, int messages = kMessages) {
  BOOST_TEST(costs.reads == messages);
  BOOST_TEST(costs.writes == messages);
  BOOST_TEST(costs.allocations == 0);
  BOOST_TEST(costs.interest_changes == 0);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(steady_state, Rig)

BOOST_AUTO_TEST_CASE(the_counters_count) {
  counting = true;
  costs = {};
  delete new int;
  char byte;
  ::recv(client.value(), &byte, 1, MSG_DONTWAIT);
  ::syscall(SYS_recvfrom, client.value(), &byte, 1, MSG_DONTWAIT, nullptr, nullptr);
  ::send(client.value(), "", 0, 0);
  ::syscall(SYS_sendto, client.value(), "", 0, 0, nullptr, 0);
  counting = false;
  BOOST_TEST(costs.allocations == 1);
  BOOST_TEST(costs.reads == 2);
  BOOST_TEST(costs.writes == 2);
  counting = true;
  costs = {};
  run_round();  // accepts
  counting = false;
  BOOST_TEST(costs.allocations > 0);
  BOOST_TEST(costs.interest_changes > 0);
}

BOOST_AUTO_TEST_CASE(a_websocket_message_costs_one_read_and_one_write) {
  opens_websocket();
  using namespace std::string_literals;
  costs_one_read_and_one_write(relayed(client, backend, "\x81\x85\1\2\3\4"s + "abcde"));
  costs_one_read_and_one_write(relayed(backend, client, "\x81\x05hello"s));
  costs_one_read_and_one_write(relayed(client, backend, "\x82\xfe\x20\x00\1\2\3\4"s + std::string(8192, 'x')));
  costs_one_read_and_one_write(relayed(backend, client, "\x82\x7e\x20\x00"s + std::string(8192, 'x')));
  costs_one_read_and_one_write(relayed(backend, client, "\x01\x02he\x80\x03llo"s));  // in fragments
}

// So that they leave together.
BOOST_AUTO_TEST_CASE(messages_that_come_together_cost_one_read_and_one_write_each) {
  opens_websocket();
  using namespace std::string_literals;
  const Costs costs = relayed({{client, backend, "\x81\x85\1\2\3\4"s + "abcde"}, {backend, client, "\x81\x05hello"s}});
  costs_one_read_and_one_write(costs, 2 * kMessages);
}

BOOST_AUTO_TEST_CASE(an_event_costs_one_read_and_one_write) {
  opens_event_stream();
  costs_one_read_and_one_write(relayed(backend, client, "d\r\ndata: hello\n\n\r\n"));
  costs_one_read_and_one_write(relayed(backend, client, "14\r\nid: 1\ndata: longer\n\n\r\n"));
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

struct RingRig : Rig {
  RingRig() : Rig(true) {}
};

boost::test_tools::assertion_result kernel_has_io_uring(boost::unit_test::test_unit_id) {
  io_uring ring{};
  if (io_uring_queue_init(8, &ring, 0) != 0) return false;
  io_uring_queue_exit(&ring);
  return true;
}

// One round takes the message and prepares what goes on, the next one's call sends it.
void costs_two_ring_calls_at_most(const Costs& costs) {
  BOOST_TEST(costs.ring_calls > 0);
  BOOST_TEST(costs.ring_calls <= 2 * kMessages);
  BOOST_TEST(costs.reads == 0);
  BOOST_TEST(costs.writes == 0);
  BOOST_TEST(costs.allocations == 0);
  BOOST_TEST(costs.interest_changes == 0);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(steady_state_over_io_uring, RingRig, *boost::unit_test::precondition(kernel_has_io_uring))

BOOST_AUTO_TEST_CASE(a_websocket_message_costs_no_call_but_the_rounds) {
  opens_websocket();
  using namespace std::string_literals;
  costs_two_ring_calls_at_most(relayed(client, backend, "\x81\x85\1\2\3\4"s + "abcde"));
  costs_two_ring_calls_at_most(relayed(backend, client, "\x81\x05hello"s));
}

BOOST_AUTO_TEST_CASE(an_event_costs_no_call_but_the_rounds) {
  opens_event_stream();
  costs_two_ring_calls_at_most(relayed(backend, client, "d\r\ndata: hello\n\n\r\n"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
