// SPDX-License-Identifier: Apache-2.0
// Readiness as a stream's handler sees it, although the kernel tells of edges only: over real sockets, among others of
// the same batch that are destroyed, change or come anew.
#include "proxy/net/poller.h"

#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/net/loop.h"
#include "proxy/net/tcp_stream.h"
#include "tests/net/tcp_pair.h"
#include "tests/net/unix_pair.h"

namespace limpet::net {

namespace {

// One end of a connected pair as a stream, the other as a plain descriptor; counts its calls.
struct End final : StreamHandler {
  explicit End(Loop& loop) {
    int both[2];
    BOOST_TEST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both) == 0);
    peer = Fd(both[1]);
    stream = std::make_unique<TcpStream>(loop, Fd(both[0]));
    stream->set_handler(this);
  }
  void on_ready(Stream&, bool readable, bool writable) override {
    ++calls;
    writes += writable ? 1 : 0;
    if (readable && takes) {
      char byte;
      last = stream->read(&byte, 1).status;
      if (last == IoStatus::WouldBlock) return;
    }
    reads += readable ? 1 : 0;
    if (then) then();
  }
  void say() { BOOST_TEST_REQUIRE(::send(peer.value(), "x", 1, MSG_NOSIGNAL) == 1); }

  Fd peer;
  std::unique_ptr<TcpStream> stream;
  std::function<void()> then;
  IoStatus last = IoStatus::WouldBlock;
  bool takes = true;  // reads when it can
  int calls = 0;
  int reads = 0;
  int writes = 0;
};

// Reads once whenever it can.
struct Taker final : StreamHandler {
  void on_ready(Stream& stream, bool, bool) override {
    char buffer[64];
    const IoResult result = stream.read(buffer, sizeof buffer);
    if (result.status == IoStatus::Ok) got.append(buffer, result.n);
  }
  std::string got;
};

struct Fixture {
  Loop loop;
  End a{loop};
  End b{loop};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(poller, Fixture)

BOOST_AUTO_TEST_CASE(interest_is_obeyed_as_it_changes) {
  a.say();
  a.stream->watch(false, true);
  loop.run_round();
  BOOST_TEST(a.reads == 0);
  BOOST_TEST(a.writes == 1);
  a.stream->watch(true, false);
  loop.run_round();
  BOOST_TEST(a.reads == 1);
  BOOST_TEST(a.writes == 1);
  a.stream->watch(false, false);
  a.say();
  b.stream->watch(true, false);
  b.say();
  loop.run_round();
  BOOST_TEST(b.reads == 1);
  BOOST_TEST(a.reads == 1);
  a.stream->watch(true, true);
  loop.run_round();
  BOOST_TEST(a.reads == 2);
  BOOST_TEST(a.writes == 2);
}

BOOST_AUTO_TEST_CASE(one_that_was_destroyed_or_left_in_the_same_batch_gets_no_call) {
  for (const auto& [leave, destroy] : {std::pair{false, true}, std::pair{true, false}, std::pair{true, true}}) {
    End c(loop);
    End d(loop);
    int calls = 0;
    const auto only_one = [&, leave = leave, destroy = destroy](End& other) {
      ++calls;
      if (leave) other.stream->watch(false, false);
      if (destroy) other.stream.reset();
    };
    c.then = [&] { only_one(d); };
    d.then = [&] { only_one(c); };
    c.stream->watch(true, false);
    d.stream->watch(true, false);
    c.say();
    d.say();
    loop.run_round();
    BOOST_TEST(calls == 1);
  }
}

BOOST_AUTO_TEST_CASE(a_descriptor_number_that_is_used_anew_belongs_to_its_new_stream) {
  a.stream->watch(true, false);
  const int number = a.stream->descriptor();
  a.say();
  a.stream.reset();
  End c(loop);
  BOOST_TEST_REQUIRE(c.stream->descriptor() == number);
  c.stream->watch(true, false);
  c.say();
  loop.run_round();
  BOOST_TEST(c.reads == 1);
  BOOST_TEST(a.reads == 0);
}

BOOST_AUTO_TEST_CASE(a_hang_up_is_told_by_whatever_is_watched) {
  a.stream->watch(false, true);
  b.stream->watch(true, false);
  a.peer.reset();
  b.peer.reset();
  loop.run_round();
  BOOST_TEST(a.writes == 1);
  BOOST_TEST(a.reads == 0);
  BOOST_TEST(b.reads == 1);
  BOOST_TEST((b.last == IoStatus::Eof));
}

BOOST_AUTO_TEST_CASE(what_was_not_read_is_told_again_until_it_is) {
  a.takes = false;
  a.stream->watch(true, false);
  a.say();
  for (int round = 1; round <= 3; ++round) {
    loop.run_round();
    BOOST_TEST(a.reads == round);
  }
  a.takes = true;
  a.say();
  a.peer.reset();
  a.then = [&] {
    if (a.last == IoStatus::Eof) a.stream->watch(false, false);
  };
  while (a.last != IoStatus::Eof) loop.run_round();
  BOOST_TEST(a.reads == 6);  // two bytes, and the end, which came before they were read
}

BOOST_AUTO_TEST_CASE(what_was_read_outside_of_a_call_and_left_more_is_told) {
  a.stream->watch(true, false);
  for (int byte = 0; byte < 3; ++byte) a.say();
  a.takes = false;
  loop.run_round();
  char byte;
  BOOST_TEST((a.stream->read(&byte, 1).status == IoStatus::Ok));
  a.takes = true;
  for (int round = 0; round < 3; ++round) loop.run_round();
  BOOST_TEST(a.reads == 3);
  BOOST_TEST(a.calls == 4);  // one that found nothing: the kernel was not asked whether anything is left
}

// tcp(7): a read ends before the mark of urgent data, however much is behind it.
BOOST_AUTO_TEST_CASE(what_is_behind_urgent_data_is_told) {
  TcpPair pair = connected_pair();
  Taker taker;
  TcpStream stream(loop, std::move(pair.ours));
  stream.set_handler(&taker);
  BOOST_TEST_REQUIRE(::send(pair.theirs.value(), "before", 6, 0) == 6);
  BOOST_TEST_REQUIRE(::send(pair.theirs.value(), "!", 1, MSG_OOB) == 1);
  BOOST_TEST_REQUIRE(::send(pair.theirs.value(), "behind", 6, 0) == 6);
  stream.watch(true, false);
  for (int round = 0; round < 5 && taker.got.size() < 12; ++round) {
    loop.post([] {});
    loop.run_round();
  }
  BOOST_TEST(taker.got == "beforebehind");
}

// unix(7): a read ends behind the bytes with which descriptors came.
BOOST_AUTO_TEST_CASE(what_is_behind_a_unix_peers_descriptors_is_told) {
  UnixPair pair = unix_pair();
  auto stream = TcpStream::open(loop, std::move(pair.ours), pair.peer);
  Taker taker;
  stream->set_handler(&taker);
  BOOST_TEST_REQUIRE(send_with_descriptor(pair.theirs.value(), "before"));
  BOOST_TEST_REQUIRE(::send(pair.theirs.value(), "behind", 6, MSG_NOSIGNAL) == 6);
  stream->watch(true, false);
  for (int round = 0; round < 5 && taker.got.size() < 12; ++round) {
    loop.post([] {});
    loop.run_round();
  }
  BOOST_TEST(taker.got == "beforebehind");
}

BOOST_AUTO_TEST_CASE(a_stream_that_can_be_written_to_is_called_until_it_is_full) {
  a.stream->watch(false, true);
  for (int round = 0; round < 3; ++round) loop.run_round();
  BOOST_TEST(a.writes == 3);
  const std::vector<char> much(1024 * 1024);
  const iovec piece{const_cast<char*>(much.data()), much.size()};
  while (a.stream->write(&piece, 1).status == IoStatus::Ok) {
  }
  loop.post([] {});
  loop.run_round();  // the call that was due before it was full
  const int before = a.writes;
  loop.post([] {});
  loop.run_round();
  BOOST_TEST(a.writes == before);
  std::vector<char> taken(much.size());
  while (::recv(a.peer.value(), taken.data(), taken.size(), 0) > 0) {
  }
  loop.run_round();
  BOOST_TEST(a.writes == before + 1);
}

BOOST_AUTO_TEST_CASE(one_that_is_to_be_called_again_may_be_destroyed_before) {
  End c(loop);
  c.takes = false;
  c.stream->watch(true, false);
  c.say();
  loop.run_round();
  c.stream.reset();
  a.stream->watch(true, false);
  a.say();
  loop.run_round();
  BOOST_TEST(c.reads == 1);
  BOOST_TEST(a.reads == 1);
}

BOOST_AUTO_TEST_CASE(more_than_a_batch_is_served_in_rounds_and_the_mail_in_between) {
  std::vector<std::unique_ptr<End>> many;
  int served = 0;
  int served_before_mail = -1;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(std::make_unique<End>(loop));
    many.back()->then = [&] { ++served; };
    many.back()->stream->watch(true, false);
    for (int byte = 0; byte < 3; ++byte) many.back()->say();  // one call takes one
  }
  loop.post([&] { served_before_mail = served; });
  for (int round = 0; round < 60; ++round) {
    if (served < 3000 || served_before_mail < 0) loop.run_round();
  }
  BOOST_TEST(served == 3000);
  BOOST_TEST(served_before_mail >= 0);
  BOOST_TEST(served_before_mail <= 2000);  // it stands behind those that were ready before it, and as many again
  for (const auto& end : many) BOOST_TEST(end->reads == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::net
