// SPDX-License-Identifier: Apache-2.0
// What a connection spares on the wire and in the kernel: packets as the peer's kernel has counted them, ends that are
// known without another read. Real sockets on loopback.
#include "proxy/net/tcp_stream.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>

#include "proxy/net/loop.h"
#include "tests/net/tcp_pair.h"

namespace limpet::net {

namespace {

// Packets that have come to the socket, those of the handshake among them.
unsigned packets(const Fd& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  BOOST_TEST_REQUIRE(::getsockopt(socket.value(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  return info.tcpi_segs_in;
}

std::string all_of(const Fd& socket) {
  std::string got;
  char buffer[64];
  for (ssize_t n; (n = ::recv(socket.value(), buffer, sizeof buffer, 0)) > 0;) {
    got.append(buffer, static_cast<std::size_t>(n));
  }
  return got;
}

void write(Stream& stream, std::string text) {
  const iovec piece{text.data(), text.size()};
  const IoResult result = stream.write(&piece, 1);
  BOOST_TEST_REQUIRE((result.status == IoStatus::Ok && result.n == text.size()));
}

void wait_for_fin(const TcpStream& stream) {
  pollfd fin{stream.descriptor(), POLLRDHUP, 0};
  BOOST_TEST_REQUIRE(::poll(&fin, 1, 5000) == 1);
}

// Reads once whenever it can.
struct Reader final : StreamHandler {
  void on_ready(Stream& stream, bool, bool) override {
    char buffer[64];
    const IoResult result = stream.read(buffer, sizeof buffer);
    if (result.status == IoStatus::Ok) got.append(buffer, result.n);
    ended = ended || result.status == IoStatus::Eof;
    ++calls;
  }
  std::string got;
  bool ended = false;
  int calls = 0;
};

struct Fixture {
  Loop loop;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(tcp_stream, Fixture)

BOOST_AUTO_TEST_CASE(last_words_leave_with_the_end_that_was_announced) {
  unsigned came[2];
  for (const bool announced : {false, true}) {
    TcpPair pair = connected_pair();
    auto stream = std::make_unique<TcpStream>(loop, std::move(pair.ours));
    const unsigned before = packets(pair.theirs);
    if (announced) stream->end_follows();
    write(*stream, "goodbye");
    stream.reset();
    BOOST_TEST(all_of(pair.theirs) == "goodbye");
    came[announced ? 1 : 0] = packets(pair.theirs) - before;
  }
  BOOST_TEST(came[0] == 2U);
  BOOST_TEST(came[1] == 1U);
}

BOOST_AUTO_TEST_CASE(an_end_that_was_announced_and_does_not_come_holds_nothing_up_but_the_next_write) {
  TcpPair pair = connected_pair();
  TcpStream stream(loop, std::move(pair.ours));
  stream.end_follows();
  write(stream, "not the ");
  write(stream, "last");
  const timeval patience{0, 150'000};  // the kernel would hold it for 200 ms
  ::setsockopt(pair.theirs.value(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char buffer[12];
  BOOST_TEST(::recv(pair.theirs.value(), buffer, sizeof buffer, MSG_WAITALL) == 12);
}

BOOST_AUTO_TEST_CASE(an_end_that_came_with_the_last_bytes_is_told_in_the_same_round) {
  TcpPair pair = connected_pair();
  TcpStream stream(loop, std::move(pair.ours));
  Reader reader;
  stream.set_handler(&reader);
  BOOST_TEST_REQUIRE(::send(pair.theirs.value(), "bye", 3, 0) == 3);
  pair.theirs.reset();
  wait_for_fin(stream);
  stream.watch(true, false);
  loop.run_round();
  BOOST_TEST(reader.got == "bye");
  BOOST_TEST(reader.ended);
  BOOST_TEST(reader.calls == 2);
}

// More than one read's worth before it: the end comes when all has been read, and not before.
BOOST_AUTO_TEST_CASE(an_end_behind_much_is_told_behind_all_of_it) {
  TcpPair pair = connected_pair();
  TcpStream stream(loop, std::move(pair.ours));
  Reader reader;
  stream.set_handler(&reader);
  const std::string much(64 * 3, 'm');  // of the reader's buffers exactly
  BOOST_TEST_REQUIRE(::send(pair.theirs.value(), much.data(), much.size(), 0) == static_cast<ssize_t>(much.size()));
  pair.theirs.reset();
  wait_for_fin(stream);
  stream.watch(true, false);
  for (int round = 0; round < 8 && !reader.ended; ++round) {
    loop.post([] {});
    loop.run_round();
  }
  BOOST_TEST(reader.got == much);
  BOOST_TEST(reader.ended);
}

BOOST_AUTO_TEST_CASE(an_end_that_was_not_wanted_is_told_when_it_is) {
  TcpPair pair = connected_pair();
  TcpStream stream(loop, std::move(pair.ours));
  struct Once final : StreamHandler {
    void on_ready(Stream& stream, bool, bool) override {
      char buffer[64];
      last = stream.read(buffer, sizeof buffer).status;
      ++calls;
      stream.watch(false, false);
    }
    IoStatus last = IoStatus::WouldBlock;
    int calls = 0;
  } handler;
  stream.set_handler(&handler);
  BOOST_TEST_REQUIRE(::send(pair.theirs.value(), "bye", 3, 0) == 3);
  pair.theirs.reset();
  wait_for_fin(stream);
  stream.watch(true, false);
  for (int round = 0; round < 3; ++round) {
    loop.post([] {});
    loop.run_round();
  }
  BOOST_TEST(handler.calls == 1);
  BOOST_TEST((handler.last == IoStatus::Ok));
  stream.watch(true, false);
  loop.run_round();
  BOOST_TEST(handler.calls == 2);
  BOOST_TEST((handler.last == IoStatus::Eof));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::net
