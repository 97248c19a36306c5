// SPDX-License-Identifier: Apache-2.0
// Accepting from real sockets on loopback: bursts, pauses, the end of listening, and no descriptors left.
#include "proxy/net/acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace limpet::net {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

Address address(const std::string& text) {
  auto parsed = Address::parse(text);
  BOOST_TEST_REQUIRE(parsed.ok());
  return *parsed;
}

Fd listening_on(const std::string& text) {
  auto fd = listen_on(address(text), 0600);
  BOOST_TEST_REQUIRE(fd.ok(), (fd.ok() ? "" : fd.error().what));
  return std::move(fd).value();
}

Fd connect_to(const Address& to) {
  Fd fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  BOOST_TEST_REQUIRE(::connect(fd.value(), to.raw(), to.raw_size()) == 0);
  return fd;
}

// A directory of its own, gone at the end with the sockets in it.
struct TemporaryDirectory {
  TemporaryDirectory() { BOOST_TEST_REQUIRE((::mkdtemp(path) != nullptr)); }
  ~TemporaryDirectory() {
    ::unlink((std::string(path) + "/s").c_str());
    ::rmdir(path);
  }
  std::string socket() const { return std::string("unix:") + path + "/s"; }
  char path[32] = "/tmp/limpet-acceptor-XXXXXX";
};

struct Fixture {
  Loop loop;
  Address here;
  std::vector<Fd> accepted;
  std::vector<std::string> peers;
  int exhausted = 0;
  std::unique_ptr<Acceptor> acceptor;

  Fixture() {
    loop.set_tick([this] { return loop.now() + milliseconds(5); });
  }

  void listen(const std::string& text = "127.0.0.1:0") {
    Fd fd = listening_on(text);
    here = bound_address(fd.value());
    acceptor = std::make_unique<Acceptor>(
        loop, std::move(fd),
        [this](Fd got, const Address& peer) {
          accepted.push_back(std::move(got));
          peers.push_back(peer.text());
          if (on_accept) on_accept();
        },
        [this] { ++exhausted; });
  }
  void run_until_accepted(std::size_t count) {
    const auto deadline = steady_clock::now() + seconds(10);
    while (accepted.size() < count) {
      BOOST_TEST_REQUIRE((steady_clock::now() < deadline));
      loop.run_round();
    }
  }
  void run_some_rounds() {
    for (int i = 0; i < 5; ++i) loop.run_round();
  }
  std::vector<Fd> connect_many(int count) {
    std::vector<Fd> result;
    for (int i = 0; i < count; ++i) result.push_back(connect_to(here));
    return result;
  }
  // Every client hears from the connection that was accepted for it, so none is stranded.
  void each_is_served(const std::vector<Fd>& clients) {
    BOOST_TEST(accepted.size() == clients.size());
    for (const Fd& fd : accepted) BOOST_TEST(::send(fd.value(), "!", 1, MSG_NOSIGNAL) == 1);
    for (const Fd& fd : clients) {
      char byte = 0;
      pollfd readable{fd.value(), POLLIN, 0};
      BOOST_TEST_REQUIRE(::poll(&readable, 1, 5000) == 1);
      BOOST_TEST(::recv(fd.value(), &byte, 1, 0) == 1);
    }
  }

  std::function<void()> on_accept;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(acceptor_test, Fixture)

BOOST_AUTO_TEST_CASE(a_connection_arrives_with_its_peers_address_and_does_not_block) {
  listen();
  const Fd client = connect_to(here);
  run_until_accepted(1);
  BOOST_TEST(peers[0] == bound_address(client.value()).text());
  char byte;
  BOOST_TEST(::recv(accepted[0].value(), &byte, 1, 0) == -1);
  BOOST_TEST(errno == EAGAIN);
  BOOST_TEST((::fcntl(accepted[0].value(), F_GETFD) & FD_CLOEXEC) != 0);
}

BOOST_AUTO_TEST_CASE(ipv6_and_unix_sockets_are_listened_on_too) {
  const TemporaryDirectory directory;
  listen(directory.socket());
  const Fd local = connect_to(address(directory.socket()));
  run_until_accepted(1);
  BOOST_TEST(peers[0] == "unix:");
  struct stat made {};
  BOOST_TEST_REQUIRE(::stat((std::string(directory.path) + "/s").c_str(), &made) == 0);
  BOOST_TEST((made.st_mode & 0777) == 0600U);
  const Fd probe(::socket(AF_INET6, SOCK_STREAM, 0));
  const Address six = address("[::1]:0");
  if (::bind(probe.value(), six.raw(), six.raw_size()) != 0) return;  // a machine without IPv6
  listen("[::1]:0");
  const Fd client = connect_to(here);
  run_until_accepted(2);
  BOOST_TEST(peers[1].starts_with("[::1]:"));
}

BOOST_AUTO_TEST_CASE(a_dead_unix_socket_is_replaced_and_a_live_one_or_a_file_is_not) {
  const TemporaryDirectory directory;
  { const Fd dead = listening_on(directory.socket()); }
  const Fd live = listening_on(directory.socket());
  const auto second = listen_on(address(directory.socket()), 0600);
  BOOST_TEST_REQUIRE(!second.ok());
  BOOST_TEST(second.error().what.find(directory.socket()) != std::string::npos);
  ::unlink((std::string(directory.path) + "/s").c_str());
  const Fd file(::open((std::string(directory.path) + "/s").c_str(), O_CREAT | O_WRONLY, 0600));
  BOOST_TEST(!listen_on(address(directory.socket()), 0600).ok());
  struct stat still {};
  BOOST_TEST(::fstat(file.value(), &still) == 0);
  BOOST_TEST(still.st_nlink == 1U);
}

BOOST_AUTO_TEST_CASE(a_port_can_be_bound_once_per_worker) {
  const Fd first = listening_on("127.0.0.1:0");
  const Fd second = listening_on(bound_address(first.value()).text());
  BOOST_TEST(bound_address(first.value()).port() == bound_address(second.value()).port());
}

BOOST_AUTO_TEST_CASE(an_address_that_cannot_be_bound_is_an_error_that_names_it) {
  const auto fd = listen_on(address("192.0.2.1:80"), 0);
  BOOST_TEST_REQUIRE(!fd.ok());
  BOOST_TEST(fd.error().what.find("192.0.2.1:80") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_storm_is_taken_in_bursts_so_that_others_are_served_too) {
  listen();
  const auto clients = connect_many(200);
  std::vector<std::size_t> per_round;
  const auto deadline = steady_clock::now() + seconds(10);
  while (accepted.size() < 200) {
    BOOST_TEST_REQUIRE((steady_clock::now() < deadline));
    const std::size_t before = accepted.size();
    loop.run_round();
    BOOST_TEST(accepted.size() - before <= 64U);
  }
  each_is_served(clients);
}

BOOST_AUTO_TEST_CASE(a_pause_leaves_connections_in_the_queue_and_resuming_takes_them) {
  listen();
  acceptor->pause();
  acceptor->pause();
  BOOST_TEST(acceptor->paused());
  const auto clients = connect_many(5);
  run_some_rounds();
  BOOST_TEST(accepted.empty());
  acceptor->resume();
  acceptor->resume();
  run_until_accepted(5);
  each_is_served(clients);
}

BOOST_AUTO_TEST_CASE(a_pause_in_the_middle_of_a_burst_takes_no_more_of_it) {
  listen();
  const auto clients = connect_many(10);
  on_accept = [this] {
    if (accepted.size() == 3) acceptor->pause();
  };
  run_some_rounds();
  BOOST_TEST(accepted.size() == 3U);
  acceptor->resume();
  run_until_accepted(10);
  each_is_served(clients);
}

BOOST_AUTO_TEST_CASE(closing_takes_all_that_waits_in_the_queue_and_strands_nobody) {
  listen();
  const auto clients = connect_many(150);
  acceptor->close_after_queue();
  each_is_served(clients);
  BOOST_TEST(acceptor->paused());
  acceptor->close_after_queue();
  acceptor->resume();
  run_some_rounds();
  const Fd late(::socket(AF_INET, SOCK_STREAM, 0));
  BOOST_TEST(::connect(late.value(), here.raw(), here.raw_size()) == -1);
  BOOST_TEST(errno == ECONNREFUSED);
}

BOOST_AUTO_TEST_CASE(closing_strands_nobody_where_accepting_is_paused_either) {
  listen();
  acceptor->pause();
  const auto clients = connect_many(10);
  acceptor->close_after_queue();
  each_is_served(clients);
}

BOOST_AUTO_TEST_CASE(closing_strands_nobody_where_a_connection_makes_accepting_pause) {
  listen();
  on_accept = [this] { acceptor->pause(); };  // as at max_sessions
  const auto clients = connect_many(10);
  acceptor->close_after_queue();
  each_is_served(clients);
}

BOOST_AUTO_TEST_CASE(out_of_descriptors_it_pauses_says_so_once_and_strands_nobody) {
  const pid_t child = ::fork();
  BOOST_TEST_REQUIRE(child >= 0);
  if (child == 0) {
    // Only exit codes leave the child: 0 where all is well.
    listen();
    auto clients = connect_many(6);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t usual = limit.rlim_cur;
    limit.rlim_cur = static_cast<rlim_t>(clients.back().value()) + 3;  // room for two more
    ::setrlimit(RLIMIT_NOFILE, &limit);
    run_some_rounds();
    const bool paused = accepted.size() == 2 && exhausted == 1 && acceptor->paused();
    run_some_rounds();
    const bool once = accepted.size() == 2 && exhausted == 1;
    limit.rlim_cur = usual;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    acceptor->resume();
    for (int i = 0; i < 100 && accepted.size() < 6; ++i) loop.run_round();
    ::_exit(!paused ? 1 : !once ? 2 : accepted.size() != 6 ? 3 : 0);
  }
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::net
